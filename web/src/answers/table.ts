/** Numbers of an answer as rows with their labels, as a spreadsheet or pandas reads them. */
import type { Answer, Text, Variable } from "./wire.ts";

export type Cell = string | number;

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** Variables that have the same dims, a row for each of their cells. */
export function tableOf(answer: Answer, names: readonly string[]): Table {
  const variables = names.flatMap((name) => answer.variables[name] ?? []);
  const [first] = variables;
  if (!first) return { columns: [], rows: [] };
  const alike = names.filter((name) => {
    const variable = answer.variables[name];
    return variable && String(variable.dims) === String(first.dims);
  });
  const labels = first.dims.map((dim, axis) => labelsOf(answer, dim, first.shape[axis] ?? 0));
  const size = first.shape.reduce((product, length) => product * length, 1);
  const rows = Array.from({ length: size }, (_, at) => {
    let rest = at;
    const coordinates: Cell[] = [];
    for (let axis = first.shape.length - 1; axis >= 0; axis--) {
      const length = first.shape[axis] ?? 1;
      coordinates.unshift(labels[axis]?.[rest % length] ?? rest % length);
      rest = Math.floor(rest / length);
    }
    return [...coordinates, ...alike.map((name) => cellOf(answer.variables[name], at))];
  });
  return { columns: [...first.dims, ...alike], rows };
}

function labelsOf(answer: Answer, dim: string, length: number): readonly Cell[] {
  const coordinate = answer.variables[dim];
  const fits = coordinate?.dims.length === 1 && coordinate.shape[0] === length;
  return Array.from({ length }, (_, at) => (fits ? cellOf(coordinate, at) : at));
}

function cellOf(variable: Variable | undefined, at: number): Cell {
  if (variable?.text) return String((variable.text as readonly Text[])[at] ?? "");
  return variable?.data[at] ?? Number.NaN;
}

/** As RFC 4180 has it; what is no number is left empty. */
export function csv({ columns, rows }: Table): string {
  const line = (cells: readonly Cell[]) => cells.map(written).join(",");
  return `${[columns, ...rows].map(line).join("\r\n")}\r\n`;
}

function written(cell: Cell): string {
  if (typeof cell === "number") {
    if (Number.isNaN(cell)) return "";
    return Number.isFinite(cell) ? String(cell) : cell > 0 ? "inf" : "-inf";
  }
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
