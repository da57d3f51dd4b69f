/** Every head in small, from the answer to `what: "grid"`. */
import { NOT_ALLOWED } from "../cells/scale.ts";
import type { Strip } from "../cells/thumbs.ts";
import { validRange } from "./head_map.ts";
import { rangeOf } from "./range.ts";
import type { Cell, Table } from "./table.ts";
import type { Answer, Numbers } from "./wire.ts";

export interface GridSite {
  readonly site: string;
  readonly strip: Strip;
  /** Cells of the map that one cell of the thumbnail stands for, down and across. */
  readonly block: readonly [number, number];
  readonly measures: Readonly<Record<string, Numbers>>;
  readonly uniform: Readonly<Record<string, Numbers>>;
  /** How many rows of each head hold a NaN; null: none of any. */
  readonly nanRows: Numbers | null;
}

export interface HeadGrid {
  readonly step: number;
  readonly example: number;
  readonly sites: readonly GridSite[];
  readonly measures: readonly string[];
  readonly units: Readonly<Record<string, string>>;
}

/** Bytes are 255 times the square root of a weight; this is the way back. */
const WEIGHT = Float32Array.from({ length: 256 }, (_, byte) => (byte / 255) ** 2);

/** `tokens`: those of the example, so that thumbnails leave out its padding. */
export function headGrid(answer: Answer, tokens: readonly string[] | null): HeadGrid {
  const { attrs, variables } = answer;
  const known = (attrs.measures ?? {}) as Record<string, { units: string }>;
  const measures = Object.keys(known);
  const sites: GridSite[] = [];
  for (let index = 0; variables[`cells_${index}`]; index++) {
    const take = (suffix: string) =>
      Object.fromEntries(
        measures.flatMap((name) => {
          const variable = variables[`${name}${suffix}_${index}`];
          return variable ? [[name, variable.data]] : [];
        }),
      );
    const nanRows = variables[`nan_rows_${index}`]?.data ?? null;
    const numbers = { measures: take(""), uniform: take("_uniform"), nanRows };
    sites.push({ ...strip(answer, index, tokens), ...numbers });
  }
  return {
    step: Number(attrs.step),
    example: Number(attrs.example),
    sites,
    measures,
    units: Object.fromEntries(measures.map((name) => [name, known[name]?.units ?? ""])),
  };
}

function strip(answer: Answer, index: number, tokens: readonly string[] | null) {
  const cells = answer.variables[`cells_${index}`];
  if (!cells) throw new Error(`The answer holds no cells_${index}.`);
  const nan = answer.variables[`nan_${index}`]?.data;
  const allowed = answer.variables[`allowed_${index}`]?.data;
  const [heads = 0, rows = 0, columns = 0] = cells.shape;
  const values = Float32Array.from(cells.data, (byte) => WEIGHT[byte] as number);
  for (let i = 0; i < values.length; i++) {
    if (nan?.[i]) values[i] = Number.NaN;
    // Which cells may be attended is mostly one pattern for all heads of a site.
    else if (allowed && !allowed[i % allowed.length]) values[i] = NOT_ALLOWED;
  }
  const queries = Number(cells.attrs.queries ?? rows);
  const keys = Number(cells.attrs.keys ?? columns);
  const block = [Math.ceil(queries / rows), Math.ceil(keys / columns)] as const;
  const [top, bottom] = unpadded(tokens, queries, rows);
  const [left, right] = leaking(
    values,
    columns,
    unpadded(tokens, keys, columns),
    [top, bottom],
    rows,
  );
  const window = { row: top, rows: bottom - top, column: left, columns: right - left };
  return {
    site: String(cells.attrs.site),
    strip: { heads, values, rows, columns, window, range: rangeOf(cells.attrs) },
    block,
  };
}

/** The cells that tokens fill: the rest of the thumbnail is padding. */
function unpadded(tokens: readonly string[] | null, length: number, cells: number) {
  if (tokens?.length !== length) return [0, cells] as const;
  const filled = tokens.map((token) => (token ? 1 : 0));
  const [first, last] = validRange(filled, length);
  return [Math.floor((first * cells) / length), Math.ceil((last * cells) / length)] as const;
}

/** The columns to show, grown by those beyond them that any head gives weight to. */
function leaking(
  values: Float32Array,
  columns: number,
  [left, right]: readonly [number, number],
  [top, bottom]: readonly [number, number],
  rows: number,
): readonly [number, number] {
  let [first, last] = [left, right];
  for (let at = 0; at < values.length; at++) {
    const row = Math.floor(at / columns) % rows;
    const value = values[at] as number;
    if (row < top || row >= bottom || value === 0 || value === NOT_ALLOWED) continue;
    const column = at % columns;
    first = Math.min(first, column);
    last = Math.max(last, column + 1);
  }
  return [first, last];
}

/** One measure of every head, as shades over its own range. */
export interface Measured {
  readonly shades: Float32Array[];
  readonly low: number;
  readonly high: number;
  readonly nan: boolean;
  /** Heads of which a row is NaN, [site][head]: their numbers are those of the other rows. */
  readonly broken: readonly (readonly boolean[])[];
}

/** A measure's shades [site][head], or null if the grid has no such measure. */
export function measuredOf(grid: HeadGrid, colour: string): Measured | null {
  if (!grid.measures.includes(colour)) return null;
  const values = grid.sites.map((site) =>
    site.measures[colour]
      ? Float32Array.from(site.measures[colour])
      : new Float32Array(site.strip.heads).fill(Number.NaN),
  );
  const all = values.flatMap((values) => [...values]).filter(Number.isFinite);
  const low = Math.min(...all);
  const high = Math.max(...all);
  const spread = high > low ? high - low : 1;
  return {
    shades: values.map((values) => values.map((value) => (value - low) / spread)),
    low,
    high,
    nan:
      values.some((values) => values.some(Number.isNaN)) || grid.sites.some((site) => site.nanRows),
    broken: grid.sites.map((site) =>
      Array.from({ length: site.strip.heads }, (_, head) => (site.nanRows?.[head] ?? 0) > 0),
    ),
  };
}

/** What the grid shows as rows: a number of each head, or the cells of its thumbnail. */
export function gridTable(grid: HeadGrid, colour: string): Table {
  if (grid.measures.includes(colour)) {
    const rows = grid.sites.flatMap(({ site, strip, measures }) =>
      Array.from({ length: strip.heads }, (_, head): Cell[] => [
        site,
        head,
        measures[colour]?.[head] ?? Number.NaN,
      ]),
    );
    return { columns: ["site", "head", colour], rows };
  }
  const rows = grid.sites.flatMap(({ site, strip }) =>
    Array.from(strip.values, (value, at): Cell[] => {
      const inside = at % (strip.rows * strip.columns);
      const head = Math.floor(at / (strip.rows * strip.columns));
      const allowed = value === NOT_ALLOWED ? Number.NaN : value;
      return [site, head, Math.floor(inside / strip.columns), inside % strip.columns, allowed];
    }),
  );
  return { columns: ["site", "head", "row", "column", "weight"], rows };
}
