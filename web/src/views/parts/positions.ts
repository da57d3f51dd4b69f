/** How the positions of a long map are called, as far as their tokens are known. */
import { nameOf, PADDING } from "../../answers/head_map.ts";
import type { Tile } from "../../answers/tile.ts";
import { type Name, number } from "../../draw/long_map.ts";
import { visible } from "../../draw/map.ts";
import type { Layout, Site } from "../../types.ts";

export interface Positions {
  /** The token as written, or its place in an image; null while it is not known. */
  readonly query: Name;
  readonly key: Name;
  /** Take in the tokens that came with a tile. */
  readonly learn: (tile: Pick<Tile, "row" | "column" | "queryTokens" | "keyTokens">) => void;
}

/** `tokens`: the example's, which name an axis of the same length. */
export function positionsOf(site: Site, tokens: readonly string[] | null): Positions {
  const query = axis(site.queries, site.query_layout, tokens);
  const key = axis(site.keys, site.key_layout, tokens);
  return {
    query: query.name,
    key: key.name,
    learn: (tile) => {
      query.learn(tile.row, tile.queryTokens);
      key.learn(tile.column, tile.keyTokens);
    },
  };
}

/** Positions that may stand before those of an image: class and register tokens. */
const BESIDE = 32;

/** Whether positions lie side by side as an image: as many as its layout, or a few before them. */
export function fills(layout: Layout | null, positions: number): boolean {
  const first = layout ? positions - layout[0] * layout[1] : -1;
  return first >= 0 && first <= BESIDE;
}

/** A position's name, else its number. */
export function called(name: Name, index: number): string {
  return name(index) ?? number(index);
}

function axis(length: number, layout: Layout | null, tokens: readonly string[] | null) {
  const learnt = new Map<number, string>();
  const known = tokens?.length === length ? tokens : null;
  return {
    name: (index: number) => {
      const token = known?.[index] ?? learnt.get(index);
      if (token) return visible(token);
      if (token === "") return PADDING;
      return layout ? nameOf(null, layout, index, length) : null;
    },
    learn: (from: number, tokens: readonly string[] | null) => {
      if (!known) tokens?.forEach((token, at) => void learnt.set(from + at, token));
    },
  };
}
