/** The rows of the parameter table: what each says, in which order, and which are in sight. */

import type { Answer } from "../../answers/wire.ts";
import { count } from "../../controls/format.ts";
import type { Parameter } from "../../types.ts";

/** Columns of numbers; `change` is that of std since the first recorded step, as a share of it. */
export const COLUMNS = [
  "size",
  "mean",
  "std",
  "change",
  "min",
  "max",
  "norm",
  "near_zero",
  "nonfinite",
] as const;

export type Column = (typeof COLUMNS)[number];

export interface Row extends Readonly<Record<Column, number>> {
  readonly name: string;
  readonly module: string;
  readonly shape: string;
  /** Training leaves it as it is. */
  readonly frozen: boolean;
}

export interface Order {
  /** null: as the model has them, grouped by layer. */
  readonly by: Column | "name" | null;
  readonly down: boolean;
}

/** A line of the table: the heading of a layer, or a parameter. */
export type Line =
  | { readonly heading: string; readonly row?: never }
  | { readonly row: Row; readonly heading?: never };

/** How many parameters are shown side by side at most. */
export const MOST = 12;
const AT_FIRST = 4;

/** The rows that an answer to `what: "summary"` holds, in the model's order. */
export function rowsOf(answer: Answer, facts: readonly Parameter[]): readonly Row[] {
  const known = new Map(facts.map((parameter) => [parameter.name, parameter]));
  const names = answer.variables.parameter?.text;
  const number = (column: string, at: number) => answer.variables[column]?.data[at] ?? Number.NaN;
  return (Array.isArray(names) ? names : []).map((text, at) => {
    const name = String(text);
    const fact = known.get(name);
    const std = number("std", at);
    const first = number("std_first", at);
    return {
      name,
      module: fact?.module ?? "",
      shape: fact?.shape ?? "",
      frozen: fact?.trainable === false,
      size: fact?.size ?? Number.NaN,
      mean: number("mean", at),
      std,
      change: std === first ? 0 : std / first - 1,
      min: number("min", at),
      max: number("max", at),
      norm: number("norm", at),
      near_zero: number("near_zero", at),
      nonfinite: number("nonfinite", at),
    };
  });
}

/** Rows in order; what is no number comes last either way. */
export function sorted(rows: readonly Row[], { by, down }: Order): readonly Row[] {
  if (by === null) return rows;
  const sign = down ? -1 : 1;
  return [...rows].sort((a, b) => {
    if (by === "name") return sign * compareNames(a.name, b.name);
    const missing = Number(Number.isNaN(a[by])) - Number(Number.isNaN(b[by]));
    if (missing !== 0) return missing;
    return a[by] === b[by] ? 0 : sign * (a[by] < b[by] ? -1 : 1);
  });
}

/** Rows whose names hold every word that is wanted. */
export function filteredRows(rows: readonly Row[], wanted: string): readonly Row[] {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length
    ? rows.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)))
    : rows;
}

/** What comes after a click on a heading: greatest first, least first, then the model's order. */
export function reordered(order: Order, by: Column | "name"): Order {
  const first = by !== "name";
  if (order.by !== by) return { by, down: first };
  return order.down === first ? { by, down: !first } : { by: null, down: false };
}

/** Lines of the table; layers have headings as long as rows stand in the model's order. */
export function lines(rows: readonly Row[], order: Order): readonly Line[] {
  if (order.by !== null) return rows.map((row) => ({ row }));
  return rows.flatMap((row, at): Line[] =>
    at > 0 && rows[at - 1]?.module === row.module ? [{ row }] : [{ heading: row.module }, { row }],
  );
}

/** Lines in sight of a scrolled table, with some above and below; few lines are all in sight. */
export function inSight(
  length: number,
  top: number,
  height: number,
  line: number,
): { from: number; to: number } {
  const spare = 12;
  if (length <= 150) return { from: 0, to: length };
  const from = Math.max(0, Math.min(length, Math.floor(top / line)) - spare);
  return { from, to: Math.min(length, Math.ceil((top + height) / line) + spare) };
}

/** The chosen parameters that the run has; where none is, its first few matrices. */
export function shown(chosen: readonly string[], facts: readonly Parameter[]): readonly string[] {
  const known = new Set(facts.map((parameter) => parameter.name));
  const present = chosen.filter((name) => known.has(name)).slice(-MOST);
  if (present.length > 0) return present;
  const matrices = facts.filter((parameter) => parameter.shape.includes("×"));
  const weights = matrices.filter((parameter) =>
    /(kernel|embeddings?|weight)s?$/.test(parameter.name),
  );
  const first = [weights, matrices, facts].find((group) => group.length > 0) ?? [];
  return first.slice(0, AT_FIRST).map((parameter) => parameter.name);
}

/** The chosen parameters after one is clicked: at least one stays, the oldest gives way. */
export function toggled(chosen: readonly string[], name: string): readonly string[] {
  if (!chosen.includes(name)) return [...chosen, name].slice(-MOST);
  return chosen.length > 1 ? chosen.filter((other) => other !== name) : chosen;
}

/** The Python that gives the same histograms. */
export function python(names: readonly string[]): string {
  const quoted = names.map((name) => JSON.stringify(name));
  return `run.parameters(${quoted.length === 1 ? quoted[0] : `[${quoted.join(", ")}]`})`;
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

function compareNames(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
