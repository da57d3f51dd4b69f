/**
 * Histograms over steps as ridges: one line of hills per step, the oldest at the back. Heights are
 * densities (share of the values per unit of weight), so that an area means the same whatever the
 * width of the bins. This file knows where everything lies; `draw/ridges.ts` puts it on a canvas.
 */
import { scaleLinear } from "d3-scale";

/** One parameter's histogram at one step. */
export interface Ridge {
  readonly step: number;
  /** Lower edge of the first bin, upper edge of the last. */
  readonly low: number;
  readonly high: number;
  /** Width of a bin, in units of the weight. */
  readonly bin: number;
  readonly counts: ArrayLike<number>;
  /** Finite values counted. */
  readonly total: number;
  /** Share of the values per unit of weight, for each bin. */
  readonly density: Float64Array;
  readonly peak: number;
}

/** One parameter's histograms over steps, oldest first. */
export interface Ridges {
  readonly parameter: string;
  readonly rows: readonly Ridge[];
}

export interface Domain {
  readonly low: number;
  readonly high: number;
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

const MARGIN = { left: 44, right: 52, top: 18, bottom: 34 };
/** Share of the height that the tallest ridge takes. */
const RISE = 0.42;
/** A ridge this many times taller than the middle one is cut off, or it would flatten the rest. */
const TALLEST = 3;

/** A ridge from its counts in equal bins between two edges. */
export function ridge(step: number, counts: ArrayLike<number>, low: number, high: number): Ridge {
  const bin = (high - low) / counts.length;
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i] as number;
  const density = new Float64Array(counts.length);
  let peak = 0;
  if (total > 0 && bin > 0) {
    for (let i = 0; i < counts.length; i++) density[i] = (counts[i] as number) / total / bin;
    peak = density.reduce((most, density) => Math.max(most, density), 0);
  }
  return { step, low, high, bin, counts: counts, total, density, peak };
}

/**
 * Ridges in bins as wide as so few values need: 64 bins of a hundred values are a comb, not a hill.
 * At most 3 times the cube root of the values (one and a half times the Rice rule), by halving.
 */
export function readable(ridges: Ridges): Ridges {
  return { ...ridges, rows: ridges.rows.map(merged) };
}

function merged(fine: Ridge): Ridge {
  // All values in one bin are a constant: wider, it would claim a spread that is not there.
  if (Array.from(fine.counts).filter((count) => count > 0).length < 2) return fine;
  let counts = Array.from(fine.counts);
  while (
    counts.length > 8 &&
    counts.length % 2 === 0 &&
    counts.length > 3 * Math.cbrt(fine.total)
  ) {
    counts = counts.flatMap((count, at) => (at % 2 ? [] : count + (counts[at + 1] as number)));
  }
  return ridge(fine.step, counts, fine.low, fine.high);
}

/** The weights that any bin which is not empty covers, or null where there is none. */
export function extent(all: readonly Ridges[]): Domain | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const ridge of all.flatMap((each) => each.rows)) {
    const first = ridge.density.findIndex((value) => value > 0);
    if (first < 0) continue;
    const last = ridge.density.findLastIndex((value) => value > 0);
    low = Math.min(low, ridge.low + first * ridge.bin);
    high = Math.max(high, ridge.low + (last + 1) * ridge.bin);
  }
  return low < high ? { low, high } : null;
}

/** Share of a ridge's values that an axis may leave out at each end. */
const TAIL = 0.001;
/** So many times as wide as the narrow ridges of a picture a ridge may be, to be shown whole. */
const WIDE = 10;
/** Which ridge, from the narrowest, stands for the narrow ones. */
const NARROW = 0.25;

/**
 * The weights an axis shows: 99.8 % of each ridge, but of those ridges only that are not many times
 * as wide as the narrow ones, which would be needles beside them. What is left out is `beyond`.
 */
export function robust(all: readonly Ridges[]): Domain | null {
  const middles = all.flatMap((each) => each.rows.flatMap((ridge) => central(ridge) ?? []));
  const widths = middles.map(({ low, high }) => high - low).filter((width) => width > 0);
  widths.sort((a, b) => a - b);
  const narrow = widths[Math.floor(NARROW * (widths.length - 1))];
  if (narrow === undefined) return extent(all);
  const fitting = middles.filter(({ low, high }) => high - low <= WIDE * narrow);
  const [from, to] = reach(fitting, WIDE * narrow);
  return from < to ? { low: from, high: to } : extent(all);
}

/** From the least to the greatest end, but of ridges that lie apart only those near the middle. */
function reach(fitting: readonly Domain[], most: number): [number, number] {
  const centres = fitting.map(({ low, high }) => (low + high) / 2).sort((a, b) => a - b);
  const middle = centres[centres.length >> 1] ?? 0;
  const near = fitting.filter(({ low, high }) => Math.abs((low + high) / 2 - middle) <= 2 * most);
  return [Math.min(...near.map(({ low }) => low)), Math.max(...near.map(({ high }) => high))];
}

/** From where to where a ridge is drawn, half a bin beyond those that hold all but a thousandth at each end. */
function central(ridge: Ridge): Domain | null {
  if (ridge.total === 0) return null;
  // Of some hundred values a lone one is no more than a tail, either.
  const spare = Math.max(TAIL * ridge.total, ridge.total >= 100 ? 1 : 0);
  const ends = [1, -1].map((step) => {
    let bin = step > 0 ? 0 : ridge.counts.length - 1;
    let sum = ridge.counts[bin] ?? 0;
    while (sum <= spare && bin + step >= 0 && bin + step < ridge.counts.length) {
      bin += step;
      sum += ridge.counts[bin] ?? 0;
    }
    return bin;
  });
  const [first = 0, last = 0] = ends;
  return { low: ridge.low + (first - 0.5) * ridge.bin, high: ridge.low + (last + 1.5) * ridge.bin };
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
  let share = 0;
  const rows = { low: [] as number[], high: [] as number[] };
  for (const [row, ridge] of ridges.rows.entries()) {
    if (ridge.total === 0) continue;
    let out = 0;
    for (let bin = 0; bin < ridge.counts.length; bin++) {
      const middle = ridge.low + (bin + 0.5) * ridge.bin;
      if (middle < domain.low || middle > domain.high) out += ridge.counts[bin] ?? 0;
    }
    share = Math.max(share, out / ridge.total);
    // By less than a bin is no more than the histogram leaves open.
    if (ridge.low < domain.low - ridge.bin) rows.low.push(row);
    if (ridge.high > domain.high + ridge.bin) rows.high.push(row);
  }
  const ends = (key: "low" | "high") => rows[key].map((row) => ridges.rows[row]?.[key] ?? 0);
  return {
    low: rows.low.length ? Math.min(...ends("low")) : null,
    high: rows.high.length ? Math.max(...ends("high")) : null,
    share,
    rows,
  };
}

/** Place ridges in a picture of a size in pixels. */
export function layOut(ridges: Ridges, domain: Domain, width: number, height: number): RidgeLayout {
  const front = height - MARGIN.bottom;
  // A ridge far wider than the axis is flat there and says nothing of how tall the others are.
  const wide = 3 * (domain.high - domain.low);
  const within = ridges.rows.filter((ridge) => ridge.high - ridge.low <= wide);
  const peaks = (within.length ? within : ridges.rows)
    .flatMap((ridge) => (ridge.peak > 0 ? ridge.peak : []))
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

/** Horizontal place of a weight. */
export function across(layout: RidgeLayout, weight: number): number {
  const { low, high } = layout.domain;
  return layout.left + ((weight - low) / (high - low)) * (layout.right - layout.left);
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
  const ridge = ridges.rows[row];
  const count = ridge?.counts[bin];
  if (!ridge || count === undefined || ridge.total === 0) return null;
  const low = ridge.low + bin * ridge.bin;
  const last = bin === ridge.counts.length - 1;
  return {
    row,
    bin,
    step: ridge.step,
    low,
    high: last ? ridge.high : ridge.low + (bin + 1) * ridge.bin,
    count,
    share: count / ridge.total,
    last,
  };
}

/** How near a baseline, in pixels, a pointer counts as on a ridge whose hill it is not in. */
const NEAR = 9;

/** The bin under a pointer: of the foremost ridge whose hill covers it, else of the nearest line. */
export function hit(ridges: Ridges, layout: RidgeLayout, x: number, y: number): Bin | null {
  if (x < layout.left || x > layout.right) return null;
  const { low, high } = layout.domain;
  const weight = low + ((x - layout.left) / (layout.right - layout.left)) * (high - low);
  const rows = ridges.rows.length;
  let nearest: Bin | null = null;
  let distance = NEAR;
  for (let row = rows - 1; row >= 0; row--) {
    const ridge = ridges.rows[row] as Ridge;
    const bin = binAt(ridges, row, Math.floor((weight - ridge.low) / ridge.bin));
    if (!bin) continue;
    const stands = baseline(layout, row, rows);
    const top = stands - lift(layout, ridge.density[bin.bin] as number);
    if (y <= stands && y >= top) return bin;
    const away = Math.min(Math.abs(y - stands), Math.abs(y - top));
    if (away < distance) {
      nearest = bin;
      distance = away;
    }
  }
  return nearest;
}

/** Numbers to write along an axis of weights, each as short as still tells it from the next. */
export function ticks(domain: Domain, most: number): { at: number; text: string }[] {
  const scale = scaleLinear([domain.low, domain.high], [0, 1]);
  const format = scale.tickFormat(most);
  // Four zeros and more say less than a power of ten.
  const huge = Math.max(Math.abs(domain.low), Math.abs(domain.high)) >= 1e5;
  const text = (at: number) =>
    huge
      ? Number(at.toPrecision(6)).toExponential().replace("e+", "e").replace(/^0e0$/, "0")
      : format(at);
  return scale.ticks(most).map((at) => ({ at, text: text(at).replace("-", "−") }));
}

/** Least room between the labels of an axis, in pixels. */
const BETWEEN = 10;

/** As many numbers along the axis as can be written side by side; `wide` measures a text. */
export function apart(
  layout: RidgeLayout,
  wide: (text: string) => number,
): { at: number; text: string }[] {
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

/** Rows whose step is written beside them: `chosen`, first, last, and what fits between. */
export function labelled(layout: RidgeLayout, rows: number, chosen: number | null): number[] {
  const gap = 14;
  const taken = new Set<number>();
  const fits = (row: number) =>
    [...taken].every(
      (other) => Math.abs(baseline(layout, row, rows) - baseline(layout, other, rows)) >= gap,
    );
  const ends = [chosen, rows - 1, 0].filter((row) => row !== null);
  const stride = Math.max(1, Math.ceil(rows / 6));
  const between = Array.from({ length: rows }, (_, row) => row).filter((row) => row % stride === 0);
  for (const row of [...ends, ...between]) if (row >= 0 && row < rows && fits(row)) taken.add(row);
  return [...taken].sort((a, b) => a - b);
}

/** A bin's edge, to a tenth of the bin's width and no finer. */
export function edge(value: number, bin: number): string {
  const digits = Math.ceil(-Math.log10(bin)) + 1;
  const wide = Math.abs(value) >= 1e6 || bin < 1e-6;
  const text = wide ? value.toExponential(3) : value.toFixed(Math.max(0, Math.min(9, digits)));
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}
