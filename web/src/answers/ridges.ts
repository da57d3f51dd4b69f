/** Histograms over steps, from the answer to `what: "histograms"`. */
import { type Ridges, ridge } from "../cells/ridges.ts";
import type { Table } from "./table.ts";
import type { Answer, Numbers, Variable } from "./wire.ts";

/** The ridges of every tensor that an answer to `what: "histograms"` holds. */
export function ridgesOf(answer: Answer): readonly Ridges[] {
  const { step, parameter, count, left, right, edge, min, max } = answer.variables;
  if (!step || !count) return [];
  const names = Array.isArray(parameter?.text) ? parameter.text : [];
  const [, columns = 0, bins = 0] = count.shape;
  return names.map((name, column) => ({
    parameter: String(name),
    rows: Array.from(step.data, (at, row) => {
      const cell = row * columns + column;
      const counts = count.data.subarray(cell * bins, (cell + 1) * bins);
      if (left && right) {
        const ends = [number(min, cell), number(max, cell)] as const;
        return joinedBins(at, counts, left.data, right.data, ends);
      }
      const from = cell * (bins + 1);
      return ridge(at, counts, edge?.data.subarray(from, from + bins + 1) ?? []);
    }),
  }));
}

function number(variable: Variable | undefined, at: number): number {
  return variable?.data[at] ?? Number.NaN;
}

/** A ridge over bins of which those that hold nothing may be left out; outer ones end where values do. */
function joinedBins(
  step: number,
  counts: Numbers,
  left: Numbers,
  right: Numbers,
  [min, max]: readonly [number, number],
) {
  let first = 0;
  let last = counts.length - 1;
  while (first <= last && !counts[first]) first++;
  while (last >= first && !counts[last]) last--;
  const edges: number[] = [];
  const held: number[] = [];
  for (let bin = first; bin <= last; bin++) {
    const [from = 0, to = 0] = [left[bin], right[bin]];
    if (edges.length === 0) edges.push(Math.max(from, Number.isFinite(min) ? min : from));
    else if (from > (edges.at(-1) as number)) {
      edges.push(from);
      held.push(0);
    }
    edges.push(bin === last && Number.isFinite(max) ? Math.min(to, max) : to);
    held.push(counts[bin] as number);
  }
  return ridge(step, held, edges);
}

/** Ridges as rows, one for each step and bin. */
export function ridgesTable({ parameter, rows }: Ridges): Table {
  return {
    columns: ["parameter", "step", "left", "right", "count"],
    rows: rows.flatMap(({ step, counts, edges }) =>
      Array.from(counts, (count, bin) => [
        parameter,
        step,
        edges[bin] ?? Number.NaN,
        edges[bin + 1] ?? Number.NaN,
        count,
      ]),
    ),
  };
}
