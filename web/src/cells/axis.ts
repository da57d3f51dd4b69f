/**
 * An axis of values: from where to where, how it is stretched, and the numbers written along it. On a
 * logarithmic axis only values above 0 have a place; a symmetric one is even around 0 and logarithmic
 * further out.
 */
import { scaleLinear } from "d3-scale";

export const STRETCHES = ["linear", "symlog", "log"] as const;
export type Stretch = (typeof STRETCHES)[number];

export interface Domain {
  readonly low: number;
  readonly high: number;
  /** Linear if left out. */
  readonly stretch?: Stretch;
}

/** Decades that a logarithmic axis shows below its greatest value, and a symmetric one around 0. */
const DECADES = 6;
const AROUND = 3;

/** A domain as wide as its stretch can show. */
export function stretched({ low, high }: Domain, stretch: Stretch): Domain {
  if (stretch !== "log") return { low, high, stretch };
  const most = high > 0 ? high : 1;
  const least = Math.max(low, most * 10 ** -DECADES);
  return { low: least < most ? least : most / 10, high: most, stretch };
}

/** Where a value lies along an axis, 0 at its low end and 1 at its high end; beyond it outside. */
export function share(domain: Domain, value: number): number {
  const { low, high } = domain;
  if (domain.stretch === "log") {
    if (!(value > 0)) return Number.NEGATIVE_INFINITY;
    return Math.log(value / low) / Math.log(high / low);
  }
  if (domain.stretch !== "symlog") return (value - low) / (high - low);
  const [from, to] = [symmetric(domain, low), symmetric(domain, high)];
  return (symmetric(domain, value) - from) / (to - from);
}

/** The value at a share of an axis. */
export function valueAt(domain: Domain, along: number): number {
  const { low, high } = domain;
  if (domain.stretch === "log") return low * (high / low) ** along;
  if (domain.stretch !== "symlog") return low + along * (high - low);
  const [from, to] = [symmetric(domain, low), symmetric(domain, high)];
  const at = from + along * (to - from);
  return Math.sign(at) * Math.expm1(Math.abs(at)) * even(domain);
}

/** Below this a symmetric axis is even. */
function even({ low, high }: Domain): number {
  return Math.max(Math.abs(low), Math.abs(high)) * 10 ** -AROUND || 1;
}

function symmetric(domain: Domain, value: number): number {
  return Math.sign(value) * Math.log1p(Math.abs(value) / even(domain));
}

export interface Tick {
  readonly at: number;
  readonly text: string;
}

/** Numbers to write along an axis of values, each as short as still tells it from the next. */
export function ticks(domain: Domain, most: number): Tick[] {
  if (domain.stretch === "log") return thinned(powers(domain.low, domain.high), most);
  if (domain.stretch === "symlog") {
    const least = even(domain) * 3;
    const right = powers(least, domain.high);
    const left = powers(least, -domain.low).map((power) => -power);
    const zero = domain.low <= 0 && domain.high >= 0 ? [0] : [];
    const each = Math.max(1, Math.floor((most - 1) / 2));
    return [...thinned(left, each).reverse(), ...thinned(zero, 1), ...thinned(right, each)];
  }
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

/** Pixels of a letter of a number along an axis, and between two numbers. */
const LETTER = 6.6;
const BETWEEN = 8;

/** Numbers for an axis of so many pixels: five at most, and as many as stand side by side. */
export function spaced(domain: Domain, wide: number): readonly Tick[] {
  const room = (text: string) => LETTER * [...shortest(text)].length + BETWEEN;
  for (let most = 5; most > 1; most--) {
    const marks = ticks(domain, most);
    const fits = marks.every(({ at, text }, index) => {
      const next = marks[index + 1];
      if (!next) return true;
      const apart = (share(domain, next.at) - share(domain, at)) * wide;
      return apart >= (room(text) + room(next.text)) / 2;
    });
    if (fits) return marks;
  }
  return ticks(domain, 1).slice(0, 1);
}

/** A number on an axis without what says nothing: .5 for 0.5, 0 for 0.0. */
export function shortest(text: string): string {
  return Number(text) === 0 ? "0" : text.replace(/^(−?)0\./, "$1.");
}

/** Powers of ten between two values, the greatest first. */
function powers(low: number, high: number): number[] {
  if (!(high > 0)) return [];
  const from = Math.ceil(Math.log10(low) - 1e-9);
  const to = Math.floor(Math.log10(high) + 1e-9);
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => 10 ** (to - at));
}

function thinned(values: readonly number[], most: number): Tick[] {
  const stride = Math.max(1, Math.ceil(values.length / Math.max(1, most)));
  return values
    .filter((_, at) => at % stride === 0)
    .map((at) => ({ at, text: power(at) }))
    .reverse();
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A power of ten as it is written: 1, 0.1 and 10 as they are. */
export function power(value: number): string {
  if (value === 0) return "0";
  const exponent = Math.round(Math.log10(Math.abs(value)));
  const sign = value < 0 ? "−" : "";
  if (Math.abs(exponent) <= 1) return sign + String(10 ** exponent);
  const digits = [...String(Math.abs(exponent))].map((digit) => RAISED[Number(digit)]).join("");
  return `${sign}10${exponent < 0 ? "⁻" : ""}${digits}`;
}

/** Times the width of 5 – 95 % that tails may reach out. */
const REACH = 3;

/** From where to where 0.1 – 99.9 % of values lie, but for tails so far out that they flatten the rest. */
export function bulk(each: {
  readonly q001: number;
  readonly q05: number;
  readonly q95: number;
  readonly q999: number;
}): Domain {
  const far = each.q95 > each.q05 ? REACH * (each.q95 - each.q05) : Number.POSITIVE_INFINITY;
  return { low: Math.max(each.q001, each.q05 - far), high: Math.min(each.q999, each.q95 + far) };
}

/** Share of spans, from the narrowest, that stands for the narrow ones. */
const NARROW = 0.25;
/** So many times as wide as the narrow spans one may be, to be shown whole. */
const WIDE = 10;

/**
 * From where to where an axis runs that several spans share: over all of those that are not many
 * times as wide as the narrow ones, which would be needles beside them. Which of them, from the
 * narrowest, stands for the narrow ones, is given as a share.
 */
export function robustDomain(spans: readonly Domain[], share = NARROW): Domain | null {
  const widths = spans.map(({ low, high }) => high - low).filter((width) => width > 0);
  widths.sort((a, b) => a - b);
  const narrow = widths[Math.floor(share * (widths.length - 1))];
  if (narrow === undefined) return null;
  const fitting = spans.filter(({ low, high }) => high - low <= WIDE * narrow);
  const [low, high] = reach(fitting, WIDE * narrow);
  return low < high ? { low, high } : null;
}

/** From the least to the greatest end, but of spans that lie apart only those near the middle. */
function reach(fitting: readonly Domain[], most: number): [number, number] {
  const centres = fitting.map(({ low, high }) => (low + high) / 2).sort((a, b) => a - b);
  const middle = centres[centres.length >> 1] ?? 0;
  const near = fitting.filter(({ low, high }) => Math.abs((low + high) / 2 - middle) <= 2 * most);
  return [Math.min(...near.map(({ low }) => low)), Math.max(...near.map(({ high }) => high))];
}
