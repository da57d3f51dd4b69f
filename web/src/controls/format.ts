/** Numbers as people read them. */

// One for all: making a formatter takes longer than drawing a panel.
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** A whole number with thousands set apart. */
export function count(value: number): string {
  return WHOLE.format(Math.round(value));
}

/** A single-precision number in the fewest digits that stand for it and no other. */
export function fewest(value: number): string {
  if (!Number.isFinite(value) || Math.fround(value) !== value) return String(value);
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}

/**
 * A weight that may be off by an error: no digit that the error leaves unsure, two at least of a
 * small one; without an error the fewest digits that stand for it and no other.
 */
export function sure(value: number, error: number | undefined): string {
  if (!error || !Number.isFinite(value) || value === 0) return fewest(value);
  const decimals = Math.max(0, -Math.floor(Math.log10(2 * error) + 1e-9));
  const rounded = Number(value.toFixed(Math.min(9, decimals)));
  return String(Math.abs(value) >= 10 * error ? rounded : Number(value.toPrecision(2)));
}

/** A weight or a measure: three significant digits, never more noise than that. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text =
    size >= 1e5 || size < 1e-4
      ? value.toExponential(1)
      : size >= 100
        ? value.toFixed(0)
        : size >= 10
          ? value.toFixed(1)
          : size >= 0.01
            ? value.toFixed(2)
            : value.toPrecision(2);
  return text.replace("-", "−");
}

/** A statistic with three significant digits: weights are small, and their changes smaller. */
export function precise(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const plain = value === 0 || (size >= 1e-4 && size < 1e6);
  const text = plain
    ? size >= 1000
      ? count(value)
      : value.toPrecision(3)
    : value.toExponential(2);
  return value === 0 ? "0" : text.replaceAll("-", "−").replace("e+", "e");
}
