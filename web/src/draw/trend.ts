/** Lines of numbers over steps: where they run, in a box of a size in pixels. */
import { type Domain, share } from "../cells/axis.ts";

export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface Trend {
  readonly x: (step: number) => number;
  readonly y: (value: number) => number;
  /** The vertical axis. */
  readonly domain: Domain;
}

/** A horizontal axis of steps and a vertical one of values; a single value lies in the middle. */
export function trend(steps: readonly number[], box: Box, domain: Domain): Trend {
  const [first = 0, last = 0] = [steps[0], steps.at(-1)];
  const height = box.bottom - box.top;
  return {
    x: (step) =>
      last > first
        ? box.left + ((step - first) / (last - first)) * (box.right - box.left)
        : (box.left + box.right) / 2,
    y: (value) => {
      const at = domain.high > domain.low ? share(domain, value) : 0.5;
      return box.bottom - Math.max(-1, Math.min(2, at)) * height;
    },
    domain,
  };
}

const place = (value: number) => value.toFixed(1);

/** A line through the values that there are; one without a neighbour is a dot. */
export function lineThrough(
  steps: readonly number[],
  values: ArrayLike<number>,
  { x, y, domain }: Trend,
): string {
  const log = domain.stretch === "log";
  let path = "";
  let drawn = false;
  let lone = false;
  for (const [at, step] of steps.entries()) {
    const value = values[at] as number;
    if (!Number.isFinite(value) || (log && !(value > 0))) {
      if (lone) path += "h0.01";
      drawn = lone = false;
      continue;
    }
    path += `${drawn ? "L" : "M"}${place(x(step))},${place(y(value))}`;
    lone = !drawn;
    drawn = true;
  }
  return lone ? `${path}h0.01` : path;
}

/** The area between two lines, where both have values. */
export function areaBetween(
  steps: readonly number[],
  low: ArrayLike<number>,
  high: ArrayLike<number>,
  { x, y }: Trend,
): string {
  let path = "";
  let part: number[] = [];
  const close = () => {
    if (part.length > 1) {
      const point = (at: number, values: ArrayLike<number>) =>
        `${place(x(steps[at] as number))},${place(y(values[at] as number))}`;
      const up = part.map((at) => point(at, high));
      const back = [...part].reverse().map((at) => point(at, low));
      path += `M${up.join("L")}L${back.join("L")}Z`;
    }
    part = [];
  };
  for (const at of steps.keys()) {
    if (Number.isFinite((low[at] as number) + (high[at] as number))) part.push(at);
    else close();
  }
  close();
  return path;
}

/** An axis over values: all of them, with some room; a logarithmic one over whole decades. */
export function axisOver(lists: readonly ArrayLike<number>[], log: boolean): Domain | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const values of lists) {
    for (let at = 0; at < values.length; at++) {
      const value = values[at] as number;
      if (!Number.isFinite(value) || (log && !(value > 0))) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) return null;
  if (log) {
    const [from, to] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    return { low: 10 ** from, high: 10 ** (to > from ? to : from + 1), stretch: "log" };
  }
  const room = 0.06 * (high - low) || 0.5 * Math.abs(high) || 0.5;
  return { low: low - room, high: high + room };
}
