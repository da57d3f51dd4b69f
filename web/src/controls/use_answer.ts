/**
 * A view's one way to ask: an answer followed as its question changes, or the tiles of a map as they
 * are needed. Nothing else that draws knows the client.
 */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Tile } from "../answers/tile.ts";
import type { Stride } from "../cells/tiles.ts";
import { askTile, follow, keyOf, type Outcome, problemOf } from "../client/client.ts";
import type { Query } from "../types.ts";

export { problemOf };

export function useAnswer(query: Query | null): Outcome {
  const asked = useSignal<Query | null>(query);
  if (JSON.stringify(asked.peek()) !== JSON.stringify(query)) asked.value = query;
  const followed = useMemo(() => follow(() => asked.value), [asked]);
  useEffect(() => followed.stop, [followed]);
  return followed.outcome.value;
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
