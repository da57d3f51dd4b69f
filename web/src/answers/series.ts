/** A site's measures over steps, from the answer to `what: "measures"`. */
import type { Answer, Numbers } from "./wire.ts";

export interface Series {
  readonly name: string;
  readonly units: string;
  readonly steps: readonly number[];
  readonly heads: number;
  /** [step, head]: mean over examples, and the ends of its 95 % interval. */
  readonly value: Numbers;
  readonly low: Numbers | null;
  readonly high: Numbers | null;
  /** [step]: what uniform attention over the allowed keys gives. */
  readonly uniform: Numbers | null;
}

export interface Point {
  readonly step: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly uniform: number;
}

/** Every measure that the site has, in the order the analyses are listed. */
export function seriesOf(answer: Answer): Series[] {
  const { attrs, variables } = answer;
  const steps = Array.from(variables.step?.data ?? []);
  return Object.keys((attrs.measures ?? {}) as Record<string, unknown>).flatMap((name) => {
    const value = variables[name];
    if (!value) return [];
    return {
      name,
      units: String(value.attrs.units ?? ""),
      steps,
      heads: value.shape[1] ?? 0,
      value: value.data,
      low: variables[`${name}_low`]?.data ?? null,
      high: variables[`${name}_high`]?.data ?? null,
      uniform: variables[`${name}_uniform`]?.data ?? null,
    };
  });
}

/** One head's numbers at the recorded step nearest the wanted one. */
export function pointOf(series: Series, head: number, wanted: number): Point {
  const step = nearest(series.steps, wanted);
  const row = series.steps.indexOf(step);
  const at = row * series.heads + head;
  const missing = Number.NaN;
  return {
    step,
    value: series.value[at] ?? missing,
    low: series.low?.[at] ?? missing,
    high: series.high?.[at] ?? missing,
    uniform: series.uniform?.[row] ?? missing,
  };
}

/** The recorded step nearest a wanted one. */
export function nearest(steps: readonly number[], wanted: number): number {
  return steps.reduce((best, step) =>
    Math.abs(step - wanted) < Math.abs(best - wanted) ? step : best,
  );
}
