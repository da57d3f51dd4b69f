import assert from "node:assert/strict";
import { test } from "node:test";
import { LOG_FLOOR, NOT_ALLOWED, percentiles, shade, shades, ticks } from "../src/cells/scale.ts";

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
  assert.equal(shade(0.02, "linear", 0.04), 0.5);
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
    ticks("linear", 0.03).map((tick) => tick.text),
    ["0", "0.0075", "0.015", "0.022", "0.03"],
  );
});
