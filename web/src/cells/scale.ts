/**
 * From a weight to a shade between 0 and 1. The scale is a visible choice, because one key that
 * takes most of the attention hides everything else on a linear one.
 */

export type Scale = "linear" | "sqrt" | "log" | "percentile";

/** Stands for "may not be attended" among weights and shades, which are never negative. */
export const NOT_ALLOWED = -1;

/** The weights that colours run between; what lies beyond has the colour of the end. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** Every weight there may be. */
export const FULL: Range = { low: 0, high: 1 };

/** Lowest weight that the logarithmic scale tells apart. */
export const LOG_FLOOR = 1e-4;

/** The lowest share of the strongest weight that a map of so many keys needs told apart. */
export function floorOf(keys: number): number {
  return Math.min(LOG_FLOOR, 10 ** Math.floor(-Math.log10(Math.max(1, keys)) - 0.5));
}

/** The shade of one weight within a range; NaN and NOT_ALLOWED stay what they are. */
export function shade(
  value: number,
  scale: Scale,
  { low, high }: Range = FULL,
  floor = LOG_FLOOR,
): number {
  if (!(value >= 0)) return value;
  if (scale === "percentile") return value;
  const share = Math.max(0, Math.min(1, (value - low) / (high - low)));
  if (scale === "sqrt") return Math.sqrt(share);
  if (scale === "log") return share <= floor ? 0 : 1 - Math.log(share) / Math.log(floor);
  return share;
}

/** The weight of a shade, also of one a little beyond the ends of the range. */
export function weightAt(
  shaded: number,
  scale: Scale,
  { low, high }: Range,
  floor = LOG_FLOOR,
): number {
  const share =
    scale === "sqrt" ? shaded * Math.abs(shaded) : scale === "log" ? floor ** (1 - shaded) : shaded;
  return low + share * (high - low);
}

/** All shades of an array of weights. `percentile` expects `percentiles` and passes them through. */
export function shades(
  values: Float32Array,
  scale: Scale,
  range: Range = FULL,
  floor = LOG_FLOOR,
): Float32Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = shade(values[i] as number, scale, range, floor);
  return out;
}

/**
 * Each weight's percentile within its row, as a share: 0 for the least of the keys allowed, 1 for the
 * greatest; equal weights share the middle of their ranks, and a row all alike lies at 1/2.
 */
export function percentiles(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const from = row * columns;
    const line = values.subarray(from, from + columns);
    const sorted = line.filter((value) => value >= 0).sort();
    const last = sorted.length - 1;
    const ends = endsOf(sorted);
    for (let column = 0; column < columns; column++) {
      const value = line[column] as number;
      if (!(value >= 0)) {
        out[from + column] = value;
        continue;
      }
      const low = firstAtLeast(sorted, value);
      const high = (ends[low] as number) - 1;
      out[from + column] = last > 0 ? (low + high) / 2 / last : 0.5;
    }
  }
  return out;
}

/** Where the run of equal values that begins at each place ends. */
function endsOf(sorted: Float32Array): Int32Array {
  const ends = new Int32Array(sorted.length);
  let end = sorted.length;
  for (let at = sorted.length - 1; at >= 0; at--) {
    if (sorted[at] !== sorted[at + 1]) end = at + 1;
    ends[at] = end;
  }
  return ends;
}

function firstAtLeast(sorted: Float32Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Numbers to write along a scale's legend, each with the shade it has. */
export function ticks(
  scale: Scale,
  range: Range = FULL,
  floor = LOG_FLOOR,
): { text: string; shade: number }[] {
  if (scale === "percentile") {
    return [0, 25, 50, 75, 100].map((percent) => ({ text: String(percent), shade: percent / 100 }));
  }
  const text = (share: number) => {
    const value = range.low + share * (range.high - range.low);
    return value > 0 && value < 1e-3
      ? value.toExponential(0)
      : String(Number(value.toPrecision(2)));
  };
  const marks = { linear: [0, 0.25, 0.5, 0.75, 1], sqrt: [0, 0.05, 0.25, 0.5, 1] };
  const decades = Math.round(-Math.log10(floor));
  const steps = Array.from({ length: 5 }, (_, at) => 10 ** Math.round((at / 4 - 1) * decades));
  const shares = scale === "log" ? steps : marks[scale];
  return shares.map((share, at) => ({
    text: `${at === 0 && (scale === "log" || range.low > 0) ? "≤ " : ""}${
      at === 4 && range.high < 1 ? "≥ " : ""
    }${text(share)}`,
    shade: shade(share, scale, FULL, floor),
  }));
}
