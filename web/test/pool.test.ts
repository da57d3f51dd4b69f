import assert from "node:assert/strict";
import { test } from "node:test";
import { pool } from "../src/cells/pool.ts";
import { NOT_ALLOWED } from "../src/cells/scale.ts";

const whole = { row: 0, column: 0, rows: 4, columns: 6 };
const values = Float32Array.from({ length: 24 }, (_, index) => index / 24);

test("a picture with room for every cell shows every cell", () => {
  const same = pool(values, 6, whole, 100, 100, "max");
  assert.deepEqual(same.values, values);
  assert.equal(same.pooled, false);
});

test("max and mean of a block are those of its cells", () => {
  const most = pool(values, 6, whole, 2, 2, "max");
  assert.deepEqual(most.values, Float32Array.of(8 / 24, 11 / 24, 20 / 24, 23 / 24));
  const mean = pool(values, 6, whole, 2, 2, "mean");
  assert.deepEqual(mean.values, Float32Array.of(4 / 24, 7 / 24, 16 / 24, 19 / 24));
  assert.equal(mean.pooled, true);
});

test("uneven blocks cover every cell once: their means, weighed, give the mean of all", () => {
  const ones = new Float32Array(7 * 11).fill(1);
  const small = pool(ones, 11, { row: 0, column: 0, rows: 7, columns: 11 }, 3, 4, "mean");
  assert.ok(small.values.every((value) => value === 1));
  for (let at = 0; at < ones.length; at++) {
    const single = new Float32Array(77);
    single[at] = 1;
    const seen = pool(single, 11, { row: 0, column: 0, rows: 7, columns: 11 }, 3, 4, "max");
    assert.equal(seen.values.filter((value) => value === 1).length, 1);
  }
});

test("a window is cut out of a larger map", () => {
  const part = pool(values, 6, { row: 1, column: 2, rows: 2, columns: 3 }, 9, 9, "max");
  assert.deepEqual(
    part.values,
    Float32Array.from([8, 9, 10, 14, 15, 16], (sum) => sum / 24),
  );
});

test("one NaN shows in its block; cells not allowed do not weigh; a block of them is one", () => {
  const row = Float32Array.of(0.5, Number.NaN, NOT_ALLOWED, 0.25, NOT_ALLOWED, NOT_ALLOWED);
  const seen = pool(row, 6, { row: 0, column: 0, rows: 1, columns: 6 }, 1, 3, "mean").values;
  assert.ok(Number.isNaN(seen[0]));
  assert.equal(seen[1], 0.25);
  assert.equal(seen[2], NOT_ALLOWED);
});
