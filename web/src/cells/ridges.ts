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

/** Place ridges in a picture of a size in pixels. */
export function layOut(ridges: Ridges, domain: Domain, width: number, height: number): RidgeLayout {
  const front = height - MARGIN.bottom;
  const peaks = ridges.rows
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
  return scale.ticks(most).map((at) => ({ at, text: format(at) }));
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
