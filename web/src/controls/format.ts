/** Numbers as people read them. */

// One for all: making a formatter takes longer than drawing a panel.
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** A whole number with thousands set apart. */
export function count(value: number): string {
  return WHOLE.format(Math.round(value));
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
