/** One head's map as views draw it, from the answer to `what: "map"`. */
import type { Window } from "../cells/pool.ts";
import { NOT_ALLOWED, type Range } from "../cells/scale.ts";
import type { Layout } from "../types.ts";
import { type Picture, pictureOf } from "./picture.ts";
import { rangeOf } from "./range.ts";
import { type Table, tableOf } from "./table.ts";
import type { Answer, Numbers } from "./wire.ts";

export interface HeadMap {
  readonly site: string;
  readonly head: number;
  readonly step: number;
  readonly example: number;
  readonly kind: string;
  readonly moduleClass: string;
  readonly queries: number;
  readonly keys: number;
  /** As recorded, [query, key]. */
  readonly weights: Numbers;
  /** The same, NOT_ALLOWED where this query may not attend to this key. */
  readonly marked: Float32Array;
  /** Without the padding before and after. */
  readonly window: Window;
  readonly queryTokens: readonly string[] | null;
  readonly keyTokens: readonly string[] | null;
  readonly queryLayout: Layout | null;
  readonly keyLayout: Layout | null;
  readonly image: Picture | null;
  /** The weights that colours run between. */
  readonly range: Range;
  readonly stored: { readonly name: string; readonly max_error: number };
}

export function headMap(answer: Answer): HeadMap {
  const { attrs, variables } = answer;
  const weights = variables.weights;
  if (!weights) throw new Error("The answer holds no weights.");
  const [queries = 0, keys = 0] = weights.shape;
  const marked = withMarks(weights.data, variables.allowed?.data);
  const queryRange = validRange(variables.query_valid?.data, queries);
  const keyRange = validRange(usedKeys(marked, variables.key_valid?.data, queryRange, keys), keys);
  return {
    site: String(attrs.site),
    head: Number(attrs.head),
    step: Number(attrs.step),
    example: Number(attrs.example ?? 0),
    kind: String(attrs.kind),
    moduleClass: String(attrs.module_class ?? ""),
    queries,
    keys,
    weights: weights.data,
    marked,
    window: {
      row: queryRange[0],
      rows: queryRange[1] - queryRange[0],
      column: keyRange[0],
      columns: keyRange[1] - keyRange[0],
    },
    queryTokens: (attrs.query_token as readonly string[] | null) ?? null,
    keyTokens: (attrs.key_token as readonly string[] | null) ?? null,
    queryLayout: (attrs.query_layout as Layout | null) ?? null,
    keyLayout: (attrs.key_layout as Layout | null) ?? null,
    image: pictureOf(answer),
    range: rangeOf(attrs),
    stored: attrs.stored as HeadMap["stored"],
  };
}

/** Weights with NOT_ALLOWED in place of what may not be attended. */
export function withMarks(weights: Numbers, allowed: Numbers | undefined): Float32Array {
  const marked = Float32Array.from(weights);
  if (allowed) for (let i = 0; i < marked.length; i++) if (!allowed[i]) marked[i] = NOT_ALLOWED;
  return marked;
}

/**
 * Which keys to show: the valid ones, and padding that a valid query may attend to all the same,
 * because weight that leaks into padding must not be out of sight.
 */
function usedKeys(
  marked: Float32Array,
  valid: Numbers | undefined,
  [first, last]: [number, number],
  keys: number,
): Uint8Array {
  const used = Uint8Array.from({ length: keys }, (_, key) => valid?.[key] ?? 1);
  for (let query = first; query < last; query++) {
    for (let key = 0; key < keys; key++) {
      if (marked[query * keys + key] !== NOT_ALLOWED) used[key] = 1;
    }
  }
  return used;
}

/** From the first valid position to after the last; everything if none is. */
export function validRange(valid: ArrayLike<number> | undefined, length: number): [number, number] {
  let first = 0;
  let last = length - 1;
  while (valid && first < length && !valid[first]) first++;
  while (valid && last > first && !valid[last]) last--;
  return first < length ? [first, last + 1] : [0, length];
}

/** The weight of a cell as recorded. */
export function weightAt(map: HeadMap, query: number, key: number): number {
  return map.weights[query * map.keys + key] ?? Number.NaN;
}

export function isAllowed(map: HeadMap, query: number, key: number): boolean {
  return map.marked[query * map.keys + key] !== NOT_ALLOWED;
}

export interface Row {
  /** The keys with the greatest weights, greatest first. */
  readonly top: readonly { readonly key: number; readonly weight: number }[];
  readonly sum: number;
  readonly allowed: number;
}

/** What a query's row says in short. */
export function rowOf(map: HeadMap, query: number, most = 4): Row {
  const cells: { key: number; weight: number }[] = [];
  let sum = 0;
  let allowed = 0;
  for (let key = 0; key < map.keys; key++) {
    if (!isAllowed(map, query, key)) continue;
    const weight = weightAt(map, query, key);
    allowed += 1;
    sum += weight;
    if (weight > 0) cells.push({ key, weight });
  }
  cells.sort((a, b) => b.weight - a.weight);
  return { top: cells.slice(0, most), sum, allowed };
}

/** The query that looks most sharply, to begin with: most pixels of an image look everywhere alike. */
export function sharpestRow(map: HeadMap): number {
  let best = 0;
  let most = -1;
  for (let at = 0; at < map.queries * map.keys; at++) {
    const weight = map.marked[at] as number;
    if (!(weight > most)) continue; // NaN is no weight
    most = weight;
    best = Math.floor(at / map.keys);
  }
  return best;
}

/** How many positions stand before those of the image: class and register tokens. */
export function before(layout: Layout | null, positions: number): number {
  return layout ? Math.max(0, positions - layout[0] * layout[1]) : 0;
}

/** What a position without a word is called where others have one. */
export const PADDING = "[pad]";

/** How a position is called: its token as written, else its place in the image, else its number. */
export function nameOf(
  tokens: readonly string[] | null,
  layout: Layout | null,
  index: number,
  positions = 0,
): string {
  const token = tokens?.[index];
  if (token) return token;
  // Among words a number reads as one.
  if (token === "") return PADDING;
  const at = index - before(layout, positions);
  if (layout && at < 0) return `[${index}]`;
  if (layout) return `(${Math.floor(at / layout[1])}, ${at % layout[1]})`;
  return String(index);
}

/** The weights of an answer as rows; of a map too long to be sent whole, those of its cells. */
export function mapTable(answer: Answer): Table {
  return tableOf(answer, ["weights"]);
}
