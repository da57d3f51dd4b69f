/** What studies say of heads: which is looked at first, what may be said of 0, what is left out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  byHarm,
  firstHead,
  forestRows,
  type HeadStudy,
  headRows,
  headStudy,
  isSigned,
  survives,
} from "../src/answers/head_numbers.ts";
import { csv, tableOf } from "../src/answers/table.ts";
import type { Answer, Variable } from "../src/answers/wire.ts";
import type { StudyFact } from "../src/types.ts";

const FACT: StudyFact = {
  name: "ablation",
  key: "k",
  settings: {},
  n: 8,
  of: "examples",
  state: "finished",
  done: 2,
  tasks: 2,
  tier: "intervened",
  sentence: "",
  created: 0,
};

function variable(dims: readonly string[], shape: readonly number[], data: number[]): Variable {
  return { dims, shape, data: Float64Array.from(data), text: null, coord: false, attrs: {} };
}

const names = (text: readonly string[]): Variable => ({
  dims: ["site"],
  shape: [text.length],
  data: new Uint8Array(0),
  text,
  coord: true,
  attrs: {},
});

function study(
  effect: number[],
  p: number[],
  attrs: Record<string, unknown> = {},
  fact: Partial<StudyFact> = {},
): HeadStudy {
  const grid = (data: number[]) => variable(["site", "head"], [2, 2], data);
  const answer: Answer = {
    attrs: { metric: "loss", better: "lower", n: 8, ...attrs },
    variables: {
      site: names(["a", "b"]),
      head: variable(["head"], [2], [0, 1]),
      effect: grid(effect),
      p_adjusted: grid(p),
    },
  };
  return headStudy(answer, { ...FACT, ...fact });
}

const RECORDED = [
  { name: "a", heads: 2 },
  { name: "b", heads: 2 },
];

test("first looked at is the greatest harm that survives, not the greatest of all", () => {
  const known = study([0.5, 0.2, -0.9, 0.1], [0.3, 0.01, 0.02, 1]);
  const rows = headRows(RECORDED, known, null);
  assert.deepEqual(rows.filter(survives).length, 2);
  const first = firstHead(rows, known);
  assert.deepEqual([first?.site, first?.head], ["a", 1]);
  const none = study([0.5, 0.2, -0.9, 0.1], [0.3, 0.2, 0.2, 1]);
  assert.equal(firstHead(headRows(RECORDED, none, null), none)?.effect, 0.5);
});

test("where higher is better, a fall is what harms", () => {
  const known = study([0.5, 0.2, -0.9, 0.1], [1, 1, 1, 1], { better: "higher" });
  const [first] = byHarm(headRows(RECORDED, known, null), known);
  assert.equal(first?.effect, -0.9);
});

test("of what cannot be negative nothing is said of 0", () => {
  assert.equal(isSigned(study([1, 1, 1, 1], [1, 1, 1, 1], { metric: "change" })), false);
  assert.equal(isSigned(study([1, 1, 1, 1], [1, 1, 1, 1])), true);
  assert.equal(isSigned(null), false);
});

test("a head waits only while a study runs; a run without a recording has the study's heads", () => {
  const effect = [0.5, Number.NaN, 0.1, Number.NaN];
  const p = [1, Number.NaN, 1, Number.NaN];
  const running = study(effect, p, {}, { state: "running" });
  const pending = headRows([], running, null).map((row) => row.pending);
  assert.deepEqual(pending, [false, true, false, true]);
  // A finished study of unequal sites is padded: there is no such head.
  const finished = headRows([], study(effect, p), null);
  assert.deepEqual(
    finished.map(({ site, head }) => `${site}${head}`),
    ["a0", "b0"],
  );
  assert.ok(finished.every((row) => !row.pending));
});

test("while a study runs nothing survives: a test looked at before its end finds too much", () => {
  const p = [0.001, 0.001, 0.001, 0.001];
  const running = study([0.5, 0.2, -0.9, 0.1], p, {}, { state: "running" });
  assert.equal(headRows(RECORDED, running, null).filter(survives).length, 0);
  assert.equal(firstHead(headRows(RECORDED, running, null), running)?.effect, 0.5);
});

test("rows in the middle are counted, not shown; few are all shown", () => {
  const known = study([0.4, 0.3, 0.2, 0.1], [1, 1, 1, 1]);
  const ordered = byHarm(headRows(RECORDED, known, null), known);
  const shown = forestRows(ordered, 1, 1);
  assert.deepEqual(
    shown.rows.map(({ effect }) => effect),
    [0.4, 0.1],
  );
  assert.deepEqual([shown.gap, shown.left], [1, 2]);
  assert.deepEqual(forestRows(ordered, 3, 1).left, 0);
});

test("groups of heads that share their keys are no heads", () => {
  const known = study([0.5, 0.2, -0.9, 0.1], [1, 1, 1, 1]);
  const { head, ...variables } = known.answer.variables;
  const answer = { ...known.answer, variables: { ...variables, key_group: head as Variable } };
  const groups = headStudy(answer, FACT);
  assert.deepEqual([known.by, groups.by, groups.most], ["head", "key_group", 2]);
  assert.equal(headRows([], groups, null).length, 4);
});

test("numbers leave with their labels, and text with its commas", () => {
  const answer: Answer = {
    attrs: {},
    variables: {
      site: names(['a,"b"', "层"]),
      effect: variable(["site", "head"], [2, 2], [1, 0.1, Number.NaN, -1 / 0]),
      other: variable(["head"], [2], [1, 2]),
    },
  };
  const text = csv(tableOf(answer, ["effect", "other", "nothing"]));
  assert.equal(
    text,
    'site,head,effect\r\n"a,""b""",0,1\r\n"a,""b""",1,0.1\r\n层,0,\r\n层,1,-inf\r\n',
  );
});
