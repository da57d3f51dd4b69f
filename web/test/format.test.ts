import assert from "node:assert/strict";
import { test } from "node:test";
import { fewest } from "../src/controls/format.ts";

test("a single is written in the fewest digits that are still it", () => {
  for (const text of ["0.1", "0.73", "1", "0", "0.33325195", "2.6945597e-9", "16777216"]) {
    assert.equal(fewest(Math.fround(Number(text))), String(Number(text)));
  }
  let seed = 1;
  for (let count = 0; count < 2000; count++) {
    seed = (seed * 48271) % 2147483647;
    const value = Math.fround((seed / 2147483647) * 10 ** -(count % 40));
    assert.equal(Math.fround(Number(fewest(value))), value);
  }
});

test("what is no single keeps all its digits", () => {
  assert.equal(fewest(0.1), "0.1");
  assert.equal(fewest(0.1234567890123), "0.1234567890123");
  assert.equal(fewest(Number.NaN), "NaN");
});
