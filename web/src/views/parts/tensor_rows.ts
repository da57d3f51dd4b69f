/** The rows of the table of tensors: their names, folds, order and filter, and which are in sight. */
import type { Parameter } from "../../types.ts";

/** How many tensors are looked at side by side at most. */
export const MOST = 4;

export interface Row {
  readonly name: string;
  /** What rows are folded by, and the rest of the name. */
  readonly layer: string;
  readonly rest: string;
  /** The layer as it is written: without what nearly all have in common. */
  readonly called: string;
  readonly fact: Parameter;
}

/** A line of the table: a tensor, or a fold that hides some, of which one stands for all. */
export interface Line {
  readonly row: Row;
  /** How many it hides; 0: it is a tensor by itself. */
  readonly hidden: number;
  /** Its layer is written: it is the first of it. */
  readonly first: boolean;
}

/** A name's layer: up to its first number if it has one, else its first part. */
export function layerOf(name: string): string {
  const parts = name.split("/");
  const numbered = parts.findIndex((part) => /\d/.test(part));
  if (parts.length < 2) return "";
  const last = numbered >= 0 && numbered < parts.length - 1 ? numbered : 0;
  return parts.slice(0, last + 1).join("/");
}

/** So many layers, and this share of all, are nearly all. */
const SEVERAL = 3;
const NEARLY = 0.6;
/** Letters of a layer's parent that are worth writing before each. */
const PARENT = 12;

/** What most layers lie below: written before none of them, or only its last part. */
function shared(layers: ReadonlySet<string>): string {
  const parents = new Map<string, number>();
  for (const layer of layers) {
    const parent = layer.slice(0, layer.lastIndexOf("/") + 1);
    if (parent) parents.set(parent, (parents.get(parent) ?? 0) + 1);
  }
  const [[parent = "", count = 0] = []] = [...parents].sort((a, b) => b[1] - a[1]);
  if (count < Math.max(SEVERAL, NEARLY * layers.size)) return "";
  const last = parent.slice(parent.lastIndexOf("/", parent.length - 2) + 1);
  return last.length > PARENT ? parent : parent.slice(0, -last.length);
}

export function rowsOf(facts: readonly Parameter[]): readonly Row[] {
  const common = shared(new Set(facts.map(({ name }) => layerOf(name))));
  return facts.map((fact) => {
    const layer = layerOf(fact.name);
    const cut = common !== "" && layer.startsWith(common);
    return {
      name: fact.name,
      layer,
      called: cut ? `…/${layer.slice(common.length)}` : layer,
      rest: layer ? fact.name.slice(layer.length + 1) : fact.name,
      fact,
    };
  });
}

/** Rows without the last word of their names where it tells nothing: `weight` of the only one shown. */
export function shortened(rows: readonly Row[]): readonly Row[] {
  const shared = new Map<string, number>();
  const stem = (name: string) => name.slice(0, name.lastIndexOf("/"));
  for (const { name } of rows) shared.set(stem(name), (shared.get(stem(name)) ?? 0) + 1);
  return rows.map((row) =>
    shared.get(stem(row.name)) === 1 && /[^/]\/(weight|kernel)$/.test(row.rest)
      ? { ...row, rest: stem(row.rest) }
      : row,
  );
}

/** Whether a tensor has rows and columns; a bias or a norm's scale has not. */
export function isMatrix({ shape }: Parameter): boolean {
  return shape.includes("×");
}

/** Of so many tensors the matrices alone are shown at first, and of so many matrices the folds. */
const MANY = 24;
const TOO_MANY = 64;

/** What a table shows at first. */
export function usualShown(facts: readonly Parameter[]): "matrices" | "all" | "folded" {
  const matrices = facts.filter(isMatrix).length;
  if (facts.length > TOO_MANY && (matrices > TOO_MANY || matrices === 0)) return "folded";
  return facts.length > MANY && matrices > 0 ? "matrices" : "all";
}

/** Rows whose names hold every word that is wanted; a word with `*` is a pattern of a whole name. */
export function matching(rows: readonly Row[], wanted: string): readonly Row[] {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  const tests = words.map((word) => {
    if (!word.includes("*")) return (name: string) => name.includes(word);
    const parts = word.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const pattern = new RegExp(`^${parts.join(".*")}$`);
    return (name: string) => pattern.test(name);
  });
  return rows.filter(({ name }) => tests.every((test) => test(name.toLowerCase())));
}

/** The pattern of the same kind of tensor in all layers: numbers in its name are left open. */
export function sameKind(name: string): string {
  return name
    .split("/")
    .map((part) => part.replace(/\d+/g, "*"))
    .join("/");
}

export interface Order {
  /** null: as the model has them. */
  readonly by: string | null;
  readonly down: boolean;
}

/** An order as the address has it. */
export function orderOf(text: string | null): Order {
  const [by = "", way] = (text ?? "").split(":");
  return by ? { by, down: way === "down" } : { by: null, down: false };
}

/** What comes after a click on a heading: greatest first, least first, then the model's order. */
export function reordered(order: Order, by: string): string | null {
  const first = by !== "name";
  if (order.by !== by) return `${by}:${first ? "down" : "up"}`;
  return order.down === first ? `${by}:${first ? "up" : "down"}` : null;
}

/** Rows in order; what is no number comes last either way. */
export function sorted(
  rows: readonly Row[],
  { by, down }: Order,
  numberIn: (row: Row) => number,
): readonly Row[] {
  if (by === null) return rows;
  const sign = down ? -1 : 1;
  const values = new Map(rows.map((row) => [row, by === "name" ? 0 : numberIn(row)]));
  return [...rows].sort((a, b) => {
    if (by === "name") return sign * a.name.localeCompare(b.name, "en", { numeric: true });
    const [left, right] = [values.get(a) as number, values.get(b) as number];
    const missing = Number(Number.isNaN(left)) - Number(Number.isNaN(right));
    if (missing !== 0) return missing;
    return left === right ? 0 : sign * (left < right ? -1 : 1);
  });
}

/** Lines of the table: one a row, or one a layer, on which the worst of it stands for it. */
export function linesOf(
  rows: readonly Row[],
  order: Order,
  folded: boolean,
  open: ReadonlySet<string>,
  worse: (row: Row) => number,
): readonly Line[] {
  const grouped = order.by === null;
  const layers = new Map<string, Row[]>();
  if (folded) {
    for (const row of rows) layers.set(row.layer, [...(layers.get(row.layer) ?? []), row]);
  }
  const lines: Line[] = [];
  const seen = new Set<string>();
  for (const [at, row] of rows.entries()) {
    const together = layers.get(row.layer) ?? [];
    if (together.length > 1 && !open.has(row.layer)) {
      if (seen.has(row.layer)) continue;
      seen.add(row.layer);
      const worst = together.reduce((most, each) => (worse(each) > worse(most) ? each : most));
      lines.push({ row: worst, hidden: together.length, first: true });
    } else {
      const first = !grouped || at === 0 || rows[at - 1]?.layer !== row.layer;
      lines.push({ row, hidden: 0, first });
    }
  }
  return lines;
}

/** Lines in sight of a scrolled table, with some above and below; few lines are all in sight. */
export function inSight(
  length: number,
  top: number,
  height: number,
  line: number,
): { from: number; to: number } {
  const spare = 6;
  if (length <= 60) return { from: 0, to: length };
  const from = Math.max(0, Math.min(length, Math.floor(top / line)) - spare);
  return { from, to: Math.min(length, Math.ceil((top + height) / line) + spare) };
}

/** The chosen tensors that there are; where none is, the first of the worst, else the first matrix. */
export function shown(
  chosen: readonly string[],
  facts: readonly Parameter[],
  worst: readonly string[] = [],
): readonly string[] {
  const known = new Set(facts.map(({ name }) => name));
  const present = chosen.filter((name) => known.has(name)).slice(-MOST);
  if (present.length > 0) return present;
  const bad = worst.find((name) => known.has(name));
  if (bad !== undefined) return [bad];
  const matrices = facts.filter(isMatrix);
  const weights = matrices.filter(({ name }) => /(kernel|embeddings?|weight)s?$/.test(name));
  const first = [weights, matrices, facts].find((group) => group.length > 0) ?? [];
  return first.slice(0, 1).map(({ name }) => name);
}

/** What is chosen after a row is clicked: that alone; or with others, of which one stays at least. */
export function clicked(
  chosen: readonly string[],
  name: string,
  beside: boolean,
): readonly string[] {
  if (!beside) return [name];
  if (!chosen.includes(name)) return [...chosen, name].slice(-MOST);
  return chosen.length > 1 ? chosen.filter((other) => other !== name) : chosen;
}

/** The Python that gives the same histograms. */
export function python(kind: string, names: readonly string[]): string {
  const quoted = names.map((name) => JSON.stringify(name));
  const listed = quoted.length === 1 ? quoted[0] : `[${quoted.join(", ")}]`;
  return kind === "parameter"
    ? `run.parameters(${listed})`
    : `run.tensors(${JSON.stringify(kind)}, ${listed})`;
}
