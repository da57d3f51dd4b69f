/** The heads grid: where each thumbnail lies, which one is under the pointer, and its pixels. */

import type { Scale } from "../cells/scale.ts";
import type { Reduce } from "../contract.ts";
import { type Box, type Marks, type Pixels, paint } from "./paint.ts";
import { pool, type Window } from "./pool.ts";
import { FULL, type Range, shades } from "./scale.ts";
import type { Table } from "./tables.ts";

/** One site's row of thumbnails. */
export interface Strip {
  readonly heads: number;
  /** Weights of all heads, [head, row, column]; NaN and NOT_ALLOWED are marks. */
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
  /** The part that is not padding. */
  readonly window: Window;
  /** The weights that its colours run between. */
  readonly range?: Range;
}

export interface Layout {
  readonly boxes: readonly (readonly Box[])[];
  readonly width: number;
  readonly height: number;
}

/** Widest thumbnail, and the lowest one that can still be pointed at. */
const WIDEST = 92;
const LOWEST = 14;
/** Narrowest distance of thumbnails, however many there are. */
const NARROWEST = 9;
const NAN = Float32Array.of(Number.NaN);

/**
 * Place thumbnails, equal in width and in their site's proportions, into a width and, where that
 * can be, into a height; `above` says how much room each strip leaves above it.
 */
export function layOut(
  strips: readonly Strip[],
  width: number,
  height = Number.POSITIVE_INFINITY,
  above: readonly number[] = [],
): Layout {
  const most = Math.max(1, ...strips.map((strip) => strip.heads));
  // Few heads on a large screen are worth more of it.
  const limit = Number.isFinite(height) ? Math.max(WIDEST, Math.floor(height / 5)) : WIDEST;
  const widest = Math.max(3, Math.min(limit, Math.floor(width / most)));
  const roomy = rowsOf(strips, widest, width, above);
  if (roomy.height <= height || widest <= NARROWEST) return roomy;
  const lower = Math.floor((widest * height) / roomy.height);
  return rowsOf(strips, Math.max(NARROWEST, lower), width, above);
}

function rowsOf(
  strips: readonly Strip[],
  pitch: number,
  width: number,
  above: readonly number[],
): Layout {
  const most = Math.max(1, ...strips.map((strip) => strip.heads));
  const gap = pitch > 24 ? 5 : pitch > 10 ? 2 : 1;
  let y = 0;
  let right = 1;
  const boxes = strips.map((strip, index) => {
    y += above[index] ?? 0;
    const ratio = strip.window.rows / Math.max(1, strip.window.columns);
    // A single head has its row for itself: one query's row may then be wide.
    const alone = most === 1 && ratio < 0.3 ? Math.min(width, 4 * WIDEST) : pitch - gap;
    const size = {
      width: alone,
      height: Math.max(Math.min(LOWEST, pitch), Math.round(alone * ratio)),
    };
    size.height = Math.min(size.height, alone);
    const row = Array.from({ length: strip.heads }, (_, head) => ({ x: head * pitch, y, ...size }));
    y += size.height + (pitch > 24 ? 8 : gap);
    right = Math.max(right, (strip.heads - 1) * pitch + alone);
    return row;
  });
  return { boxes, width: right, height: Math.max(1, y) };
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

/**
 * Paint every thumbnail of maps. `ratio`: pixels of the picture per unit of the layout. Where the
 * scale is of ranks, the strips' values are ranks already.
 */
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
      const values = strip.values.subarray(head * size, (head + 1) * size);
      const { width, height } = box;
      const small = pool(values, strip.columns, strip.window, height, width, reduce);
      paint(
        pixels,
        box,
        { ...small, shades: shades(small.values, scale, strip.range ?? FULL) },
        table,
        marks,
      );
    }
  }
}

/**
 * Paint every thumbnail in the one colour of its measure, given as shades [site][head]; a head of
 * which a part is broken bears the mark of NaN at its foot.
 */
export function paintMeasures(
  pixels: Pixels,
  layout: Layout,
  ratio: number,
  measured: {
    readonly shades: readonly Float32Array[];
    readonly broken?: readonly (readonly boolean[])[];
  },
  table: Table,
  marks: Marks,
): void {
  for (const [site, row] of layout.boxes.entries()) {
    for (const [head, unscaled] of row.entries()) {
      const box = scaled(unscaled, ratio);
      const shade = measured.shades[site]?.subarray(head, head + 1);
      if (!box || !shade?.length) continue;
      paint(pixels, box, { shades: shade, rows: 1, columns: 1 }, table, marks);
      if (!measured.broken?.[site]?.[head]) continue;
      const height = Math.max(2, Math.floor(box.height / 4));
      const foot = { ...box, y: box.y + box.height - height, height };
      paint(pixels, foot, { shades: NAN, rows: 1, columns: 1 }, table, marks);
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
