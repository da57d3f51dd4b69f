/** Histograms over steps, from the answer to `what: "parameters"`. */
import { type Ridges, ridge } from "../cells/ridges.ts";
import type { Answer, Variable } from "./wire.ts";

/** The ridges of every parameter that an answer to `what: "parameters"` holds. */
export function ridgesOf(answer: Answer): readonly Ridges[] {
  const { step, parameter, count, low, high } = answer.variables;
  if (!step || !count || !low || !high) return [];
  const names = Array.isArray(parameter?.text) ? parameter.text : [];
  return names.map((name, column) => ({
    parameter: String(name),
    rows: Array.from(step.data, (at, row) =>
      ridge(at, counts(count, row, column), cell(low, row, column), cell(high, row, column)),
    ),
  }));
}

function counts(variable: Variable, row: number, column: number): ArrayLike<number> {
  const [, columns = 0, bins = 0] = variable.shape;
  const from = (row * columns + column) * bins;
  return variable.data.subarray(from, from + bins);
}

function cell(variable: Variable, row: number, column: number): number {
  return variable.data[row * (variable.shape[1] ?? 0) + column] ?? Number.NaN;
}
