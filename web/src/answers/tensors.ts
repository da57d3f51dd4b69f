/** Numbers of tensors of a kind over steps, from the answer to `what: "tensors"`. */
import type { Parameter } from "../types.ts";
import type { Cell, Table } from "./table.ts";
import type { Answer, Numbers } from "./wire.ts";

export interface Tensors {
  /** Of which kind they are. */
  readonly kind: string;
  readonly steps: readonly number[];
  readonly names: readonly string[];
  /** Which kinds the run has. */
  readonly kinds: readonly string[];
  /** What is known of each; empty in an answer about single steps. */
  readonly members: readonly Parameter[];
  /** Each number [step, tensor]. */
  readonly numbers: Readonly<Record<string, Numbers>>;
}

const BESIDE = new Set(["step", "parameter", "epoch", "wall_time"]);

export function tensorsOf(answer: Answer): Tensors {
  const { step, parameter } = answer.variables;
  const names = Array.isArray(parameter?.text) ? parameter.text.map(String) : [];
  const numbers = Object.entries(answer.variables).flatMap(([name, { data, shape, dims }]) =>
    BESIDE.has(name) || dims.join() !== "step,parameter" || shape[1] !== names.length
      ? []
      : [[name, data] as const],
  );
  return {
    kind: String(answer.attrs.kind ?? ""),
    steps: Array.from(step?.data ?? []),
    names,
    kinds: (answer.attrs.kinds ?? []) as readonly string[],
    members: (answer.attrs.members ?? []) as readonly Parameter[],
    numbers: Object.fromEntries(numbers),
  };
}

/** One tensor's number at one step of an answer, by their ordinals; NaN where there is none. */
export function numberAt(tensors: Tensors, column: string, row: number, at: number): number {
  if (row < 0 || at < 0) return Number.NaN;
  return tensors.numbers[column]?.[row * tensors.names.length + at] ?? Number.NaN;
}

/** One tensor's number at every step of an answer. */
export function lineOf(tensors: Tensors, column: string, at: number): Float64Array {
  return Float64Array.from(tensors.steps, (_, row) => numberAt(tensors, column, row, at));
}

/** The newest number at or before a step, and which step has it. */
export function upTo(
  tensors: Tensors,
  column: string,
  at: number,
  step: number,
): { value: number; step: number | null } {
  for (let row = tensors.steps.length - 1; row >= 0; row--) {
    const recorded = tensors.steps[row] as number;
    const value = numberAt(tensors, column, row, at);
    if (recorded <= step && !Number.isNaN(value)) return { value, step: recorded };
  }
  return { value: Number.NaN, step: null };
}

/** The ends of one number over steps: as it was, and where it was least and greatest. */
export function endsOf(values: ArrayLike<number>): { low: number; high: number } | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < values.length; at++) {
    const value = values[at] as number;
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? { low, high } : null;
}

/** All numbers of some tensors as rows, one for each step and tensor. */
export function tensorsTable(tensors: Tensors, names: readonly string[]): Table {
  const numbers = Object.keys(tensors.numbers);
  const rows = tensors.steps.flatMap((step, row) =>
    tensors.names.flatMap((name, at): Cell[][] =>
      names.includes(name)
        ? [[step, name, ...numbers.map((number) => numberAt(tensors, number, row, at))]]
        : [],
    ),
  );
  return { columns: ["step", "parameter", ...numbers], rows };
}

/** Lines over steps as rows. */
export function linesTable(
  lines: readonly { name: string; steps: readonly number[]; values: ArrayLike<number> }[],
): Table {
  const rows = lines.flatMap(({ name, steps, values }) =>
    steps.map((step, at): Cell[] => [name, step, values[at] ?? Number.NaN]),
  );
  return { columns: ["line", "step", "value"], rows };
}
