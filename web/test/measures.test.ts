import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { catalogue } from "../src/client/client.ts";
import { wordsOf } from "../src/state/run.ts";
import { type Selection, selection } from "../src/state/selection.ts";

const card = {
  name: "spread_out",
  title: "spread",
  answers: "How far.",
  zh: { title: "分散", answers: "有多远。" },
  units: "token",
  bounds: [0, "key - 1"] as const,
  kinds: ["self"] as const,
  tier: "observed",
  leaves_out: "",
};

/** As `select` does, without a page whose address would say so. */
function speak(language: Selection["language"]): void {
  (selection as unknown as { value: Selection }).value = { ...selection.value, language };
}

test("a measure's words are those of its card, in the language spoken", () => {
  catalogue.value = { version: "1", schema: 1, analyses: [card], runs: [] };
  speak("en");
  assert.equal(wordsOf("spread_out").title, "spread");
  assert.equal(wordsOf("spread_out").answers, "How far.");
  speak("zh");
  assert.deepEqual(wordsOf("spread_out"), { title: "分散", answers: "有多远。" });
  speak(null);
});

test("a measure without a card has its name", () => {
  catalogue.value = { version: "1", schema: 1, analyses: [], runs: [] };
  assert.deepEqual(wordsOf("spread_out"), { title: "spread out", answers: "" });
});

/** The bar at the edge of a head's cell is of one measure, where it was recorded. */
const BAR = /head_cells\.tsx$/;

test("the page holds no list of measures", () => {
  const folder = new URL("../src/", import.meta.url);
  for (const file of globSync("**/*.{ts,tsx}", { cwd: folder })) {
    const text = readFileSync(new URL(file, folder), "utf8");
    if (!BAR.test(file)) assert.doesNotMatch(text, /first_key_share/, file);
    assert.doesNotMatch(text, /\bmaximum\b.*:|\bgini\b/, file);
  }
});
