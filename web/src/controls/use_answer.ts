/**
 * A view's one way to ask: an answer followed as its question changes, or the tiles of a map as they
 * are needed. Nothing else that draws knows the client.
 */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Tile } from "../answers/tile.ts";
import type { Answer } from "../answers/wire.ts";
import type { Stride } from "../cells/tiles.ts";
import { ask, askTile, follow, keyOf, type Outcome, problemOf, ranked } from "../client/client.ts";
import { busy } from "../ready.ts";
import type { Query } from "../types.ts";

export { problemOf };

/** Rows of weights whose ranks are wanted. */
interface Rows {
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

const known = new WeakMap<readonly Rows[], Float32Array[]>();

/** Each weight's rank within its row, by picture; null while they are worked out, and for null. */
export function useRanks(pictures: readonly Rows[] | null): readonly Float32Array[] | null {
  const arrived = useSignal(0);
  useEffect(() => {
    if (!pictures || known.has(pictures)) return undefined;
    let wanted = true;
    const done = busy();
    const keep = (ranks: Float32Array[]) => {
      known.set(pictures, ranks);
      if (wanted) arrived.value += 1;
    };
    Promise.resolve(ranked(pictures)).then(keep).finally(done);
    return () => {
      wanted = false;
    };
  }, [pictures]);
  void arrived.value;
  return (pictures && known.get(pictures)) ?? null;
}

export function useAnswer(query: Query | null): Outcome {
  const asked = useSignal<Query | null>(query);
  if (JSON.stringify(asked.peek()) !== JSON.stringify(query)) asked.value = query;
  const followed = useMemo(() => follow(() => asked.value), [asked]);
  useEffect(() => followed.stop, [followed]);
  return ofRun(followed.outcome.value, query);
}

/**
 * What is known of a question's own run. While a component is drawn no signal passes anything on, so
 * that what is followed still answers for the run before.
 */
function ofRun(outcome: Outcome, query: Query | null): Outcome {
  const { answer, query: answered } = outcome;
  return answer && answered?.run !== query?.run ? WAITING : outcome;
}

const WAITING: Outcome = { answer: null, query: null, stale: true, slow: false, problem: null };

/** Ask what may soon be wanted, so that its answer is there; nothing waits for it, or hears that it failed. */
export function useSoon(queries: readonly Query[]): void {
  useEffect(() => {
    const never = new AbortController().signal; // whoever comes to want it finds it under way
    for (const query of queries) ask(query, never).catch(() => {});
  }, [JSON.stringify(queries)]);
}

/** Questions that are followed side by side at most. */
const SIDE_BY_SIDE = 96;

/** Answers to several questions, in their order; those beyond a few are not asked. */
export function useAnswers(queries: readonly Query[]): readonly Outcome[] {
  const asked = useSignal<readonly Query[]>(queries);
  if (JSON.stringify(asked.peek()) !== JSON.stringify(queries)) asked.value = queries;
  const followed = useMemo(
    () => Array.from({ length: SIDE_BY_SIDE }, (_, at) => follow(() => asked.value[at] ?? null)),
    [asked],
  );
  useEffect(() => {
    return () => {
      for (const { stop } of followed) stop();
    };
  }, [followed]);
  return followed
    .slice(0, queries.length)
    .map(({ outcome }, at) => ofRun(outcome.value, queries[at] ?? null));
}

/** One answer, at a person's deed, such as saving what is shown. */
export async function askOnce(query: Query | null): Promise<Answer> {
  if (!query) throw new Error("There is no run in view.");
  return ask(query, AbortSignal.timeout(60_000));
}

/** The tiles of one map. */
export interface Tiles {
  /** Tells this map from every other. */
  readonly name: string;
  /** Ask for one tile: its ranges, and how many weights a cell joins at least. */
  readonly load: (part: Partial<Query>, stride: Stride, signal: AbortSignal) => Promise<Tile>;
}

/** The tiles of the map that a question is about; whoever loads one keeps it. */
export function useTiles(query: Query | null): Tiles | null {
  const name = query && keyOf(query);
  return useMemo(() => {
    if (!query || name === null) return null;
    return { name, load: (part, stride, signal) => askTile({ ...query, ...part }, stride, signal) };
  }, [name]);
}
