/** Runs that differ by no more than, say, a seed, as one line: their mean, its interval and n. */

/** One run's numbers over its steps. */
export interface RunLine {
  readonly run: string;
  readonly steps: readonly number[];
  readonly values: ArrayLike<number>;
}

/** Several runs' numbers, or one run's. */
export interface GroupLine {
  readonly name: string;
  readonly runs: readonly string[];
  readonly steps: readonly number[];
  readonly values: Float64Array;
  /** Ends of the 95 % interval of the mean; null of one run. */
  readonly low: Float64Array | null;
  readonly high: Float64Array | null;
}

/** A run's name without what tells the runs of one group apart; `*` matches up to the next `/`. */
export function groupOf(run: string, pattern: string): string {
  if (pattern === "") return run;
  const parts = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const rest = run.replace(new RegExp(parts.join("[^/]*")), "");
  return rest.replace(/\/\/+/g, "/").replace(/^[/_-]+|[/_-]+$/g, "") || run;
}

/** 97.5 % quantiles of Student's t by degrees of freedom, from 1; beyond them the normal one's. */
const STUDENT = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131, 2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069,
];

/** Half the width of the 95 % interval of a mean of so many numbers. */
export function margin(values: readonly number[]): number {
  const n = values.length;
  if (n < 2) return Number.NaN;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return (STUDENT[n - 2] ?? 1.96) * Math.sqrt(square / n);
}

/** One line a group, in the order of their first runs. */
export function grouped(lines: readonly RunLine[], pattern: string): GroupLine[] {
  const groups = new Map<string, RunLine[]>();
  for (const line of lines) {
    const name = groupOf(line.run, pattern);
    groups.set(name, [...(groups.get(name) ?? []), line]);
  }
  return [...groups].map(([name, members]) => joined(name, members));
}

function joined(name: string, members: readonly RunLine[]): GroupLine {
  const [first] = members;
  const steps = first?.steps ?? [];
  const runs = members.map(({ run }) => run);
  if (members.length < 2) {
    const values = Float64Array.from(first?.values ?? []);
    return { name, runs, steps, values, low: null, high: null };
  }
  const at = steps.map((step) =>
    members.map((line) => valueAt(line, step)).filter((value) => Number.isFinite(value)),
  );
  // A mean over fewer runs than the steps beside it would jump: no number there.
  const whole = at.map((values) => (values.length === members.length ? values : []));
  const mean = whole.map((values) =>
    values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : Number.NaN,
  );
  const margins = whole.map(margin);
  const ends = (sign: number) =>
    Float64Array.from(mean, (value, row) => value + sign * (margins[row] as number));
  return { name, runs, steps, values: Float64Array.from(mean), low: ends(-1), high: ends(1) };
}

/** A run's number at a step, between its neighbours' where it has none of its own. */
function valueAt({ steps, values }: RunLine, step: number): number {
  const after = steps.findIndex((recorded) => recorded >= step);
  if (after < 0) return Number.NaN;
  const [to, here] = [steps[after] as number, values[after] as number];
  if (to === step) return here;
  if (after === 0) return Number.NaN;
  const [from, before] = [steps[after - 1] as number, values[after - 1] as number];
  return before + ((step - from) / (to - from)) * (here - before);
}
