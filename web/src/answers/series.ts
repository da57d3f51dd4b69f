/** A site's measures over steps, from the answer to `what: "measures"`. */
import type { Cell, Table } from "./table.ts";
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

/** A site's rows that hold a NaN: measures are those of the other rows. */
export interface Broken {
  readonly steps: readonly number[];
  readonly heads: number;
  /** [step, head]: how many rows, over the examples. */
  readonly counts: Numbers;
  /** How many rows there are. */
  readonly rows: number;
}

/** Which rows are NaN; null where none is at any step. */
export function brokenOf(answer: Answer): Broken | null {
  const counts = answer.variables.nan_rows;
  if (!counts) return null;
  const steps = Array.from(answer.variables.step?.data ?? []);
  const rows = Number(answer.attrs.rows ?? 0);
  return { steps, heads: counts.shape[1] ?? 0, counts: counts.data, rows };
}

/** How many rows of a head are NaN at the recorded step nearest the wanted one, and since when. */
export function brokenAt(
  broken: Broken,
  head: number,
  wanted: number,
): { count: number; since: number | null } {
  const at = broken.steps.indexOf(nearest(broken.steps, wanted));
  const countAt = (row: number) => broken.counts[row * broken.heads + head] ?? 0;
  let first = at;
  while (first > 0 && countAt(first - 1) > 0) first--;
  return { count: countAt(at), since: countAt(at) > 0 ? (broken.steps[first] ?? null) : null };
}

/** The recorded steps at which rows of a head begin to be NaN. */
export function beginnings(broken: Broken, head: number): number[] {
  const count = (row: number) => broken.counts[row * broken.heads + head] ?? 0;
  return broken.steps.filter((_, row) => count(row) > 0 && !(row > 0 && count(row - 1) > 0));
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

/** Measures as rows, one for each step and head. */
export function seriesTable(all: readonly Series[]): Table {
  const rows = all.flatMap(({ name, steps, heads, value, low, high, uniform }) =>
    Array.from(value, (mean, at): Cell[] => {
      const row = Math.floor(at / heads);
      const missing = Number.NaN;
      const ends = [low?.[at] ?? missing, high?.[at] ?? missing, uniform?.[row] ?? missing];
      return [name, steps[row] ?? missing, at % heads, mean, ...ends];
    }),
  );
  return { columns: ["measure", "step", "head", "mean", "low", "high", "uniform"], rows };
}
