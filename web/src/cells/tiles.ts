/**
 * Which tiles of a long map show a view of it. A tile is SIDE cells a side; a cell joins `stride`
 * weights along each axis, a power of two, so that tiles of every stride lie edge to edge and the
 * tiles of a coarser stride cover those of a finer one exactly.
 */
import type { Window } from "./pool.ts";

/** Cells along a tile's side. */
export const SIDE = 512;
/** Least weights along each axis that a view shows. */
const FEWEST = 8;

/** Weights that one cell joins, down and across. */
export interface Stride {
  readonly down: number;
  readonly across: number;
}

/** Where a tile lies, in weights; the last one along an axis ends with the map. */
export interface TileSpot extends Window, Stride {}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The stride at which every cell of a view has a pixel or more, and less than two. */
export function strideOf(view: Window, pixels: Size): Stride {
  return {
    down: atLeast(view.rows / Math.max(1, pixels.height)),
    across: atLeast(view.columns / Math.max(1, pixels.width)),
  };
}

/** The least power of two that is no less than a number. */
export function atLeast(wanted: number): number {
  let stride = 1;
  while (stride < wanted) stride *= 2;
  return stride;
}

/** The tiles of a stride that a view touches, those nearest its middle first. */
export function tilesOf(view: Window, whole: Window, stride: Stride): TileSpot[] {
  const downs = parts(view.row, view.rows, whole.rows, SIDE * stride.down);
  const acrosses = parts(view.column, view.columns, whole.columns, SIDE * stride.across);
  const tiles = downs.flatMap(([row, rows]) =>
    acrosses.map(([column, columns]) => ({ row, rows, column, columns, ...stride })),
  );
  const far = (tile: TileSpot) =>
    Math.hypot(
      (tile.row + tile.rows / 2 - view.row - view.rows / 2) / stride.down,
      (tile.column + tile.columns / 2 - view.column - view.columns / 2) / stride.across,
    );
  return tiles.sort((a, b) => far(a) - far(b));
}

export interface Levels {
  /** Of the finest tiles wanted. */
  readonly stride: Stride;
  /** The whole map in a tile or few: always at hand, so that there is always something to see. */
  readonly root: readonly TileSpot[];
  readonly target: readonly TileSpot[];
  /** What to draw until all of the target is there, the one below first. */
  readonly all: readonly (readonly TileSpot[])[];
}

/**
 * The tiles that a view of a map on so many pixels needs. `served` says which stride the source
 * gives where it has none as fine as those wanted.
 */
export function levelsOf(
  view: Window,
  whole: Window,
  pixels: Size,
  served: (stride: Stride) => Stride | undefined = () => undefined,
): Levels {
  const all = strideOf(whole, pixels);
  const root = {
    down: Math.max(all.down, atLeast(whole.rows / SIDE)),
    across: Math.max(all.across, atLeast(whole.columns / SIDE)),
  };
  const fine = strideOf(view, pixels);
  const stride = served(fine) ?? fine;
  const target = tilesOf(view, whole, stride);
  const chain: TileSpot[][] = [];
  let { down, across } = root;
  while (down > stride.down || across > stride.across) {
    chain.push(tilesOf(view, whole, { down, across }));
    down = Math.max(stride.down, down / 2);
    across = Math.max(stride.across, across / 2);
  }
  const finer = { down: Math.max(1, stride.down / 2), across: Math.max(1, stride.across / 2) };
  if (finer.down < stride.down || finer.across < stride.across) {
    chain.push(tilesOf(view, whole, finer));
  }
  return { stride, root: tilesOf(whole, whole, root), target, all: [...chain, target] };
}

/** Stretches [from, length] of `span`, cut at the end of the map, that touch a stretch of it. */
function parts(from: number, length: number, whole: number, span: number): [number, number][] {
  const first = Math.max(0, Math.floor(from / span));
  const end = Math.min(whole, from + length);
  const stretches: [number, number][] = [];
  for (let at = first * span; at < end; at += span)
    stretches.push([at, Math.min(span, whole - at)]);
  return stretches;
}

/**
 * What to ask for a tile: ranges, and at most so many cells along an axis. At the map's end they
 * reach back over the tile before, because a shorter range would come in finer cells.
 */
export function rangesOf(tile: TileSpot, whole: Window) {
  const range = (from: number, length: number, all: number, stride: number) => {
    const end = from + length;
    const back = Math.max(0, Math.ceil((end - SIDE * stride) / stride) * stride);
    return [end === all ? back : from, end] as const;
  };
  const rows = range(tile.row, tile.rows, whole.rows, tile.down);
  const columns = range(tile.column, tile.columns, whole.columns, tile.across);
  const down = Math.ceil((rows[1] - rows[0]) / tile.down);
  const across = Math.ceil((columns[1] - columns[0]) / tile.across);
  return { rows, columns, cells: Math.max(down, across) };
}

/** The name of a stride, and of a tile among those of its map. */
export function strideName(stride: Stride): string {
  return `${stride.down},${stride.across}`;
}

export function spotName(spot: TileSpot): string {
  return `${spot.row},${spot.column},${strideName(spot)}`;
}

/** Whether two stretches of a map share a weight. */
export function touch(a: Window, b: Window): boolean {
  return (
    a.row < b.row + b.rows &&
    b.row < a.row + a.rows &&
    a.column < b.column + b.columns &&
    b.column < a.column + a.columns
  );
}

/** The view after zooming by a factor around a place, which keeps still. */
export function zoomedAround(
  view: Window,
  whole: Window,
  row: number,
  column: number,
  factor: number,
): Window {
  const rows = between(view.rows * factor, Math.min(FEWEST, whole.rows), whole.rows);
  const columns = between(view.columns * factor, Math.min(FEWEST, whole.columns), whole.columns);
  return inside(
    {
      row: row - ((row - view.row) / view.rows) * rows,
      column: column - ((column - view.column) / view.columns) * columns,
      rows,
      columns,
    },
    whole,
  );
}

/** A view pushed back inside the map; unlike cells, a view may begin within a weight. */
export function inside(view: Window, whole: Window): Window {
  const rows = Math.min(view.rows, whole.rows);
  const columns = Math.min(view.columns, whole.columns);
  return {
    row: between(view.row, 0, whole.rows - rows),
    column: between(view.column, 0, whole.columns - columns),
    rows,
    columns,
  };
}

/** The view that shows a cell with as much of the map as before; the same if it is in sight. */
export function revealing(view: Window, whole: Window, row: number, column: number): Window {
  const seenRow = row >= view.row && row + 1 <= view.row + view.rows;
  const seenColumn = column >= view.column && column + 1 <= view.column + view.columns;
  if (seenRow && seenColumn) return view;
  const moved = {
    ...view,
    row: seenRow ? view.row : row + 0.5 - view.rows / 2,
    column: seenColumn ? view.column : column + 0.5 - view.columns / 2,
  };
  return inside(moved, whole);
}

/** A view as the address writes it, or null for the whole: "from:to" of both axes. */
export function written(
  view: Window,
  whole: Window,
): { rows: string | null; columns: string | null } {
  const stretch = (from: number, length: number, all: number) => {
    const first = Math.max(0, Math.floor(from));
    const end = Math.min(all, Math.ceil(from + length));
    return first === 0 && end === all ? null : `${first}:${end}`;
  };
  return {
    rows: stretch(view.row, view.rows, whole.rows),
    columns: stretch(view.column, view.columns, whole.columns),
  };
}

/** The view that an address asks for; what it lacks or garbles shows the whole axis. */
export function viewOf(rows: string | null, columns: string | null, whole: Window): Window {
  const [row, tall] = stretchOf(rows, whole.rows);
  const [column, wide] = stretchOf(columns, whole.columns);
  return inside({ row, column, rows: tall, columns: wide }, whole);
}

function stretchOf(text: string | null, whole: number): [number, number] {
  const match = /^(\d{1,10}):(\d{1,10})$/.exec(text ?? "");
  const [from, to] = [Number(match?.[1] ?? 0), Math.min(whole, Number(match?.[2] ?? whole))];
  return from < to ? [from, to - from] : [0, whole];
}

function between(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}
