import assert from "node:assert/strict";
import { test } from "node:test";
import type { Series } from "../src/answers/series.ts";
import { sitesAt, stepsOf } from "../src/answers/sites.ts";
import { lone } from "../src/draw/curve.ts";
import type { Site } from "../src/types.ts";

const site = (name: string, heads: number) => ({ name, heads }) as Site;
const changing = {
  steps: [0, 5, 10, 20],
  sites: [site("a", 2), site("b", 1)],
  forms: [site("a", 3), site("b", 1), site("a", 2)],
  changes: [
    { step: 0, forms: [0] },
    { step: 10, forms: [2, 1] },
    { step: 20, forms: [] },
  ],
};

test("a step has the sites, and the sizes, that the last change before it left", () => {
  const shown = changing.steps.map((step) =>
    sitesAt(changing, step).map(({ name, heads }) => `${name}${heads}`),
  );
  assert.deepEqual(shown, [["a3"], ["a3"], ["a2", "b1"], []]);
  assert.deepEqual(stepsOf(changing, "a"), [0, 5, 10]);
  assert.deepEqual(stepsOf(changing, "b"), [10]);
  assert.deepEqual(stepsOf(changing, "gone"), []);
});

test("where none ever changed, every step has all", () => {
  const still = { ...changing, forms: [], changes: [] };
  assert.equal(sitesAt(still, 5), still.sites);
  assert.deepEqual(stepsOf(still, "b"), still.steps);
});

test("a number with none beside it on its line is a dot", () => {
  const value = [1, Number.NaN, 1, 1, Number.NaN, 1, 1, Number.NaN];
  const series = { steps: [0, 1, 2, 3], heads: 2, value } as unknown as Series;
  assert.deepEqual(lone(series), [[3, 0]]);
  assert.deepEqual(lone({ ...series, steps: [7], heads: 2, value: [1, 2] as never }), [
    [0, 0],
    [0, 1],
  ]);
});
