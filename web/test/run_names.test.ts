import assert from "node:assert/strict";
import { test } from "node:test";
import { runNames } from "../src/controls/run_names.ts";

const shown = (names: readonly string[]) => names.map((name) => runNames(names).get(name));

test("runs of a sweep are called by what tells them apart", () => {
  const sweep = [
    "sweep/learning-rate=0.0001/dropout=0.0/seed-00-warmup-linear",
    "sweep/learning-rate=1e-05/dropout=0.1/seed-01-warmup-cosine",
    "sweep/learning-rate=0.1/dropout=0.1/seed-02-warmup-cosine",
  ];
  assert.deepEqual(shown([...sweep, "t5/translate"]), [
    "sweep/…0.0001/…0.0/…00…linear",
    "sweep/…1e-05/…0.1/…01…cosine",
    "sweep/…0.1/…0.1/…02…cosine",
    "t5/translate",
  ]);
});

test("so are names without folders, and parts that have more words in one run than in another", () => {
  const models = ["base_long_lr3e-4_b32_final_model", "base_long_lr1e-4_b32_final_model"];
  assert.deepEqual(shown(models), ["base…lr3e-4…", "base…lr1e-4…"]);
  const folds = ["folds/1/attention-rotary-v2-final", "folds/1/attention-v2-final"];
  assert.deepEqual(shown([...folds, "folds/2/attention-v2-final"]), [
    "folds/1/…rotary-…",
    "folds/1/…",
    "folds/2/…",
  ]);
});

test("names that a cut leaves apart stay whole, and so do those that would become alike", () => {
  const names = ["a", "minilm/fine-tuned-on-pairs", "minilm/fine-tuned-on-words", "a/b", ""];
  assert.deepEqual(shown(names), names);
});
