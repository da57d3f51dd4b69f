/**
 * Histograms over steps as ridges: one line of hills per step, the oldest at the back. Heights are
 * densities (share of the values per unit of the axis), so that an area means the same whatever the
 * width of the bins. This file knows where everything lies; `draw/ridges.ts` puts it on a canvas.
 */
import { type Domain, robustDomain, share, type Tick, ticks, valueAt } from "./axis.ts";

/** One tensor's histogram at one step. */
export interface Ridge {
  readonly step: number;
  /** Lower edge of the first bin, upper edge of the last. */
  readonly low: number;
  readonly high: number;
  /** Ends of the bins, one more than there are bins. */
  readonly edges: ArrayLike<number>;
  readonly counts: ArrayLike<number>;
  /** Finite values counted. */
  readonly total: number;
  /** Share of the values per unit of the axis, for each bin. */
  readonly density: Float64Array;
  readonly peak: number;
}

/** One tensor's histograms over steps, oldest first. */
export interface Ridges {
  readonly parameter: string;
  readonly rows: readonly Ridge[];
}

/** One bin of one ridge, and what it holds. */
export interface Bin {
  readonly row: number;
  readonly bin: number;
  readonly step: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Of the finite values at that step, 0 to 1. */
  readonly share: number;
  /** The last bin holds its upper edge too. */
  readonly last: boolean;
}

/** Where things lie in a picture of ridges. */
export interface RidgeLayout {
  readonly domain: Domain;
  /** Edges of the part that the ridges fill, in pixels. */
  readonly left: number;
  readonly right: number;
  /** Where the oldest ridge stands, and where the newest does. */
  readonly back: number;
  readonly front: number;
  /** How many pixels a ridge rises at most, and the density that reaches there. */
  readonly rise: number;
  readonly peak: number;
  /** The greatest density of all where it is beyond that, and so cut off; else null. */
  readonly cut: number | null;
}

const MARGIN = { left: 44, right: 10, top: 8, bottom: 20 };
/** Share of the height that the tallest ridge takes. */
const RISE = 0.32;
/** A ridge this many times taller than the middle one is cut off, or it would flatten the rest. */
const TALLEST = 3;
/** Bins that an axis has room for at most. */
const FINEST = 96;
const FEWEST = 8;

/** A ridge from its counts in bins; densities are those on a linear axis unless a domain is given. */
export function ridge(
  step: number,
  counts: ArrayLike<number>,
  edges: ArrayLike<number>,
  domain: Domain | null = null,
): Ridge {
  const [low = Number.NaN, high = Number.NaN] = [edges[0], edges[edges.length - 1]];
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i] as number;
  const density = new Float64Array(counts.length);
  const unit = domain && domain.stretch !== "linear" ? null : 1;
  // No bin is thinner than a hair of the axis: a constant has no width, but a place.
  const least = domain ? (unit ? (domain.high - domain.low) * HAIR : HAIR) : Number.MIN_VALUE;
  let peak = 0;
  for (let i = 0; total > 0 && i < counts.length; i++) {
    if (!counts[i]) continue;
    const [from = 0, to = 0] = [edges[i], edges[i + 1]];
    const wide = unit || !domain ? to - from : within(domain, to) - within(domain, from);
    density[i] = (counts[i] as number) / total / Math.max(wide, least);
    // What is beyond the axis, as zeros are of a logarithmic one, says nothing of its heights.
    const middle = domain ? share(domain, (from + to) / 2) : 0;
    if (middle >= 0 && middle <= 1) peak = Math.max(peak, density[i] as number);
  }
  return { step, low, high, edges, counts, total, density, peak };
}

const HAIR = 1 / 400;

/** Where a value lies along an axis, not further out than its own length to either side. */
function within(domain: Domain, value: number): number {
  return Math.max(-1, Math.min(2, share(domain, value)));
}

/**
 * A ridge in bins as wide as an axis has room for, and as so few values need: at most 3 times the
 * cube root of the values (one and a half times the Rice rule). Only whole bins are joined, so that
 * counts stay exact; those that are wider stay as they are.
 */
export function joined(fine: Ridge, domain: Domain): Ridge {
  const cells = Math.max(FEWEST, Math.min(FINEST, Math.floor(3 * Math.cbrt(fine.total))));
  const counts: number[] = [];
  const edges: number[] = [];
  let cell = Number.NaN;
  for (let bin = 0; bin < fine.counts.length; bin++) {
    const [from = 0, to = 0] = [fine.edges[bin], fine.edges[bin + 1]];
    const at = Math.floor(within(domain, (from + to) / 2) * cells);
    if (at !== cell) {
      edges.push(from);
      counts.push(0);
      cell = at;
    }
    counts[counts.length - 1] = (counts.at(-1) as number) + (fine.counts[bin] as number);
  }
  edges.push(fine.high);
  // The ends of the values cut the outer bins short: a sliver would stand out as a spike.
  const wide = (bin: number) =>
    within(domain, edges[bin + 1] as number) - within(domain, edges[bin] as number);
  const sliver = 0.5 / cells;
  if (counts.length > 2 && wide(counts.length - 1) < sliver) {
    counts.splice(-2, 2, (counts.at(-2) as number) + (counts.at(-1) as number));
    edges.splice(-2, 1);
  }
  if (counts.length > 2 && wide(0) < sliver) {
    counts.splice(0, 2, (counts[0] as number) + (counts[1] as number));
    edges.splice(1, 1);
  }
  return ridge(fine.step, counts, edges, domain);
}

/** Ridges as one axis shows them. */
export function readable(ridges: Ridges, domain: Domain): Ridges {
  return { ...ridges, rows: ridges.rows.map((row) => joined(row, domain)) };
}

/** The values that any bin which is not empty covers, or null where there is none. */
export function extent(all: readonly Ridges[]): Domain | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const each of all.flatMap(({ rows }) => rows)) {
    const [first, last] = ends(each, 0);
    if (first === undefined || last === undefined) continue;
    low = Math.min(low, each.edges[first] as number);
    high = Math.max(high, each.edges[last + 1] as number);
  }
  if (low === high) return { low: low - 0.5, high: high + 0.5 };
  return low < high ? { low, high } : null;
}

/** Share of a ridge's values that an axis may leave out at each end. */
const TAIL = 0.001;

/** The values an axis shows: 99.8 % of each ridge, as far as they are not needles beside others. */
export function robust(all: readonly Ridges[]): Domain | null {
  const spans = all.flatMap((each) => each.rows.flatMap((row) => central(row) ?? []));
  return robustDomain(spans) ?? extent(all);
}

/** From where to where a ridge holds all but a thousandth at each end. */
function central(row: Ridge): Domain | null {
  if (row.total === 0) return null;
  // Of some hundred values a lone one is no more than a tail, either.
  const spare = Math.max(TAIL * row.total, row.total >= 100 ? 1 : 0);
  const [first, last] = ends(row, spare);
  if (first === undefined || last === undefined) return null;
  return { low: row.edges[first] as number, high: row.edges[last + 1] as number };
}

/** The outer bins that hold more than some values together with all that are further out. */
function ends(row: Ridge, spare: number): [number | undefined, number | undefined] {
  const reach = (from: number, by: 1 | -1): number | undefined => {
    let sum = 0;
    for (let bin = from; bin >= 0 && bin < row.counts.length; bin += by) {
      sum += row.counts[bin] as number;
      if (sum > spare) return bin;
    }
    return undefined;
  };
  return [reach(0, 1), reach(row.counts.length - 1, -1)];
}

/** What of some ridges lies outside an axis. */
export interface Beyond {
  /** The least and the greatest value there; null: none at that end. */
  readonly low: number | null;
  readonly high: number | null;
  /** The greatest share of one ridge's values that lies outside. */
  readonly share: number;
  /** The rows that reach out, by end. */
  readonly rows: { readonly low: readonly number[]; readonly high: readonly number[] };
}

export function beyond(ridges: Ridges, domain: Domain): Beyond {
  let most = 0;
  const rows = { low: [] as number[], high: [] as number[] };
  for (const [number, row] of ridges.rows.entries()) {
    if (row.total === 0) continue;
    let out = 0;
    for (let bin = 0; bin < row.counts.length; bin++) {
      const middle = ((row.edges[bin] as number) + (row.edges[bin + 1] as number)) / 2;
      if (middle < domain.low || middle > domain.high) out += row.counts[bin] as number;
    }
    most = Math.max(most, out / row.total);
    // By less than a bin is no more than the histogram leaves open.
    const [first = 0, last = 0] = ends(row, 0);
    if ((row.edges[first + 1] as number) < domain.low) rows.low.push(number);
    if ((row.edges[last] as number) > domain.high) rows.high.push(number);
  }
  const outer = (key: "low" | "high") => rows[key].map((row) => ridges.rows[row]?.[key] ?? 0);
  return {
    low: rows.low.length ? Math.min(...outer("low")) : null,
    high: rows.high.length ? Math.max(...outer("high")) : null,
    share: most,
    rows,
  };
}

/** Place ridges in a picture of a size in pixels. */
export function layOut(ridges: Ridges, domain: Domain, width: number, height: number): RidgeLayout {
  const front = height - MARGIN.bottom;
  // A ridge far wider than the axis is flat there and says nothing of how tall the others are.
  const wide = 3 * (domain.high - domain.low);
  const fitting = ridges.rows.filter((row) => row.high - row.low <= wide);
  const peaks = (fitting.length ? fitting : ridges.rows)
    .flatMap((row) => (row.peak > 0 ? row.peak : []))
    .sort((a, b) => a - b);
  const most = peaks.at(-1) ?? 0;
  const peak = Math.min(most, TALLEST * (peaks[peaks.length >> 1] ?? 0));
  const room = Math.max(1, front - MARGIN.top);
  const rise = ridges.rows.length > 1 ? RISE * room : 0.9 * room;
  return {
    domain,
    left: MARGIN.left,
    right: Math.max(MARGIN.left + 1, width - MARGIN.right),
    back: ridges.rows.length > 1 ? MARGIN.top + rise : front,
    front,
    rise,
    peak,
    cut: most > peak ? most : null,
  };
}

/** Horizontal place of a value. */
export function across(layout: RidgeLayout, value: number): number {
  return layout.left + share(layout.domain, value) * (layout.right - layout.left);
}

/** Vertical place that a ridge stands on. */
export function baseline(layout: RidgeLayout, row: number, rows: number): number {
  return rows < 2 ? layout.front : layout.back + ((layout.front - layout.back) * row) / (rows - 1);
}

/** Pixels above its baseline that a density reaches, cut off where the scale ends. */
export function lift(layout: RidgeLayout, density: number): number {
  return layout.peak > 0 ? Math.min(1, density / layout.peak) * layout.rise : 0;
}

/** A bin's numbers, or null beyond the ridge. */
export function binAt(ridges: Ridges, row: number, bin: number): Bin | null {
  const found = ridges.rows[row];
  const count = found?.counts[bin];
  if (!found || count === undefined || found.total === 0) return null;
  return {
    row,
    bin,
    step: found.step,
    low: found.edges[bin] as number,
    high: found.edges[bin + 1] as number,
    count,
    share: count / found.total,
    last: bin === found.counts.length - 1,
  };
}

/** The bin of a ridge that holds a value; beyond them -1. */
function holding({ edges }: Ridge, value: number): number {
  let [from, to] = [0, edges.length - 1];
  if (!(value >= (edges[from] as number) && value <= (edges[to] as number))) return -1;
  while (to - from > 1) {
    const middle = (from + to) >> 1;
    if ((edges[middle] as number) <= value) from = middle;
    else to = middle;
  }
  return from;
}

/** How near a baseline, in pixels, a pointer counts as on a ridge whose hill it is not in. */
const NEAR = 9;

/** The bin under a pointer: of the foremost ridge whose hill covers it, else of the nearest line. */
export function hit(ridges: Ridges, layout: RidgeLayout, x: number, y: number): Bin | null {
  if (x < layout.left || x > layout.right) return null;
  const value = valueAt(layout.domain, (x - layout.left) / (layout.right - layout.left));
  const rows = ridges.rows.length;
  let nearest: Bin | null = null;
  let distance = NEAR;
  for (let row = rows - 1; row >= 0; row--) {
    const each = ridges.rows[row] as Ridge;
    const bin = binAt(ridges, row, holding(each, value));
    if (!bin) continue;
    const stands = baseline(layout, row, rows);
    const top = stands - lift(layout, each.density[bin.bin] as number);
    if (y <= stands && y >= top) return bin;
    const away = Math.min(Math.abs(y - stands), Math.abs(y - top));
    if (away < distance) {
      nearest = bin;
      distance = away;
    }
  }
  return nearest;
}

/** Least room between the labels of an axis, in pixels. */
const BETWEEN = 10;

/** As many numbers along the axis as can be written side by side; `wide` measures a text. */
export function apart(layout: RidgeLayout, wide: (text: string) => number): Tick[] {
  const most = Math.max(3, Math.floor((layout.right - layout.left) / 50));
  for (let count = most; count > 1; count--) {
    const marks = ticks(layout.domain, count);
    const fits = marks.every((mark, index) => {
      const next = marks[index + 1];
      if (!next) return true;
      const room = across(layout, next.at) - across(layout, mark.at);
      return room >= (wide(mark.text) + wide(next.text)) / 2 + BETWEEN;
    });
    if (fits) return marks;
  }
  return ticks(layout.domain, 1).slice(0, 1);
}

/** Rows whose step is written beside them: `chosen` ones, first, last, and what fits between. */
export function labelled(layout: RidgeLayout, rows: number, chosen: readonly number[]): number[] {
  const gap = 14;
  const taken = new Set<number>();
  const fits = (row: number) =>
    [...taken].every(
      (other) => Math.abs(baseline(layout, row, rows) - baseline(layout, other, rows)) >= gap,
    );
  const stride = Math.max(1, Math.ceil(rows / 6));
  const between = Array.from({ length: rows }, (_, row) => row).filter((row) => row % stride === 0);
  for (const row of [...chosen, rows - 1, 0, ...between])
    if (row >= 0 && row < rows && fits(row)) taken.add(row);
  return [...taken].sort((a, b) => a - b);
}

/** A bin's edge, to a tenth of the bin's width and no finer. */
export function edge(value: number, bin: number): string {
  const digits = Math.ceil(-Math.log10(bin)) + 1;
  const wide = Math.abs(value) >= 1e6 || bin < 1e-6;
  const text = wide ? value.toExponential(3) : value.toFixed(Math.max(0, Math.min(9, digits)));
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}
