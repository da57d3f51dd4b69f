/** A view of a long map on a canvas: tiles, what stands alone in them, lines, labels, frames. */
import type { Tile } from "../answers/tile.ts";
import type { Box, Marks } from "../cells/paint.ts";
import { every } from "../cells/plot.ts";
import type { Window } from "../cells/pool.ts";
import type { Range, Scale } from "../cells/scale.ts";
import { shade } from "../cells/scale.ts";
import { at, css, type Table } from "../cells/tables.ts";
import type { Palette } from "./palette.ts";
import { fitted } from "./text.ts";

/** A view laid out: `view` is in weights and may begin within one. */
export interface LongPlot {
  readonly view: Window;
  readonly box: Box;
  /** Units of the page per weight. */
  readonly across: number;
  readonly down: number;
}

export interface Look {
  readonly scale: Scale;
  /** The weights that colours run between, and the least share of them told apart. */
  readonly range: Range;
  readonly floor: number;
  readonly table: Table;
  readonly palette: Palette;
  readonly ratio: number;
}

export const FONT = "12px system-ui, 'Noto Sans', 'Noto Sans CJK SC', sans-serif";
/** Room for labels: left of the rows, above the columns, and beyond the last column. */
export const ROOM = { left: 108, top: 92, right: 46 };
export const LABEL_WIDTH = 94;
const LABEL_PITCH = 15;
const SLANT = -Math.PI / 3.4;
/** Every so many positions at most, a label is the token; beyond, single tokens say little. */
const TOKENS = 10;
/** What stands alone is drawn no smaller than this, in units of the page. */
export const LEAST = 3;
/** Cells larger than this are told apart by lines. */
const LINED = 12;

/** Lay a view out in a box; the box keeps the map's proportions, unless they are extreme. */
export function layOut(view: Window, whole: Window, width: number, height: number): LongPlot {
  const room = {
    width: Math.max(40, width - ROOM.left - ROOM.right),
    height: Math.max(40, height - ROOM.top),
  };
  const shape = Math.max(1 / 3, Math.min(8, whole.columns / whole.rows));
  const wide = Math.min(room.width, room.height * shape);
  const box = {
    x: ROOM.left,
    y: ROOM.top,
    width: Math.max(1, Math.floor(wide)),
    height: Math.max(1, Math.floor(wide / shape)),
  };
  return { view, box, across: box.width / view.columns, down: box.height / view.rows };
}

/** The cell at a place of the page, or null outside. */
export function cellUnder(
  plot: LongPlot,
  x: number,
  y: number,
): { query: number; key: number } | null {
  const { box, view } = plot;
  if (x < box.x || y < box.y || x >= box.x + box.width || y >= box.y + box.height) return null;
  return {
    query: Math.floor(view.row + (y - box.y) / plot.down),
    key: Math.floor(view.column + (x - box.x) / plot.across),
  };
}

/** Leading bits of a float32 that tell colours apart: its exponent and 8 bits of its fraction. */
const DROPPED = 15;
let coloured: { name: string; table: Table; colours: Uint32Array } | null = null;

/** The colour of every weight by the leading bits of its float32; logarithms are too slow one by one. */
function coloursOf(look: Look): Uint32Array {
  const { scale, range, floor, table } = look;
  const name = [scale, range.low, range.high, floor].join();
  if (coloured?.name !== name || coloured.table !== table) {
    const bits = new Uint32Array(1);
    const value = new Float32Array(bits.buffer);
    const colours = new Uint32Array(2 ** (31 - DROPPED));
    for (let index = 0; index < colours.length; index++) {
      bits[0] = index << DROPPED;
      const shaded = shade(value[0] as number, scale, range, floor);
      colours[index] = at(table, Number.isNaN(shaded) ? 0 : shaded);
    }
    coloured = { name, table, colours };
  }
  return coloured.colours;
}

/** A tile's pixels, one per cell; nothing where no attention is allowed, so that hatching shows. */
export function pixelsOf(tile: Tile, look: Look, marks: Marks): Uint32Array<ArrayBuffer> {
  const { values } = tile;
  const colours = coloursOf(look);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint32Array(values.length);
  for (let cell = 0; cell < out.length; cell++) {
    const value = values[cell] as number;
    if (value >= 0) out[cell] = colours[(bits[cell] as number) >>> DROPPED] as number;
    else if (Number.isNaN(value)) out[cell] = marks.nanLine;
  }
  return out;
}

/** Put a tile's picture where it belongs; only the cells in sight are touched. */
export function placeTile(
  context: CanvasRenderingContext2D,
  plot: LongPlot,
  tile: Tile,
  picture: OffscreenCanvas,
  hatch: CanvasPattern | string,
  ratio: number,
): void {
  const { view, box } = plot;
  const left = Math.max(0, Math.floor((view.column - tile.column) / tile.across));
  const right = Math.min(
    tile.wide,
    Math.ceil((view.column + view.columns - tile.column) / tile.across),
  );
  const top = Math.max(0, Math.floor((view.row - tile.row) / tile.down));
  const bottom = Math.min(tile.tall, Math.ceil((view.row + view.rows - tile.row) / tile.down));
  if (left >= right || top >= bottom) return;
  // Whole pixels of the screen, so that no seam shows between tiles.
  const sharp = (length: number) => Math.round(length * ratio) / ratio;
  const x = (cell: number) =>
    sharp(box.x + (tile.column + cell * tile.across - view.column) * plot.across);
  const y = (cell: number) => sharp(box.y + (tile.row + cell * tile.down - view.row) * plot.down);
  const [width, height] = [x(right) - x(left), y(bottom) - y(top)];
  if (!tile.allAllowed) {
    context.fillStyle = hatch;
    context.fillRect(x(left), y(top), width, height);
  }
  const cells = [left, top, right - left, bottom - top] as const;
  context.drawImage(picture, ...cells, x(left), y(top), width, height);
}

/** Draw what stands alone in a tile no smaller than can be seen. */
export function placePeaks(
  context: CanvasRenderingContext2D,
  plot: LongPlot,
  tile: Tile,
  look: Look,
): void {
  const width = tile.across * plot.across;
  const height = tile.down * plot.down;
  if (width >= LEAST && height >= LEAST) return;
  const { view, box } = plot;
  const [wide, tall] = [Math.max(LEAST, width), Math.max(LEAST, height)];
  for (const peak of tile.peaks) {
    const x = box.x + (tile.column + (peak.column + 0.5) * tile.across - view.column) * plot.across;
    const y = box.y + (tile.row + (peak.row + 0.5) * tile.down - view.row) * plot.down;
    if (x < box.x || y < box.y || x > box.x + box.width || y > box.y + box.height) continue;
    context.fillStyle = css(at(look.table, shade(peak.value, look.scale, look.range, look.floor)));
    context.fillRect(x - wide / 2, y - tall / 2, wide, tall);
  }
}

/** Lines of the ground's colour between cells that are large enough. */
export function ruleCells(context: CanvasRenderingContext2D, plot: LongPlot, ground: string): void {
  if (Math.min(plot.across, plot.down) < LINED) return;
  const { view, box } = plot;
  context.strokeStyle = ground;
  context.lineWidth = 1;
  context.beginPath();
  for (let key = Math.ceil(view.column); key <= view.column + view.columns; key++) {
    const x = box.x + (key - view.column) * plot.across;
    context.moveTo(x, box.y);
    context.lineTo(x, box.y + box.height);
  }
  for (let query = Math.ceil(view.row); query <= view.row + view.rows; query++) {
    const y = box.y + (query - view.row) * plot.down;
    context.moveTo(box.x, y);
    context.lineTo(box.x + box.width, y);
  }
  context.stroke();
}

/** The positions along an axis that are labelled: so many apart that labels never touch. */
export function labelled(from: number, length: number, unit: number, whole: number): number[] {
  const apart = every(unit, LABEL_PITCH);
  const positions: number[] = [];
  for (let at = Math.ceil(from / apart) * apart; at < Math.min(whole, from + length); at += apart) {
    const middle = at + 0.5 - from;
    if (middle * unit >= 0 && middle <= length) positions.push(at);
  }
  return positions;
}

export type Name = (index: number) => string | null;

/** Write queries left of the rows and keys above the columns: tokens if close, else numbers. */
export function writeAxes(
  context: CanvasRenderingContext2D,
  plot: LongPlot,
  whole: Window,
  names: { query: Name; key: Name },
  ink: string,
): void {
  const { view, box } = plot;
  context.font = FONT;
  context.fillStyle = ink;
  context.textBaseline = "middle";
  context.textAlign = "right";
  const text = (name: Name, index: number, unit: number) =>
    fitted(context, tokenOr(name, index, unit), LABEL_WIDTH);
  for (const query of labelled(view.row, view.rows, plot.down, whole.rows)) {
    const y = box.y + (query + 0.5 - view.row) * plot.down;
    context.fillText(text(names.query, query, plot.down), box.x - 8, y);
  }
  context.textAlign = "left";
  for (const key of labelled(view.column, view.columns, plot.across, whole.columns)) {
    context.save();
    context.translate(box.x + (key + 0.5 - view.column) * plot.across, box.y - 8);
    context.rotate(SLANT);
    context.fillText(text(names.key, key, plot.across), 0, 0);
    context.restore();
  }
}

/** A position's token where labels are close enough for one to say something, else its number. */
export function tokenOr(name: Name, index: number, unit: number): string {
  return (every(unit, LABEL_PITCH) <= TOKENS ? name(index) : null) ?? number(index);
}

/** The row and cell pointed at. */
export function framePoint(
  context: CanvasRenderingContext2D,
  plot: LongPlot,
  spot: { query: number; key: number | null },
  accent: string,
): void {
  const { view, box } = plot;
  const y = box.y + (spot.query - view.row) * plot.down;
  if (y + plot.down <= box.y || y >= box.y + box.height) return;
  context.strokeStyle = accent;
  context.lineWidth = 1.5;
  context.strokeRect(box.x, y, box.width, Math.max(1, plot.down));
  if (spot.key === null) return;
  const x = box.x + (spot.key - view.column) * plot.across;
  if (x + plot.across <= box.x || x >= box.x + box.width) return;
  const [wide, tall] = [Math.max(7, plot.across), Math.max(7, plot.down)];
  const corner = [x + plot.across / 2 - wide / 2, y + plot.down / 2 - tall / 2] as const;
  for (const [colour, width] of [
    ["#000", 4],
    ["#fff", 2],
  ] as const) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(...corner, wide, tall);
  }
}

/** A position's number, thousands set apart. */
export function number(index: number): string {
  return String(index).replace(/\B(?=(\d{3})+$)/g, ",");
}
