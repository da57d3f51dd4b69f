/** The heads grid: where each thumbnail lies, which one is under the pointer, and its pixels. */
import type { Reduce, Scale } from "../state.ts";
import { type Box, type Marks, type Pixels, paint } from "./cells.ts";
import { pool, type Window } from "./pool.ts";
import { ranks, shades } from "./scale.ts";
import type { Table } from "./tables.ts";

/** One site's row of thumbnails. */
export interface Strip {
  readonly heads: number;
  /** Weights of all heads, [head, row, column]; NaN and BARRED are marks. */
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
  /** The part that is not padding. */
  readonly window: Window;
}

export interface Layout {
  readonly boxes: readonly (readonly Box[])[];
  readonly width: number;
  readonly height: number;
}

const WIDEST = 76;
const LOWEST = 14;

/** Place thumbnails, equal in width and in their site's proportions, into a given width. */
export function place(strips: readonly Strip[], width: number, tallest = WIDEST): Layout {
  const most = Math.max(1, ...strips.map((one) => one.heads));
  const pitch = Math.max(3, Math.min(WIDEST + 5, Math.floor(width / most)));
  const gap = pitch > 24 ? 5 : pitch > 10 ? 2 : 1;
  // A single head alone may be wide: it has the row for itself.
  const size = most === 1 ? Math.min(width, 4 * WIDEST) : pitch - gap;
  let y = 0;
  const boxes = strips.map((strip) => {
    const tall = Math.round((size * strip.window.rows) / Math.max(1, strip.window.columns));
    const height = Math.max(Math.min(LOWEST, size), Math.min(size, tall, tallest));
    const row = Array.from({ length: strip.heads }, (_, head) => ({
      x: head * pitch,
      y,
      width: size,
      height,
    }));
    y += height + Math.max(gap, pitch > 24 ? 9 : gap);
    return row;
  });
  return { boxes, width: most === 1 ? size : most * pitch - gap, height: Math.max(1, y) };
}

/** The head at a place, or null between them. */
export function hit(layout: Layout, x: number, y: number): { site: number; head: number } | null {
  for (const [site, row] of layout.boxes.entries()) {
    for (const [head, box] of row.entries()) {
      const inside = x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height;
      if (inside) return { site, head };
    }
  }
  return null;
}

/** Paint every thumbnail of maps. `ratio`: pixels of the picture per unit of the layout. */
export function paintMaps(
  pixels: Pixels,
  layout: Layout,
  ratio: number,
  strips: readonly Strip[],
  scale: Scale,
  reduce: Reduce,
  table: Table,
  marks: Marks,
): void {
  for (const [site, strip] of strips.entries()) {
    const size = strip.rows * strip.columns;
    for (let head = 0; head < strip.heads; head++) {
      const box = scaled(layout.boxes[site]?.[head], ratio);
      if (!box) continue;
      const own = strip.values.subarray(head * size, (head + 1) * size);
      const values = scale === "percentile" ? ranks(own, strip.rows, strip.columns) : own;
      const { width, height } = box;
      const small = pool(values, strip.columns, strip.window, height, width, reduce);
      paint(pixels, box, { ...small, shades: shades(small.values, scale) }, table, marks);
    }
  }
}

/** Paint every thumbnail in the one colour of its measure, given as shades [site][head]. */
export function paintMeasures(
  pixels: Pixels,
  layout: Layout,
  ratio: number,
  measured: readonly Float32Array[],
  table: Table,
  marks: Marks,
): void {
  for (const [site, row] of layout.boxes.entries()) {
    for (const [head, unscaled] of row.entries()) {
      const box = scaled(unscaled, ratio);
      const own = measured[site]?.subarray(head, head + 1);
      if (!box || !own?.length) continue;
      paint(pixels, box, { shades: own, rows: 1, columns: 1 }, table, marks);
    }
  }
}

function scaled(box: Box | undefined, ratio: number): Box | null {
  if (!box) return null;
  const x = Math.round(box.x * ratio);
  const y = Math.round(box.y * ratio);
  return {
    x,
    y,
    width: Math.max(1, Math.round((box.x + box.width) * ratio) - x),
    height: Math.max(1, Math.round((box.y + box.height) * ratio) - y),
  };
}
