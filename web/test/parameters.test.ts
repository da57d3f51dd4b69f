/** The parameter table: its numbers, its order, what is chosen, what is in sight. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decode } from "../src/answers/wire.ts";
import type { Parameter } from "../src/types.ts";
import {
  COLUMNS,
  filteredRows,
  inSight,
  lines,
  MOST,
  type Order,
  precise,
  python,
  reordered,
  rowsOf,
  shown,
  sorted,
  toggled,
} from "../src/views/parts/parameter_rows.ts";

const golden = new URL("../../tests/golden/", import.meta.url);
const load = (name: string) => {
  const bytes = readFileSync(new URL(`${name}.safetensors`, golden));
  return decode(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
};
const expected = JSON.parse(readFileSync(new URL("expected.json", golden), "utf8")).summary;
const facts = load("run").attrs.parameters as readonly Parameter[];
const rows = rowsOf(load("summary"), facts);

const named = (name: string, shape: string): Parameter => ({
  name,
  shape,
  module: name.split("/")[0] ?? "",
  size: 1,
  trainable: true,
});

test("the table says what Python wrote, to the last digit", () => {
  assert.equal(rows.length, expected.variables.parameter.values.length);
  for (const [at, row] of rows.entries()) {
    assert.equal(row.name, expected.variables.parameter.values[at]);
    assert.equal(row.shape, facts[at]?.shape);
    assert.equal(row.size, facts[at]?.size);
    for (const column of COLUMNS) {
      if (column === "size" || column === "change") continue;
      assert.equal(row[column], expected.variables[column].values[at], `${row.name} ${column}`);
    }
  }
});

test("the change of std is against the first step; from zero it is infinite, not a number's lack", () => {
  const { std, std_first: first } = expected.variables;
  for (const [at, row] of rows.entries()) {
    const [now, then] = [std.values[at], first.values[at]];
    assert.equal(row.change, now === then ? 0 : now / then - 1);
  }
  const [row] = rows;
  assert.ok(row);
  const data = (values: number[]) => ({
    dims: ["parameter"],
    shape: [values.length],
    data: Float64Array.from(values),
    text: null,
    coord: false,
    attrs: {},
  });
  const grown = rowsOf(
    {
      attrs: {},
      variables: {
        parameter: { ...data([]), text: ["a", "b", "c"] },
        std: data([0.3, 0, Number.NaN]),
        std_first: data([0, 0, 1]),
      },
    },
    [],
  );
  assert.deepEqual(
    grown.map((row) => row.change),
    [Number.POSITIVE_INFINITY, 0, Number.NaN],
  );
});

test("sorting puts what is no number last, both ways, and never loses a row", () => {
  const values = [2, Number.NaN, -1, Number.POSITIVE_INFINITY, 0.5];
  const rowsOfStd = values.map((std, at) => ({
    ...(rows[0] as (typeof rows)[0]),
    name: `p${at}`,
    std,
  }));
  const by = (order: Order) => sorted(rowsOfStd, order).map((row) => row.name);
  assert.deepEqual(by({ by: "std", down: true }), ["p3", "p0", "p4", "p2", "p1"]);
  assert.deepEqual(by({ by: "std", down: false }), ["p2", "p4", "p0", "p3", "p1"]);
  assert.deepEqual(by({ by: null, down: false }), ["p0", "p1", "p2", "p3", "p4"]);
});

test("names sort as people count: block_2 before block_10", () => {
  const named = ["block_10/kernel", "block_2/kernel"].map((name) => ({
    ...(rows[0] as (typeof rows)[0]),
    name,
  }));
  assert.deepEqual(
    sorted(named, { by: "name", down: false }).map((row) => row.name),
    ["block_2/kernel", "block_10/kernel"],
  );
});

test("a heading clicked three times ends in the model's own order", () => {
  let order: Order = { by: null, down: false };
  order = reordered(order, "std");
  assert.deepEqual(order, { by: "std", down: true });
  order = reordered(order, "std");
  assert.deepEqual(order, { by: "std", down: false });
  order = reordered(order, "std");
  assert.equal(order.by, null);
  assert.deepEqual(reordered({ by: "std", down: true }, "name"), { by: "name", down: false });
});

test("layers have headings in the model's order, and none once rows are sorted", () => {
  const grouped = lines(rows, { by: null, down: false });
  const modules = facts.map((parameter) => parameter.module);
  const headings = grouped.flatMap((line) => (line.heading === undefined ? [] : [line.heading]));
  assert.deepEqual(headings, [...new Set(modules)]);
  assert.equal(grouped.length, rows.length + headings.length);
  assert.equal(lines(rows, { by: "std", down: true }).length, rows.length);
});

test("at first the weight matrices are shown, not the biases", () => {
  const model = [
    named("embedding/embeddings", "100×16"),
    named("norm/gamma", "16"),
    named("dense/kernel", "16×4"),
    named("dense/bias", "4"),
    named("position/table", "9×16"),
  ];
  assert.deepEqual(shown([], model), ["embedding/embeddings", "dense/kernel"]);
  assert.deepEqual(shown([], [named("a/bias", "4")]), ["a/bias"]);
  assert.deepEqual(shown([], [named("a/table", "4×4"), named("a/bias", "4")]), ["a/table"]);
  assert.deepEqual(shown([], []), []);
});

test("a link's parameters that the run lacks are left out", () => {
  const model = [named("dense/kernel", "2×2"), named("dense/bias", "2")];
  assert.deepEqual(shown(["dense/bias", "gone/kernel"], model), ["dense/bias"]);
  assert.deepEqual(shown(["gone/kernel"], model), ["dense/kernel"]);
});

test("a click adds or takes away; one always stays, and the first gives way at the limit", () => {
  assert.deepEqual(toggled(["a"], "b"), ["a", "b"]);
  assert.deepEqual(toggled(["a", "b"], "a"), ["b"]);
  assert.deepEqual(toggled(["a"], "a"), ["a"]);
  const full = Array.from({ length: MOST }, (_, at) => `p${at}`);
  assert.deepEqual(toggled(full, "new"), [...full.slice(1), "new"]);
});

test("of many lines only those near the sight are drawn; of few, all", () => {
  assert.deepEqual(inSight(100, 0, 200, 26), { from: 0, to: 100 });
  for (const top of [0, 2600, 26 * 5000]) {
    const { from, to } = inSight(1000, top, 260, 26);
    assert.ok(from >= 0 && to <= 1000 && from <= to && to - from <= 40);
    if (top === 2600) assert.ok(from <= 100 && to >= 110);
  }
});

test("statistics keep three significant digits, and their signs", () => {
  const said = [0.0433, -0.00256, 4.9e-5, 0, 60.71, 123456.7, -2.5e7, 1, Number.NaN].map(precise);
  assert.deepEqual(said, [
    "0.0433",
    "−0.00256",
    "4.90e−5",
    "0",
    "60.7",
    "123,457",
    "−2.50e7",
    "1.00",
    "–",
  ]);
});

test("the Python line quotes names so that they stay text", () => {
  assert.equal(python(["dense/kernel"]), 'run.parameters("dense/kernel")');
  assert.equal(python(["a", 'b"c']), 'run.parameters(["a", "b\\"c"])');
});

test("rows are filtered by words in any order, and frozen ones are known", () => {
  const all = rowsOf(
    load("summary"),
    facts.map((fact, at) => ({ ...fact, trainable: at !== 1 })),
  );
  assert.deepEqual(
    filteredRows(all, " BIAS den").map(({ name }) => name),
    ["dense/bias"],
  );
  assert.equal(filteredRows(all, ""), all);
  assert.deepEqual(
    all.map(({ frozen }) => frozen),
    [false, true, false],
  );
});
