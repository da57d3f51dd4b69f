/** A head's map with its labels, on a canvas. */
import { type HeadMap, nameOf } from "../answers/head_map.ts";
import { paint } from "../cells/paint.ts";
import { every, type Plot } from "../cells/plot.ts";
import { pool } from "../cells/pool.ts";
import type { Range, Scale } from "../cells/scale.ts";
import { shades } from "../cells/scale.ts";
import { viridis } from "../cells/tables.ts";
import type { Reduce } from "../contract.ts";
import type { Palette } from "./palette.ts";
import { fitted } from "./text.ts";

const FONT = "12px system-ui, 'Noto Sans', 'Noto Sans CJK SC', sans-serif";
const LABEL_ROOM = 14;
const SLANT = -Math.PI / 3.4;

/** Longest label, in units of the page; longer ones are cut in their middle. */
export const LONGEST = 96;

/** Paint the cells, by weights or by what stands for them; returns whether cells were joined because they are smaller than a pixel. */
export function paintMap(
  context: CanvasRenderingContext2D,
  map: { readonly values: Float32Array; readonly keys: number },
  plot: Plot,
  look: { scale: Scale; range: Range; reduce: Reduce; ratio: number; palette: Palette },
): boolean {
  const { scale, range, reduce, ratio, palette } = look;
  const box = {
    x: 0,
    y: 0,
    width: Math.max(1, Math.round(plot.box.width * ratio)),
    height: Math.max(1, Math.round(plot.box.height * ratio)),
  };
  const small = pool(map.values, map.keys, plot.window, box.height, box.width, reduce);
  const cells = { ...small, shades: shades(small.values, scale, range) };
  const image = context.createImageData(box.width, box.height);
  const pixels = { data: new Uint32Array(image.data.buffer), width: box.width };
  const roomy = Math.min(plot.cellWidth, plot.cellHeight) >= 12;
  paint(pixels, box, cells, viridis, palette.marks(ratio), roomy ? Math.round(ratio) : 0);
  context.putImageData(image, Math.round(plot.box.x * ratio), Math.round(plot.box.y * ratio));
  return small.pooled;
}

/** Write the queries left of the rows and the keys above the columns. */
export function writeLabels(
  context: CanvasRenderingContext2D,
  map: HeadMap,
  plot: Plot,
  palette: Palette,
): void {
  const { window, box } = plot;
  context.font = FONT;
  context.fillStyle = palette.text;
  context.textBaseline = "middle";
  const down = every(plot.cellHeight, LABEL_ROOM);
  for (let row = firstOf(window.row, down); row < window.row + window.rows; row += down) {
    const y = box.y + (row - window.row + 0.5) * plot.cellHeight;
    if (down > 1 && y + LABEL_ROOM / 2 > plot.height) break; // It would be cut in half.
    context.textAlign = "right";
    context.fillText(fitted(context, queryName(map, row), LONGEST), box.x - 8, y);
  }
  const across = every(plot.cellWidth, LABEL_ROOM);
  context.textAlign = "left";
  for (let key = firstOf(window.column, across); key < window.column + window.columns; ) {
    context.save();
    context.translate(box.x + (key - window.column + 0.5) * plot.cellWidth, box.y - 8);
    context.rotate(SLANT);
    context.fillText(fitted(context, keyName(map, key), LONGEST), 0, 0);
    context.restore();
    key += across;
  }
}

/** Room that the labels of a map take: left of the rows, and above the columns. */
export function labelRoom(
  context: CanvasRenderingContext2D,
  map: HeadMap,
): { left: number; top: number; right: number } {
  context.font = FONT;
  const widest = (count: number, name: (index: number) => string) => {
    let most = 0;
    // Far labels are numbers or thinned out; the first thousand say enough.
    for (let i = 0; i < Math.min(count, 1000); i++) {
      most = Math.max(most, context.measureText(name(i)).width);
    }
    return Math.min(LONGEST, most);
  };
  const above = widest(map.keys, (key) => keyName(map, key));
  return {
    left: Math.ceil(widest(map.queries, (query) => queryName(map, query))) + 12,
    top: Math.ceil(above * Math.sin(-SLANT)) + 18,
    right: Math.ceil(above * Math.cos(SLANT)),
  };
}

export function queryName(map: HeadMap, query: number): string {
  return visible(nameOf(map.queryTokens, map.queryLayout, query, map.queries));
}

export function keyName(map: HeadMap, key: number): string {
  return visible(nameOf(map.keyTokens, map.keyLayout, key, map.keys));
}

/** What is not seen: blanks, controls, and letters that are drawn as nothing. */
const UNSEEN = /^[\s\p{Cc}\p{Cf}\p{Cs}\p{DI}\u2800]+$/u;
/** Within a word: what moves or turns round the letters beside it. Joiners stay: they make letters. */
const MOVES = /[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]/gu;
const SIGNS: Readonly<Record<string, string>> = { " ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍" };

/** Tokens that would be seen as nothing, or would change what stands beside them, made visible. */
export function visible(token: string): string {
  if (UNSEEN.test(token)) return [...token].map(sign).join("");
  return token.replace(MOVES, sign);
}

function sign(letter: string): string {
  const code = (letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return SIGNS[letter] ?? `U+${code}`;
}

function firstOf(from: number, stride: number): number {
  return Math.ceil(from / stride) * stride;
}
