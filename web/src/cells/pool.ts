/** Fewer cells from many: what is drawn when a picture has less than a pixel for each cell. */
import type { Reduce } from "../contract.ts";
import { NOT_ALLOWED } from "./scale.ts";

/** A rectangle of cells. */
export interface Window {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
}

export interface Pooled {
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
  /** Whether any cell stands for more than one. */
  readonly pooled: boolean;
}

/**
 * Take a window out of a row-major array whose rows are `stride` long, as at most `rows` by
 * `columns` cells. A block with a NaN is NaN, so that damage stays seen; a block is not allowed
 * only where none of it is allowed, and such cells do not weigh in a mean.
 */
export function pool(
  values: Float32Array,
  stride: number,
  window: Window,
  rows: number,
  columns: number,
  reduce: Reduce,
): Pooled {
  const tall = Math.max(1, Math.min(rows, window.rows));
  const wide = Math.max(1, Math.min(columns, window.columns));
  const out = new Float32Array(tall * wide);
  const edges = cuts(window.column, window.columns, wide);
  for (let row = 0; row < tall; row++) {
    const top = window.row + Math.floor((row * window.rows) / tall);
    const bottom = window.row + Math.floor(((row + 1) * window.rows) / tall);
    for (let column = 0; column < wide; column++) {
      const left = edges[column] as number;
      const right = edges[column + 1] as number;
      out[row * wide + column] = block(values, stride, top, bottom, left, right, reduce);
    }
  }
  const pooled = tall < window.rows || wide < window.columns;
  return { values: out, rows: tall, columns: wide, pooled };
}

function cuts(from: number, length: number, parts: number): Int32Array {
  return Int32Array.from(
    { length: parts + 1 },
    (_, part) => from + Math.floor((part * length) / parts),
  );
}

function block(
  values: Float32Array,
  stride: number,
  top: number,
  bottom: number,
  left: number,
  right: number,
  reduce: Reduce,
): number {
  let sum = 0;
  let most = NOT_ALLOWED;
  let counted = 0;
  for (let row = top; row < bottom; row++) {
    for (let at = row * stride + left; at < row * stride + right; at++) {
      const value = values[at] as number;
      if (value < 0) continue;
      if (Number.isNaN(value)) return value;
      sum += value;
      counted += 1;
      if (value > most) most = value;
    }
  }
  if (counted === 0) return NOT_ALLOWED;
  return reduce === "max" ? most : sum / counted;
}
