/** The cell pointed at: hovered now, else pinned. Every lens draws it and can change it. */
import { computed, signal } from "@preact/signals";
import { choose, head, site } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { siteOrder } from "./site_order.ts";

export interface Spot {
  readonly query: number;
  /** null: the row as a whole. */
  readonly key: number | null;
}

export const hovered = signal<Spot | null>(null);

export const pinned = computed<Spot | null>(() => {
  const { query, key } = selection.value;
  return query === null ? null : { query, key };
});

export const pointed = computed<Spot | null>(() => hovered.value ?? pinned.value);

/** Point at a spot, or at nothing; keeps still when it is the same one. */
export function hover(spot: Spot | null): void {
  const old = hovered.peek();
  if (old?.query !== spot?.query || old?.key !== spot?.key) hovered.value = spot;
}

/** Pin a spot; pinning it again lets go. */
export function pin(spot: Spot): void {
  const old = pinned.peek();
  if (old?.query === spot.query && old.key === spot.key) unpin();
  else choose({ query: spot.query, key: spot.key });
}

/** Pin the cell below or beside the pinned one; without one, begin at the first. */
export function movePin(down: number, across: number): void {
  const shown = site.value;
  if (!shown) return;
  const { query, key } = pinned.peek() ?? { query: -down, key: -across };
  // One query over an image: down is the next line of the image.
  const single = shown.queries === 1;
  const line = shown.key_layout?.[1] ?? 1;
  const to = single ? (key ?? 0) + across + down * line : (key ?? 0) + across;
  choose({
    query: single ? 0 : clamp(query + down, shown.queries),
    key: clamp(to, shown.keys),
  });
}

function clamp(value: number, length: number): number {
  return Math.max(0, Math.min(length - 1, value));
}

export function unpin(): void {
  hovered.value = null;
  if (selection.peek().query !== null) choose({ query: null, key: null });
}

/** Go to another head of the site, or to another site, as the arrow keys ask. */
export function moveHead(sites: number, heads: number): void {
  const all = siteOrder.value.map((each) => each.site);
  const at = all.findIndex((each) => each.name === site.value?.name);
  const next = all[Math.max(0, Math.min(all.length - 1, at + sites))];
  if (!next) return;
  const to = Math.max(0, Math.min(next.heads - 1, head.value + heads));
  choose({ site: next.name, head: to });
}
