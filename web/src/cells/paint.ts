/** Paints cells into pixels: shades through a colour table, and marks where there is no number. */
import { at, type Table } from "./tables.ts";

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Pixels of one picture, row-major. */
export interface Pixels {
  readonly data: Uint32Array;
  readonly width: number;
}

/** The pixels of what is no number: hatched where no attention is allowed, crossed where NaN. */
export interface Marks {
  readonly ground: number;
  readonly notAllowed: number;
  readonly notAllowedLine: number;
  readonly nan: number;
  readonly nanLine: number;
  /** Distance of the marks' lines in pixels. */
  readonly pitch: number;
}

export interface Cells {
  /** From 0 to 1; NaN and NOT_ALLOWED are marks. */
  readonly shades: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Fill a box with cells by nearest neighbour, leaving `gap` pixels of ground after each cell.
 * Marks run through neighbouring cells unbroken because they follow the picture's own pixels.
 */
export function paint(
  pixels: Pixels,
  box: Box,
  cells: Cells,
  table: Table,
  marks: Marks,
  gap = 0,
): void {
  const colours = new Float64Array(cells.shades.length);
  for (let cell = 0; cell < colours.length; cell++) {
    const shade = cells.shades[cell] as number;
    colours[cell] = shade >= 0 ? at(table, shade) : -1;
  }
  const columnOf = slots(box.width, cells.columns, gap);
  const rowOf = slots(box.height, cells.rows, gap);
  for (let y = 0; y < box.height; y++) {
    const row = rowOf[y] as number;
    const start = (box.y + y) * pixels.width + box.x;
    for (let x = 0; x < box.width; x++) {
      const column = columnOf[x] as number;
      if (row < 0 || column < 0) {
        pixels.data[start + x] = marks.ground;
        continue;
      }
      const cell = row * cells.columns + column;
      const colour = colours[cell] as number;
      pixels.data[start + x] =
        colour >= 0 ? colour : mark(cells.shades[cell] as number, box.x + x, box.y + y, marks);
    }
  }
}

/** Which cell each pixel along a side shows, -1 for the gap after a cell. */
export function slots(length: number, cells: number, gap: number): Int32Array {
  const out = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    const cell = Math.min(cells - 1, Math.floor((i * cells) / length));
    const next = Math.floor(((i + gap) * cells) / length);
    out[i] = gap > 0 && next > cell ? -1 : cell;
  }
  return out;
}

/** The pixel of a mark at a place. */
export function mark(shade: number, x: number, y: number, marks: Marks): number {
  const line = Math.max(1, Math.floor(marks.pitch / 5));
  const rising = (x + y) % marks.pitch < line;
  if (!Number.isNaN(shade)) return rising ? marks.notAllowedLine : marks.notAllowed;
  const falling = (((x - y) % marks.pitch) + marks.pitch) % marks.pitch < line;
  return rising || falling ? marks.nanLine : marks.nan;
}
