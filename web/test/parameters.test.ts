/** The table of tensors: its numbers, its order, folds and filter, what is chosen, what is in sight. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { grouped, groupOf, margin } from "../src/answers/groups.ts";
import { lineOf, numberAt, tensorsOf, upTo } from "../src/answers/tensors.ts";
import { decode } from "../src/answers/wire.ts";
import { precise } from "../src/controls/format.ts";
import { axisOver, lineThrough, trend } from "../src/draw/trend.ts";
import type { Parameter } from "../src/types.ts";
import { COLUMNS } from "../src/views/parts/columns.ts";
import { lossNames } from "../src/views/parts/loss_names.ts";
import { fitting, widthOf, widths } from "../src/views/parts/table_widths.ts";
import {
  clicked,
  inSight,
  layerOf,
  linesOf,
  matching,
  orderOf,
  python,
  reordered,
  rowsOf,
  sameKind,
  shortened,
  shown,
  sorted,
  usualShown,
} from "../src/views/parts/tensor_rows.ts";

const golden = new URL("../../tests/golden/", import.meta.url);
const load = (name: string) => {
  const bytes = readFileSync(new URL(`${name}.safetensors`, golden));
  return decode(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
};
const expected = JSON.parse(readFileSync(new URL("expected.json", golden), "utf8")).tensors;
const planted = tensorsOf(load("tensors"));

const named = (name: string, shape = "8×8"): Parameter => ({
  name,
  shape,
  module: name.split("/")[0] ?? "",
  size: 1,
  trainable: true,
});

const NAMES = [0, 1, 2].flatMap((block) =>
  ["attention/qkv/weight", "attention/qkv/bias", "norm/weight"].map(
    (part) => `block_${block}/${part}`,
  ),
);
const rows = rowsOf(NAMES.map((name) => named(name, name.endsWith("qkv/weight") ? "8×24" : "24")));

test("numbers are what Python wrote, to the last digit, at every step", () => {
  assert.deepEqual(planted.names, expected.variables.parameter.values);
  assert.deepEqual(planted.steps, expected.variables.step.values);
  assert.deepEqual(planted.kinds, ["parameter"]);
  assert.equal(planted.members.length, planted.names.length);
  for (const column of ["std", "q05", "q999", "near_zero", "nonfinite"]) {
    const values = planted.steps.flatMap((_, row) =>
      planted.names.map((_, at) => numberAt(planted, column, row, at)),
    );
    const written = expected.variables[column].values.map((value: number | string) =>
      value === "NaN" ? Number.NaN : value,
    );
    assert.deepEqual(values, written, column);
  }
  assert.equal(numberAt(planted, "std", -1, 0), Number.NaN);
  assert.equal(numberAt(planted, "no such number", 0, 0), Number.NaN);
  assert.equal(lineOf(planted, "std", 0).length, planted.steps.length);
});

test("a number that a step lacks is that of the newest step before it", () => {
  const numbers = { sigma: Float64Array.from([1, Number.NaN, 3]) };
  const tensors = {
    kind: "parameter",
    steps: [0, 10, 20],
    names: ["w"],
    kinds: [],
    members: [],
    numbers,
  };
  assert.deepEqual(upTo(tensors, "sigma", 0, 15), { value: 1, step: 0 });
  assert.deepEqual(upTo(tensors, "sigma", 0, 20), { value: 3, step: 20 });
  assert.equal(upTo(tensors, "sigma", 0, -1).step, null);
});

test("a layer ends with its first number; what follows is the rest", () => {
  assert.equal(layerOf("block_3/attention/qkv/weight"), "block_3");
  assert.equal(layerOf("model/layers/11/mlp/up/weight"), "model/layers/11");
  assert.equal(layerOf("embed/weight"), "embed");
  assert.equal(layerOf("pos"), "");
  assert.equal(layerOf("bert/dense_1"), "bert", "a name's last part is never all of its layer");
});

test("filtering finds names that hold every word; a word with a star is a pattern of a whole name", () => {
  const found = (wanted: string) => matching(rows, wanted).map(({ name }) => name);
  assert.equal(found("").length, rows.length);
  assert.deepEqual(
    found("QKV bias"),
    NAMES.filter((name) => name.endsWith("qkv/bias")),
  );
  assert.deepEqual(
    found(sameKind("block_1/norm/weight")),
    NAMES.filter((n) => /norm/.test(n)),
  );
  assert.equal(sameKind("h/11/attn/w2"), "h/*/attn/w*");
  assert.deepEqual(found("block_*"), NAMES);
  assert.deepEqual(found("k_*"), []);
  assert.deepEqual(found("a+b["), [], "what is written is text, not a regular expression");
});

test("a click on a heading sorts down, then up, then as the model has it; names the other way", () => {
  let sort: string | null = null;
  const seen = [1, 2, 3].map(() => {
    sort = reordered(orderOf(sort), "std");
    return sort;
  });
  assert.deepEqual(seen, ["std:down", "std:up", null]);
  assert.equal(reordered(orderOf(null), "name"), "name:up");
  const value: Record<string, number> = { a: 2, b: Number.NaN, c: 3 };
  const few = rowsOf(["a", "b", "c"].map((name) => named(name)));
  const by = (text: string | null) =>
    sorted(few, orderOf(text), ({ name }) => value[name] ?? 0).map(({ name }) => name);
  assert.deepEqual(by("std:down"), ["c", "a", "b"], "what is no number comes last");
  assert.deepEqual(by("std:up"), ["a", "c", "b"]);
  assert.deepEqual(by(null), ["a", "b", "c"]);
});

test("a folded layer is one line, on which the worst of it stands for it", () => {
  const worse = ({ name }: { name: string }) => Number(name === "block_1/norm/weight");
  const lines = linesOf(rows, orderOf(null), true, new Set(["block_2"]), worse);
  assert.deepEqual(
    lines.map(({ row, hidden }) => [row.name, hidden]),
    [
      ["block_0/attention/qkv/weight", 3],
      ["block_1/norm/weight", 3],
      ...NAMES.slice(6).map((name) => [name, 0]),
    ],
  );
  const flat = linesOf(rows, orderOf(null), false, new Set(), worse);
  assert.deepEqual(
    flat.map(({ first }) => first),
    [true, false, false, true, false, false, true, false, false],
  );
});

test("the last word of a name is left out where it tells nothing", () => {
  const rests = shortened(rows).map(({ rest }) => rest);
  assert.deepEqual(rests.slice(0, 3), ["attention/qkv/weight", "attention/qkv/bias", "norm"]);
});

test("few tensors are all shown, many as matrices, a great many by layer", () => {
  const of = (matrices: number, others: number) =>
    usualShown([
      ...Array.from({ length: matrices }, (_, at) => named(`m${at}`)),
      ...Array.from({ length: others }, (_, at) => named(`b${at}`, "8")),
    ]);
  assert.equal(of(4, 4), "all");
  assert.equal(of(18, 35), "matrices");
  assert.equal(of(300, 200), "folded");
  assert.equal(of(0, 500), "folded");
});

test("without a choice the worst is shown, else the first matrix; what is gone is not", () => {
  const facts = [named("b", "8"), named("a/kernel"), named("c/kernel")];
  assert.deepEqual(shown([], facts), ["a/kernel"]);
  assert.deepEqual(shown([], facts, ["gone", "c/kernel"]), ["c/kernel"]);
  assert.deepEqual(shown(["gone", "b"], facts, ["c/kernel"]), ["b"]);
});

test("a click looks at one, with Shift at up to four, of which one stays at least", () => {
  assert.deepEqual(clicked(["a", "b"], "c", false), ["c"]);
  assert.deepEqual(clicked(["a"], "b", true), ["a", "b"]);
  assert.deepEqual(clicked(["a", "b", "c", "d"], "e", true), ["b", "c", "d", "e"]);
  assert.deepEqual(clicked(["a", "b"], "a", true), ["b"]);
  assert.deepEqual(clicked(["a"], "a", true), ["a"]);
});

test("the Python line gives what is shown, of any kind", () => {
  assert.equal(python("parameter", ["a/b"]), 'run.parameters("a/b")');
  assert.equal(python("gradient", ["a", 'q"']), 'run.tensors("gradient", ["a", "q\\""])');
});

test("lines out of sight are not there, but those about to be are", () => {
  assert.deepEqual(inSight(40, 0, 100, 21), { from: 0, to: 40 });
  const { from, to } = inSight(500, 210 * 21, 15 * 21, 21);
  assert.ok(from <= 210 - 3 && to >= 225 + 3 && to - from < 40);
});

test("runs alike but for what is said are one group, with Student's interval of their mean", () => {
  assert.equal(groupOf("lstm/seed-3/l2", "seed-*"), "lstm/l2");
  assert.equal(groupOf("a/b", ""), "a/b");
  assert.equal(groupOf("seed-1", "seed-*"), "seed-1", "a name is never empty");
  const line = (run: string, values: number[]) => ({ run, steps: [0, 10], values });
  const lines = [line("x/seed-0", [1, 4]), line("y/seed-0", [9, 9]), line("x/seed-1", [3, 4])];
  const [x, y] = grouped(lines, "seed-*");
  assert.deepEqual([x?.name, x?.runs.length, y?.name], ["x", 2, "y"]);
  assert.deepEqual(Array.from(x?.values ?? []), [2, 4]);
  assert.ok(Math.abs((x?.high?.[0] ?? 0) - (2 + 12.706)) < 1e-9);
  assert.equal(x?.low?.[1], 4);
  assert.equal(y?.low, null, "one run has no interval");
  assert.ok(Number.isNaN(margin([1])));
});

test("a run that was recorded at other steps counts between them, and not beyond", () => {
  const lines = [
    { run: "a", steps: [0, 10, 20], values: [0, 0, 0] },
    { run: "b", steps: [5, 15], values: [2, 4] },
  ];
  assert.deepEqual(
    Array.from(
      grouped(
        lines.map((l) => ({ ...l, run: "s" })),
        "",
      )[0]?.values ?? [],
    ),
    [Number.NaN, 1.5, Number.NaN],
  );
});

test("losses are known by the names that frameworks write", () => {
  assert.deepEqual(lossNames(["loss", "val_loss", "accuracy", "loss_step", "val_loss_step"]), {
    train: "loss",
    validation: "val_loss",
  });
  assert.deepEqual(lossNames(["loss", "eval_loss"]), { train: "loss", validation: "eval_loss" });
  assert.deepEqual(lossNames(["train/loss", "valid/loss"]), {
    train: "train/loss",
    validation: "valid/loss",
  });
  assert.deepEqual(lossNames(["norm_before", "steps"]), {});
});

test("a line has a gap where a number is missing; a lone one is a dot", () => {
  const domain = axisOver([[1, 3]], false);
  assert.ok(domain && domain.low < 1 && domain.high > 3);
  const laid = trend([0, 1, 2, 3], { left: 0, right: 30, top: 0, bottom: 10 }, domain);
  const path = lineThrough([0, 1, 2, 3], [1, Number.NaN, 2, 3], laid);
  assert.equal(path.match(/M/g)?.length, 2);
  assert.match(path, /^M0\.0,[\d.]+h0\.01M20/);
  assert.equal(axisOver([[Number.NaN]], false), null);
  assert.deepEqual(axisOver([[0, 0.02, 300]], true), { low: 0.01, high: 1000, stretch: "log" });
});

test("numbers are written with three significant digits, and never as -0", () => {
  assert.equal(precise(0.123456), "0.123");
  assert.equal(precise(-12.3456), "−12.3");
  assert.equal(precise(12345.678), "12,346");
  assert.equal(precise(1.2345e-7), "1.23e−7");
  assert.equal(precise(Number.NaN), "–");
  assert.equal(precise(-0), "0");
});

test("what nearly all layers lie below is written before none of them", () => {
  const called = (names: readonly string[]) =>
    rowsOf(names.map((name) => named(name))).map((row) => row.called);
  const deep = [0, 1, 2, 10].map((at) => `model/transformer/encoder_layers/${at}/mlp/kernel`);
  assert.deepEqual(called([...deep, "model/词表/权重"]), ["…/0", "…/1", "…/2", "…/10", "model"]);
  const short = [0, 1, 2].map((at) => `model/layers/${at}/norm/weight`);
  assert.deepEqual(called(short), ["…/layers/0", "…/layers/1", "…/layers/2"]);
  assert.deepEqual(called(NAMES.slice(0, 1)), ["block_0"]);
  assert.deepEqual(
    called(deep.slice(0, 2)),
    deep.slice(0, 2).map((name) => name.slice(0, -11)),
  );
});

test("the table is never wider than its room: columns that do not fit are left out, names give way", () => {
  const columns = COLUMNS.slice(0, 5);
  for (const room of [500, 560, 680, 842, 1000, 1900]) {
    for (const needed of [
      { layer: 0, rest: 30 },
      { layer: 60, rest: 70 },
      { layer: 400, rest: 900 },
    ]) {
      const shown = fitting(columns, room);
      const { layer, rest, values, least } = widths(room, needed, shown);
      const wide = shown.reduce((sum, column) => sum + widthOf(column), 0);
      assert.ok(least <= room, `${room}: ${least}`);
      assert.ok(values >= 120, `${room}: values ${values}`);
      assert.equal(layer + rest + 8 + values + 24 + 22 + wide, room);
    }
  }
  assert.equal(fitting(columns, 842).length, 5);
  assert.equal(fitting(columns, 0).length, 5); // nothing is known of the room yet
  assert.equal(fitting(columns, 200).length, 1);
  const { layer, rest } = widths(842, { layer: 45.2, rest: 60 }, columns);
  assert.deepEqual([layer, rest], [55, 69]); // what they need, and no more
});
