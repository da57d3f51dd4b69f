import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULTS, read, type Selection, write } from "../src/state/selection.ts";

const full: Selection = {
  page: "parameters",
  run: "a/b&c=d#e 日本語 <b>",
  step: 0,
  follow: false,
  example: 3,
  site: "encoder/2=x&y",
  head: 5,
  query: 0,
  key: 7,
  rows: "0:2048",
  columns: "131000:131072",
  parameters: ["dense/kernel", "层/&=,"],
  kind: "gradient",
  axis: "own",
  stretch: "symlog",
  extent: "whole",
  beside: "nothing",
  tensors: "folded",
  match: "block_*/w 层",
  sort: "std:down",
  statistics: ["std", "mean"],
  curve: "kurtosis",
  overlay: ["a/b", "c&d"],
  group: "seed-*",
  scale: "log",
  range: "0.01:0.3",
  reduce: "mean",
  colour: "entropy",
  fill: "first_order",
  study: "0f3a",
  lens: "image",
  theme: "dark",
  language: "zh",
};

test("a selection survives the address and back", () => {
  assert.deepEqual(read(write(full, "#limelight")), full);
  assert.deepEqual(read(write(DEFAULTS, "")), DEFAULTS);
});

test("what is TensorBoard's in the address stays there", () => {
  const hash = write(full, "#limelight&tagFilter=a%26b&p.limelight.run=old&p.other.x=1");
  assert.match(hash, /^#limelight&tagFilter=a%26b&p\.other\.x=1&p\.limelight\./);
  assert.equal(read(hash).run, full.run);
});

test("a value never holds the '=' that TensorBoard drops", () => {
  for (const part of write(full, "#limelight").split("&").slice(1)) {
    assert.equal(part.split("=").length, 2, part);
  }
});

test("a link of before, which called the page of parameters weights, still opens", () => {
  assert.equal(read("#limelight&p.limelight.page=weights").page, "parameters");
});

test("what is garbled keeps its default", () => {
  const hash =
    "#limelight&p.limelight.step=-1&p.limelight.scale=loud&p.limelight.run=%E0%A4%A&p.limelight.head=1e9&p.limelight.nonsense=1&p.limelight.lens&p.limelight.rows=1-2";
  assert.deepEqual(read(hash), DEFAULTS);
});
