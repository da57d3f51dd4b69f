/** The chosen head where its map is too long to be had in one piece: what to ask, and its names. */
import { computed, signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Stored } from "../../answers/tile.ts";
import type { Window } from "../../cells/pool.ts";
import type { Scale } from "../../cells/scale.ts";
import { rangesOf, type TileSpot } from "../../cells/tiles.ts";
import { useAnswer, useTiles } from "../../controls/use_answer.ts";
import { example, head, runName, site, step } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import type { Query, Site } from "../../types.ts";
import type { Subject } from "./long_stage.ts";
import { positionsOf } from "./positions.ts";

/** Longest side of a map that is fetched in full. */
const LONGEST = 1024;

export function isLong(site: Site | null): boolean {
  return site !== null && Math.max(site.queries, site.keys) > LONGEST;
}

/** The question about the chosen head, ranges still to be added; null until a run is there. */
export const headQuery = computed<Query | null>(() => {
  if (runName.value === null || step.value === null || !site.value) return null;
  return {
    what: "map",
    run: runName.value,
    step: step.value,
    site: site.value.name,
    head: head.value,
    example: example.value?.index ?? 0,
  };
});

/** A percentile within a row needs the whole row; the logarithm shows as much of a long one. */
export function scaleOf(scale: Scale): Scale {
  return scale === "percentile" ? "log" : scale;
}

/** The query to look at: the one given, else the one with the strongest weight of all. */
export function useFirstQuery(shown: Site, given: number | undefined): number | null {
  const base = headQuery.value;
  const whole = { row: 0, column: 0, rows: shown.queries, columns: shown.keys };
  const needed = base && given === undefined && shown.queries > 1;
  const { answer, problem } = useAnswer(needed ? strongestQuery(base, whole, 1) : null);
  if (shown.queries === 1) return 0;
  if (given !== undefined) return Math.min(given, shown.queries - 1);
  if (problem) return 0;
  return answer ? (answer.variables.strong_query?.data[0] ?? 0) : null;
}

/** One weight, exactly. */
export function cellQuery(base: Query, query: number, key: number): Query {
  return { ...base, rows: [query, query + 1], columns: [key, key + 1] };
}

/**
 * The strongest weights of a stretch of the map. Stretches are widened to whole cells, so a stretch
 * that is neither one position nor a whole axis wants some.
 */
export function strongestQuery(base: Query, part: Window, strongest: number, cells = 1): Query {
  const end = { row: part.row + part.rows, column: part.column + part.columns };
  return {
    ...base,
    rows: [Math.floor(part.row), Math.ceil(end.row)],
    columns: [Math.floor(part.column), Math.ceil(end.column)],
    cells,
    strongest,
  };
}

/** What is known of positions' names, kept for as long as site and example stay the same. */
export const positions = computed(() =>
  site.value ? positionsOf(site.value, example.value?.tokens ?? null) : null,
);

/** How exactly the weights of a long map are kept, as its tiles say. */
export const storedAs = signal<Stored | null>(null);

/** The chosen head's map as a stage shows it. */
export function useSubject(): Subject | null {
  const base = headQuery.value;
  const names = positions.value;
  const { reduce } = selection.value;
  const tiles = useTiles(base && { ...base, reduce });
  const { queries = 0, keys = 0 } = site.value ?? {};
  return useMemo(() => {
    if (!tiles || !names) return null;
    const whole = { row: 0, column: 0, rows: queries, columns: keys };
    return {
      name: tiles.name,
      whole,
      names,
      learn: (tile) => {
        names.learn(tile);
        storedAs.value = tile.stored;
      },
      load: (spot: TileSpot, signal: AbortSignal) =>
        tiles.load(rangesOf(spot, whole), spot, signal),
    };
  }, [tiles, names, queries, keys]);
}
