/** The range of weights that colours run between: the site's own, or one that a person chose. */
import { computed, signal } from "@preact/signals";
import { FULL, type Range } from "../../cells/scale.ts";
import { choose } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";

/** The range while one of its ends is dragged: too often another for the address. */
export const dragged = signal<Range | null>(null);

/** The range chosen; null: each site's own. */
export const chosenRange = computed<Range | null>(() => {
  if (dragged.value) return dragged.value;
  const [low = Number.NaN, high = Number.NaN] = (selection.value.range ?? "")
    .split(":")
    .map(Number);
  return low >= 0 && low < high && high <= FULL.high ? { low, high } : null;
});

/** The range to draw a site with whose own is given. */
export function rangeShown(recorded: Range): Range {
  return chosenRange.value ?? recorded;
}

export function chooseRange(range: Range | null): void {
  dragged.value = null;
  choose({ range: range && written(range) });
}

/** A range as the address has it: no more digits than a legend shows. */
export function written({ low, high }: Range): string {
  return [low, high].map((weight) => String(Number(weight.toPrecision(3)))).join(":");
}

/** A range with one of its ends moved to a weight; the ends never meet. */
export function moved(range: Range, end: keyof Range, weight: number): Range {
  const least = Math.max(1e-6, 0.02 * range.high);
  if (end === "low") return { ...range, low: Math.max(0, Math.min(weight, range.high - least)) };
  return { ...range, high: Math.min(FULL.high, Math.max(weight, range.low + least)) };
}
