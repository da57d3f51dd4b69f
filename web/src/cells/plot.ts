/** Where a map's cells and labels lie, and which cell is under the pointer. */
import type { Box } from "./paint.ts";
import type { Window } from "./pool.ts";

export interface Plot {
  readonly window: Window;
  /** The cells, in units of the page. */
  readonly box: Box;
  readonly cellWidth: number;
  readonly cellHeight: number;
  /** Room for the query labels, left, and the key labels, above. */
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Largest side of a cell, so that a map of few tokens does not fill the screen with squares. */
const LARGEST = 46;
/** Cells along the lesser side of a large room that may be as large as that: a screen is no waste. */
const FEWEST = 11;
/** Least height of rows when they are few, so that one query's row can be pointed at. */
const LOW = 26;

/** Fit a window of cells into a width and height, square where that can be. */
export function fit(
  window: Window,
  width: number,
  height: number,
  left: number,
  top: number,
): Plot {
  const across = Math.max(1, width - left) / window.columns;
  const down = Math.max(1, height - top) / window.rows;
  const largest = Math.max(LARGEST, Math.floor(Math.min(width - left, height - top) / FEWEST));
  const side = Math.min(across, down, largest);
  const cell = side >= 4 ? Math.floor(side) : side;
  const cellHeight = window.rows <= 3 ? Math.min(largest, Math.max(cell, LOW)) : cell;
  const box = {
    x: left,
    y: top,
    width: Math.max(1, Math.round(cell * window.columns)),
    height: Math.max(1, Math.round(cellHeight * window.rows)),
  };
  return {
    window,
    box,
    cellWidth: box.width / window.columns,
    cellHeight: box.height / window.rows,
    left,
    top,
    width: left + box.width,
    height: top + box.height,
  };
}

/** The cell at a place of the page, or null outside. */
export function cellAt(plot: Plot, x: number, y: number): { query: number; key: number } | null {
  const column = Math.floor((x - plot.box.x) / plot.cellWidth);
  const row = Math.floor((y - plot.box.y) / plot.cellHeight);
  const { window } = plot;
  if (row < 0 || column < 0 || row >= window.rows || column >= window.columns) return null;
  return { query: window.row + row, key: window.column + column };
}

/** The part of the map to see after zooming by `factor` around a cell; never beyond `whole`. */
export function zoomed(
  now: Window,
  whole: Window,
  query: number,
  key: number,
  factor: number,
): Window {
  const rows = clamp(Math.round(now.rows * factor), Math.min(8, whole.rows), whole.rows);
  const columns = clamp(
    Math.round(now.columns * factor),
    Math.min(8, whole.columns),
    whole.columns,
  );
  const row = query - Math.round(((query - now.row) / now.rows) * rows);
  const column = key - Math.round(((key - now.column) / now.columns) * columns);
  return within({ row, column, rows, columns }, whole);
}

/** The part that an address asks for, "from:to" by positions; what it lacks or garbles is whole. */
export function windowOf(rows: string | null, columns: string | null, whole: Window): Window {
  const [row, tall] = stretchOf(rows, whole.row, whole.rows);
  const [column, wide] = stretchOf(columns, whole.column, whole.columns);
  return { row, column, rows: tall, columns: wide };
}

function stretchOf(text: string | null, first: number, length: number): [number, number] {
  const match = /^(\d{1,10}):(\d{1,10})$/.exec(text ?? "");
  const from = Math.max(first, Number(match?.[1] ?? first));
  const to = Math.min(first + length, Number(match?.[2] ?? first + length));
  return from < to ? [from, to - from] : [first, length];
}

/** A part as an address has it; null along an axis that is whole. */
export function stretched(
  part: Window,
  whole: Window,
): { rows: string | null; columns: string | null } {
  return {
    rows: part.rows < whole.rows ? `${part.row}:${part.row + part.rows}` : null,
    columns: part.columns < whole.columns ? `${part.column}:${part.column + part.columns}` : null,
  };
}

/** A window pushed back inside the whole. */
export function within(window: Window, whole: Window): Window {
  return {
    ...window,
    row: clamp(window.row, whole.row, whole.row + whole.rows - window.rows),
    column: clamp(window.column, whole.column, whole.column + whole.columns - window.columns),
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}

/** Label every so many cells, so that labels keep `room` units apart: 1, 2, 5, 10, 20, 50 … */
export function every(cell: number, room: number): number {
  for (let tens = 1; ; tens *= 10) {
    for (const digit of [1, 2, 5]) if (digit * tens * cell >= room) return digit * tens;
  }
}
