/** A part of a long map, cells joined, from the answer to `what: "map"` with ranges. */
import { pool } from "../cells/pool.ts";
import { NOT_ALLOWED, type Range } from "../cells/scale.ts";
import type { Stride } from "../cells/tiles.ts";
import type { Reduce } from "../contract.ts";
import { withMarks } from "./head_map.ts";
import { rangeOf } from "./range.ts";
import type { Answer } from "./wire.ts";

/** A cell far stronger than those around it, which must not be lost in a picture. */
export interface Peak {
  readonly row: number;
  readonly column: number;
  readonly value: number;
}

/** In which numbers weights are kept, and how far off one may be. */
export interface Stored {
  readonly name: string;
  readonly max_error: number;
}

export interface Tile {
  /** First query and key. */
  readonly row: number;
  readonly column: number;
  /** Weights that one cell joins, down and across. */
  readonly down: number;
  readonly across: number;
  /** Cells. */
  readonly tall: number;
  readonly wide: number;
  /** [tall, wide]; NaN and NOT_ALLOWED are marks. */
  readonly values: Float32Array;
  /** The greatest value. */
  readonly most: number;
  /** Whether every cell may be attended. */
  readonly allAllowed: boolean;
  readonly nan: boolean;
  readonly peaks: readonly Peak[];
  readonly queryTokens: readonly string[] | null;
  readonly keyTokens: readonly string[] | null;
  readonly stored: Stored | null;
  /** The weights that colours run between. */
  readonly range: Range;
}

/** Peaks kept of a tile, the strongest. */
const PEAKS = 400;
/** How much stronger than each of its neighbours a peak is. */
const STEEP = 4;

/** How many weights a cell is to join at least, and how. */
export interface Grain extends Stride {
  readonly reduce: Reduce;
}

/** Cells finer than the grain are joined, so that each has a pixel. */
export function tileOf(answer: Answer, grain: Grain = { down: 1, across: 1, reduce: "max" }): Tile {
  const { attrs, variables } = answer;
  const weights = variables.weights;
  if (!weights) throw new Error("The answer holds no weights.");
  const [rows = 0, columns = 0] = weights.shape;
  const [row = 0] = (attrs.rows as readonly number[] | undefined) ?? [];
  const [column = 0] = (attrs.columns as readonly number[] | undefined) ?? [];
  const [down, across] = [Number(attrs.stride_rows ?? 1), Number(attrs.stride_columns ?? 1)];
  const fine = withMarks(weights.data, variables.allowed?.data);
  const by = { down: Math.max(1, grain.down / down), across: Math.max(1, grain.across / across) };
  const [tall, wide] = [Math.ceil(rows / by.down), Math.ceil(columns / by.across)];
  const values = joined(fine, rows, columns, { ...by, reduce: grain.reduce });
  return {
    row,
    column,
    down: down * by.down,
    across: across * by.across,
    tall,
    wide,
    values,
    ...extremes(values),
    peaks: peaksOf(values, tall, wide),
    queryTokens: (attrs.query_token as readonly string[] | null) ?? null,
    keyTokens: (attrs.key_token as readonly string[] | null) ?? null,
    stored: (attrs.stored as Stored | undefined) ?? null,
    range: rangeOf(attrs),
  };
}

/** Blocks of cells as one cell each: NaN if any is, not allowed if none is allowed. */
function joined(fine: Float32Array, rows: number, columns: number, by: Grain): Float32Array {
  if (by.down === 1 && by.across === 1) return fine;
  const parts: Float32Array[] = [];
  for (let row = 0; row < rows; row += by.down) {
    const block = { row, column: 0, rows: Math.min(by.down, rows - row), columns };
    const whole = Math.floor(columns / by.across) * by.across;
    const even = pool(fine, columns, { ...block, columns: whole }, 1, whole / by.across, by.reduce);
    if (whole > 0) parts.push(even.values);
    const rest = { ...block, column: whole, columns: columns - whole };
    if (rest.columns > 0) parts.push(pool(fine, columns, rest, 1, 1, by.reduce).values);
  }
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Bytes that a tile takes, its picture included. */
export function bytesOf(tile: Tile): number {
  return 2 * tile.values.byteLength + 64 * tile.peaks.length + 4096;
}

function extremes(values: Float32Array): { most: number; allAllowed: boolean; nan: boolean } {
  let most = 0;
  let allAllowed = true;
  let nan = false;
  for (let at = 0; at < values.length; at++) {
    const value = values[at] as number;
    if (value > most) most = value;
    else if (value === NOT_ALLOWED) allAllowed = false;
    else if (Number.isNaN(value)) nan = true;
  }
  return { most, allAllowed, nan };
}

/** Cells that stand alone: `STEEP` times as strong as each of the cells around them. */
export function peaksOf(values: Float32Array, tall: number, wide: number): Peak[] {
  const peaks: Peak[] = [];
  for (let row = 0; row < tall; row++) {
    for (let column = 0; column < wide; column++) {
      const value = values[row * wide + column] as number;
      if (value > 0 && alone(values, tall, wide, row, column, value)) {
        peaks.push({ row, column, value });
      }
    }
  }
  return peaks.sort((a, b) => b.value - a.value).slice(0, PEAKS);
}

function alone(
  values: Float32Array,
  tall: number,
  wide: number,
  row: number,
  column: number,
  value: number,
): boolean {
  for (let y = Math.max(0, row - 1); y <= Math.min(tall - 1, row + 1); y++) {
    for (let x = Math.max(0, column - 1); x <= Math.min(wide - 1, column + 1); x++) {
      const itself = y === row && x === column;
      if (!itself && STEEP * (values[y * wide + x] as number) > value) return false;
    }
  }
  return true;
}
