/** The strongest weights of a part of a map, from the answer to `what: "map"` with `strongest`. */
import type { Answer, Numbers } from "./wire.ts";

export interface Strongest {
  readonly queries: Numbers;
  readonly keys: Numbers;
  /** In falling order. */
  readonly weights: Numbers;
  readonly count: number;
  /** Their share of the mass of the part asked about; NaN if the answer does not say. */
  readonly share: number;
  /** Whether they are the strongest of that part, or those kept when the run was recorded. */
  readonly recorded: boolean;
}

export function strongestOf(answer: Answer): Strongest {
  const { attrs, variables } = answer;
  const weights = variables.strong_weight?.data ?? new Float32Array(0);
  return {
    queries: variables.strong_query?.data ?? new Int32Array(0),
    keys: variables.strong_key?.data ?? new Int32Array(0),
    weights,
    count: weights.length,
    share: Number(attrs.strong_share ?? Number.NaN),
    recorded: attrs.strong_of === "recorded",
  };
}

/** One query's weights by key, 0 where a weight is not among the strongest. */
export function rowFrom(strongest: Strongest, query: number, keys: number): Float32Array {
  const row = new Float32Array(keys);
  for (let at = 0; at < strongest.count; at++) {
    const key = strongest.keys[at] as number;
    if (strongest.queries[at] === query && key < keys) row[key] = strongest.weights[at] as number;
  }
  return row;
}

/** How many of the strongest hold nearly all that the strongest hold together. */
export function telling(weights: ArrayLike<number>, nearly = 0.99): number {
  let all = 0;
  for (let at = 0; at < weights.length; at++) all += weights[at] as number;
  let count = 0;
  for (let sum = 0; count < weights.length && sum < nearly * all; count++) {
    sum += weights[count] as number;
  }
  return count;
}

/** Positions from one up to, not including, another. */
export type Stretch = readonly [number, number];

/**
 * The stretches of a text to show: the strongest keys with `around` positions on both sides, as
 * many as `most` positions hold, in the order they are read; touching ones joined.
 */
export function excerptsOf(
  keys: ArrayLike<number>,
  length: number,
  around: number,
  most: number,
): Stretch[] {
  if (length <= most) return [[0, length]];
  const shown = new Set<number>();
  for (let at = 0; at < keys.length && shown.size < most; at++) {
    const key = keys[at] as number;
    const end = Math.min(length, key + around + 1);
    for (let near = Math.max(0, key - around); near < end; near++) shown.add(near);
  }
  const stretches: [number, number][] = [];
  for (const at of [...shown].sort((a, b) => a - b)) {
    const last = stretches.at(-1);
    if (last?.[1] === at) last[1] = at + 1;
    else stretches.push([at, at + 1]);
  }
  return stretches;
}
