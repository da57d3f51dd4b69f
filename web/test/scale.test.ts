import assert from "node:assert/strict";
import { test } from "node:test";
import { rangeOf } from "../src/answers/range.ts";
import {
  FULL,
  LOG_FLOOR,
  NOT_ALLOWED,
  percentiles,
  shade,
  shades,
  ticks,
  weightAt,
} from "../src/cells/scale.ts";
import { type Selection, selection } from "../src/state/selection.ts";
import { chosenRange, moved, rangeShown, written } from "../src/views/parts/range.ts";
import { golden } from "./golden.ts";

test("each scale runs from 0 to 1 and keeps the order of weights", () => {
  for (const scale of ["linear", "sqrt", "log"] as const) {
    const row = Array.from(shades(Float32Array.of(0, 1e-3, 0.01, 0.2, 0.7, 1), scale));
    assert.equal(row[0], 0);
    assert.equal(row.at(-1), 1);
    assert.deepEqual(
      row,
      [...row].sort((a, b) => a - b),
    );
  }
});

test("scales have their known values", () => {
  assert.equal(shade(0.25, "linear"), 0.25);
  assert.equal(shade(0.25, "sqrt"), 0.5);
  assert.ok(Math.abs(shade(0.01, "log") - 0.5) < 1e-12);
  assert.equal(shade(LOG_FLOOR / 2, "log"), 0);
  assert.equal(shade(0.02, "linear", { low: 0, high: 0.04 }), 0.5);
});

test("NaN and what may not be attended are never a shade, least of all zero", () => {
  for (const scale of ["linear", "sqrt", "log", "percentile"] as const) {
    assert.ok(Number.isNaN(shade(Number.NaN, scale)));
    assert.equal(shade(NOT_ALLOWED, scale), NOT_ALLOWED);
  }
  assert.deepEqual(
    [...percentiles(Float32Array.of(Number.NaN, NOT_ALLOWED, 0.2, 0.8), 1, 4)].slice(1),
    [NOT_ALLOWED, 0, 1],
  );
});

test("percentiles are shares within a row; equal weights share the middle", () => {
  const values = Float32Array.of(0.1, 0.4, 0.2, 0.3, 0.25, 0.25, 0.25, 0.25, 0, 0, 0, 1);
  const wanted = [0, 1, 1 / 3, 2 / 3, 0.5, 0.5, 0.5, 0.5, 1 / 3, 1 / 3, 1 / 3, 1];
  assert.deepEqual(percentiles(values, 3, 4), Float32Array.from(wanted));
});

test("a legend's numbers lie where its scale puts them", () => {
  assert.deepEqual(
    ticks("sqrt").map((tick) => tick.shade),
    [0, Math.sqrt(0.05), 0.5, Math.sqrt(0.5), 1],
  );
  assert.equal(ticks("log")[0]?.text, "≤ 1e-4");
  assert.deepEqual(
    ticks("linear", { low: 0, high: 0.03 }).map((tick) => tick.text),
    ["0", "0.0075", "0.015", "0.022", "≥ 0.03"],
  );
});

test("a shade leads back to its weight, also a little beyond the ends", () => {
  const range = { low: 0.02, high: 0.3 };
  for (const scale of ["linear", "sqrt", "log"] as const) {
    for (const weight of [0.05, 0.11, 0.3]) {
      const back = weightAt(shade(weight, scale, range), scale, range);
      assert.ok(Math.abs(back - weight) < 1e-9, `${scale} ${weight}`);
    }
    assert.ok(weightAt(1.2, scale, range) > 0.3);
  }
  assert.equal(shade(0.9, "sqrt", range), 1, "beyond the end, the end's colour");
  assert.equal(shade(0.01, "sqrt", range), 0);
});

test("a map, its site's picture and its tiles have one range", () => {
  const map = rangeOf(golden("map").attrs);
  const cells = golden("grid").variables.cells_2;
  assert.ok(cells);
  assert.deepEqual(rangeOf(cells.attrs), map);
  assert.deepEqual(rangeOf({}), FULL, "a recording that says none");
  assert.deepEqual(rangeOf({ range: [0.5, 0.5] }), FULL);
});

test("a range chosen holds for every site; its ends never meet and stay within 0 to 1", () => {
  const choose = (range: string | null) => {
    (selection as unknown as { value: Selection }).value = { ...selection.value, range };
  };
  const recorded = { low: 0, high: 0.2 };
  assert.deepEqual(rangeShown(recorded), recorded);
  choose("0:1");
  assert.deepEqual(rangeShown(recorded), FULL);
  choose(written({ low: 0.001234, high: 0.5 }));
  assert.deepEqual(chosenRange.value, { low: 0.00123, high: 0.5 });
  for (const garbled of ["0.5:0.1", "0:2", "x", "1"]) {
    choose(garbled);
    assert.equal(chosenRange.value, null, garbled);
  }
  choose(null);
  assert.deepEqual(moved(recorded, "high", 7), FULL);
  assert.ok(moved(recorded, "high", -1).high > 0);
  assert.equal(moved(recorded, "low", -1).low, 0);
  assert.ok(moved(recorded, "low", 0.9).low < 0.2);
});
