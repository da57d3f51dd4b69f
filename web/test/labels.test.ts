import assert from "node:assert/strict";
import { test } from "node:test";
import { visible } from "../src/draw/map.ts";

test("tokens that would be seen as nothing are seen", () => {
  const tokens = [" ", "\n\n", "\t", "\u200b", "\ufeff", "\u00a0 ", "\u3164", "\u0000", "\ufe0f"];
  const seen = ["␣", "↵↵", "⇥", "U+200B", "U+FEFF", "U+00A0␣", "U+3164", "U+0000", "U+FE0F"];
  assert.deepEqual(tokens.map(visible), seen);
});

test("nothing in a token turns round what stands beside it; joiners and marks stay", () => {
  assert.equal(visible("a\u202eb"), "aU+202Eb");
  assert.equal(visible("of\nthe"), "of↵the");
  for (const token of ["👩‍👩‍👧", "می‌خواهم", "e\u0301", "שלום", "▁of", "Ġthe", "", " the"])
    assert.equal(visible(token), token);
});
