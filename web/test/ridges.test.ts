/** Ridges: what heights mean, where they stand, and what is under the pointer. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ridgesOf } from "../src/answers/ridges.ts";
import { decode } from "../src/answers/wire.ts";
import { bulk, type Domain, share, spaced, stretched, ticks, valueAt } from "../src/cells/axis.ts";
import {
  across,
  apart,
  baseline,
  beyond,
  binAt,
  edge,
  extent,
  hit,
  labelled,
  layOut,
  lift,
  type Ridges,
  readable,
  ridge,
  robust,
} from "../src/cells/ridges.ts";

/** A ridge in bins that are all as wide. */
function even(step: number, counts: ArrayLike<number>, low: number, high: number) {
  const bins = counts.length;
  const edges = Array.from({ length: bins + 1 }, (_, at) =>
    at === bins ? high : low + (at * (high - low)) / bins,
  );
  return ridge(step, counts, edges);
}

const golden = new URL("../../tests/golden/", import.meta.url);
const bytes = readFileSync(new URL("histograms.safetensors", golden));
const answer = decode(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const expected = JSON.parse(readFileSync(new URL("expected.json", golden), "utf8")).histograms
  .variables;

/** Hills with a single full bin each, one further to the right at every step. */
const walking: Ridges = {
  parameter: "walking",
  rows: [0, 1, 2].map((row) => {
    const counts = new Int32Array(4);
    counts[row] = 10;
    return even(row * 100, counts, -2, 2);
  }),
};

test("every tensor of an answer has a ridge for every step, with Python's counts between Python's edges", () => {
  const all = ridgesOf(answer);
  const [steps, parameters, bins] = expected.count.shape;
  assert.deepEqual(
    all.map((ridges) => ridges.parameter),
    expected.parameter.values,
  );
  assert.equal(all.length, parameters);
  for (const [column, ridges] of all.entries()) {
    assert.equal(ridges.rows.length, steps);
    for (const [row, each] of ridges.rows.entries()) {
      const at = row * parameters + column;
      assert.equal(each.step, expected.step.values[row]);
      const edges = expected.edge.values.slice(at * (bins + 1), (at + 1) * (bins + 1));
      assert.deepEqual(Array.from(each.edges), edges);
      assert.deepEqual(
        Array.from(each.counts),
        expected.count.values.slice(at * bins, (at + 1) * bins),
      );
    }
  }
});

test("bins that all tensors share are kept where values are; empty ones left out are put back", () => {
  const data = (values: number[], shape: number[]) => ({
    dims: [],
    shape,
    data: Float64Array.from(values),
    text: null,
    coord: false,
    attrs: {},
  });
  const shared = {
    attrs: {},
    variables: {
      step: data([7], [1]),
      parameter: { ...data([], [2]), text: ["a", "b"] },
      count: data([5, 0, 2, 0, 0, 9, 0, 0], [1, 2, 4]),
      left: data([-4, -2, 1, 2], [4]),
      right: data([-2, -1, 2, 4], [4]),
      min: data([-3, -1.5], [1, 2]),
      max: data([1.25, -1.2], [1, 2]),
    },
  };
  const [a, b] = ridgesOf(shared);
  assert.deepEqual(Array.from(a?.rows[0]?.edges ?? []), [-3, -2, -1, 1, 1.25]);
  assert.deepEqual(Array.from(a?.rows[0]?.counts ?? []), [5, 0, 0, 2]);
  assert.deepEqual(Array.from(b?.rows[0]?.edges ?? []), [-1.5, -1.2]);
  assert.equal(b?.rows[0]?.total, 9);
});

test("the area under every ridge is one, whatever the width of its bins", () => {
  const rows = ridgesOf(answer).flatMap((ridges) => ridges.rows);
  assert.ok(rows.length > 0);
  for (const row of [...rows, even(0, [3, 0, 5], -1e-6, 2e-6), even(0, [3, 0, 5], -1e6, 2e6)]) {
    const wide = (bin: number) => (row.edges[bin + 1] as number) - (row.edges[bin] as number);
    const area = row.density.reduce((sum, density, bin) => sum + density * wide(bin), 0);
    assert.ok(Math.abs(area - 1) < 1e-12, `${area}`);
  }
});

test("the same values in bins half as wide stand as tall", () => {
  const wide = even(0, [8, 8], 0, 2);
  const narrow = even(0, [4, 4, 4, 4], 0, 2);
  assert.equal(wide.peak, 0.5);
  assert.equal(narrow.peak, 0.5);
});

test("few values are drawn in fewer bins, which join whole ones", () => {
  const counts = Array.from({ length: 64 }, (_, at) => (at % 3 === 0 ? 5 : 3));
  const domain = { low: -1, high: 1 };
  const fine = even(7, counts, -1, 1);
  const [row] = readable({ parameter: "few", rows: [fine] }, domain).rows;
  assert.ok(row);
  assert.ok(row.counts.length <= 3 * Math.cbrt(236));
  assert.equal(row.total, 236);
  assert.deepEqual([row.step, row.low, row.high], [7, -1, 1]);
  const known = new Set(Array.from(fine.edges));
  assert.ok(Array.from(row.edges).every((edge) => known.has(edge)));
  const many = even(7, new Int32Array(64).fill(1000), -1, 1);
  const [whole] = readable({ parameter: "many", rows: [many] }, domain).rows;
  assert.equal(whole?.counts.length, 64);
});

test("a constant is a narrow spike where it is, however narrow its bin", () => {
  const rows = [ridge(0, [16], [0.25, 0.25])];
  const domain = { low: -1, high: 1 };
  const [spike] = readable({ parameter: "bias", rows }, domain).rows;
  assert.ok(spike && Number.isFinite(spike.peak) && spike.peak > 10);
  const layout = layOut({ parameter: "bias", rows: [spike] }, domain, 300, 200);
  assert.equal(lift(layout, spike.peak), layout.rise);
});

test("on a logarithmic axis areas are those of the axis, and zeros beyond it flatten nothing", () => {
  const domain = stretched({ low: 1e-5, high: 1 }, "log");
  const edges = [0, 1e-9, ...Array.from({ length: 6 }, (_, at) => 10 ** (at - 5))];
  const counts = [1000, 0, 10, 10, 10, 10, 10];
  const [row] = readable({ parameter: "relu", rows: [ridge(0, counts, edges)] }, domain).rows;
  assert.ok(row);
  const inside = Array.from(row.density).filter((_, bin) => (row.edges[bin] as number) >= 1e-5);
  assert.ok(Math.max(...inside) === row.peak, "what is beyond the axis is no peak");
  assert.ok(Math.max(...inside) / Math.min(...inside) < 1.0001, "a decade is as wide as the next");
});

test("every stretch leads from a value to its place and back", () => {
  const domains: Domain[] = [
    stretched({ low: -3, high: 5 }, "linear"),
    stretched({ low: -3, high: 5 }, "symlog"),
    stretched({ low: 1e-4, high: 5 }, "log"),
  ];
  for (const domain of domains) {
    assert.equal(share(domain, domain.low), 0);
    assert.equal(share(domain, domain.high), 1);
    for (const value of [0.002, 0.3, 4]) {
      const back = valueAt(domain, share(domain, value));
      assert.ok(Math.abs(back - value) < 1e-9 * 5, `${domain.stretch} ${value} ${back}`);
    }
    const marks = ticks(domain, 5);
    assert.ok(marks.length >= 2);
    const places = marks.map(({ at }) => share(domain, at));
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
    );
  }
  assert.equal(share(domains[2] as Domain, -1), Number.NEGATIVE_INFINITY);
  assert.ok((stretched({ low: -3, high: 5 }, "log").low ?? 0) > 0);
});

test("a ridge without finite values has no height and no numbers", () => {
  const flat = even(0, new Int32Array(64), 0, 1);
  assert.equal(flat.peak, 0);
  assert.ok(flat.density.every((density) => density === 0));
  assert.equal(extent([{ parameter: "broken", rows: [flat] }]), null);
  assert.equal(binAt({ parameter: "broken", rows: [flat] }, 0, 3), null);
});

test("the axis reaches over bins that hold something, not over empty ones", () => {
  assert.deepEqual(extent([walking]), { low: -2, high: 1 });
  const constant = { parameter: "constant", rows: [even(0, [0, 0, 7, 0], -0.5, 0.5)] };
  assert.deepEqual(extent([constant]), { low: 0, high: 0.25 });
  assert.deepEqual(extent([walking, constant]), { low: -2, high: 1 });
});

test("the oldest ridge stands at the back and the newest at the front, none outside the picture", () => {
  const layout = layOut(walking, { low: -2, high: 1 }, 300, 200);
  const stands = walking.rows.map((_, row) => baseline(layout, row, walking.rows.length));
  assert.deepEqual(
    stands,
    [...stands].sort((a, b) => a - b),
  );
  assert.equal(stands[0], layout.back);
  assert.equal(stands.at(-1), layout.front);
  assert.ok(layout.back - lift(layout, layout.peak) >= 0);
  assert.equal(across(layout, -2), layout.left);
  assert.equal(across(layout, 1), layout.right);
});

test("one spike among hills is cut and says how tall it is; hills alike are not", () => {
  const hill = (step: number) => even(step, [1, 2, 1], 0, 3);
  const hills: Ridges = { parameter: "hills", rows: [hill(0), hill(1), hill(2)] };
  const whole = layOut(hills, { low: 0, high: 3 }, 300, 200);
  assert.equal(whole.cut, null);
  assert.equal(lift(whole, whole.peak), whole.rise);
  const spiked: Ridges = { ...hills, rows: [even(0, [5], 0, 0.001), ...hills.rows.slice(1)] };
  const layout = layOut(spiked, { low: 0, high: 3 }, 300, 200);
  assert.equal(layout.cut, 1000);
  assert.equal(lift(layout, 1000), layout.rise);
  assert.ok(lift(layout, 0.5) > layout.rise / 4);
});

test("the pointer finds the bin it is in, with its edges, count and share", () => {
  const layout = layOut(walking, { low: -2, high: 1 }, 300, 200);
  for (const row of [0, 1, 2]) {
    const x = across(layout, -2 + row + 0.5);
    const y = baseline(layout, row, 3) - layout.rise / 2;
    const bin = hit(walking, layout, x, y);
    assert.deepEqual(bin, {
      row,
      bin: row,
      step: row * 100,
      low: -2 + row,
      high: -1 + row,
      count: 10,
      share: 1,
      last: false,
    });
  }
});

test("where hills overlap, the foremost is found; beside all of them, none", () => {
  const same: Ridges = { parameter: "same", rows: [even(0, [5], 0, 1), even(9, [5], 0, 1)] };
  const layout = layOut(same, { low: 0, high: 1 }, 300, 200);
  assert.equal(hit(same, layout, across(layout, 0.5), layout.front - layout.rise + 1)?.step, 9);
  assert.equal(hit(same, layout, across(layout, 0.5), layout.back - layout.rise + 1)?.step, 0);
  const crowd: Ridges = {
    parameter: "crowd",
    rows: [0, 1, 2, 3, 4].map((step) => even(step, [5], 0, 1)),
  };
  const among = layOut(crowd, { low: 0, high: 1 }, 300, 200);
  const covered = baseline(among, 3, 5) - 1; // where the fourth stands, and the last one rises
  assert.ok(covered > among.front - among.rise);
  assert.equal(hit(crowd, among, across(among, 0.5), covered)?.step, 4);
  assert.equal(hit(same, layout, layout.left - 5, layout.front), null);
  assert.equal(hit(same, layout, across(layout, 0.5), layout.front + 30), null);
});

test("the last bin ends where the histogram does and holds that edge", () => {
  const thirds: Ridges = { parameter: "thirds", rows: [even(0, [1, 1, 1], 0.1, 0.3)] };
  assert.notEqual(0.1 + 3 * ((0.3 - 0.1) / 3), 0.3); // rounding, which the edge must not show
  assert.equal(binAt(thirds, 0, 2)?.high, 0.3);
  assert.equal(binAt(thirds, 0, 2)?.last, true);
  assert.equal(binAt(thirds, 0, 1)?.last, false);
  assert.equal(binAt(thirds, 0, 3), null);
});

test("the axis has at least two numbers, apart and in order, however narrow its range", () => {
  for (const domain of [
    { low: -1, high: 1 },
    { low: -1e-5, high: 2e-5 },
    { low: 99.99, high: 100.01 },
    { low: -3e6, high: 8e6 },
  ]) {
    const labels = ticks(domain, 4);
    assert.ok(labels.length >= 2);
    assert.equal(new Set(labels.map((tick) => tick.text)).size, labels.length);
    assert.ok(labels.every((tick) => tick.at >= domain.low && tick.at <= domain.high));
  }
});

test("first, last and chosen steps are written, and no two on top of each other", () => {
  const many: Ridges = {
    parameter: "many",
    rows: Array.from({ length: 60 }, (_, row) => even(row, [1], 0, 1)),
  };
  const layout = layOut(many, { low: 0, high: 1 }, 300, 268);
  const rows = labelled(layout, 60, [31]);
  assert.ok(rows.includes(0) && rows.includes(59) && rows.includes(31));
  for (const [at, row] of rows.entries()) {
    const before = rows[at - 1];
    if (before === undefined) continue;
    assert.ok(baseline(layout, row, 60) - baseline(layout, before, 60) >= 14);
  }
  assert.deepEqual(labelled(layout, 1, [0]), [0]);
});

test("edges are written as finely as the bins are wide", () => {
  assert.equal(edge(0.123456, 0.01), "0.123");
  assert.equal(edge(-0.5, 0.25), "−0.50");
  assert.equal(edge(-0.00001, 0.25), "0.00");
  assert.equal(edge(12345.678, 100), "12346");
  assert.notEqual(edge(1.0e-8, 1e-9), edge(1.1e-8, 1e-9));
});

/** Histograms of one parameter, each a hill between -spread and spread. */
function hills(parameter: string, spreads: readonly number[]): Ridges {
  const rows = spreads.map((spread, at) => {
    const counts = Int32Array.from({ length: 64 }, (_, bin) => 1 + 20 * Math.min(bin, 63 - bin));
    return even(at, counts, -spread, spread);
  });
  return { parameter, rows };
}

test("a wide layer, or one that explodes, makes needles of no other", () => {
  const narrow = [hills("a", [0.1, 0.12]), hills("b", [0.05, 0.07]), hills("c", [0.2, 0.2])];
  const cases: readonly Ridges[][] = [
    [...narrow, hills("wide", [8, 8])],
    [...narrow, hills("exploding", [0.1, 1e4])],
    [hills("own", [0.1, 0.1, 0.1, 0.1, 3e6, 3e6, 3e6, 3e6, 3e6, 3e6])],
    [hills("a", [0.1]), hills("b", [40])],
  ];
  for (const all of cases) {
    const domain = robust(all);
    assert.ok(domain);
    assert.ok(domain.high - domain.low <= 2.1, `${domain.low} ${domain.high}`);
    const last = all.at(-1) as Ridges;
    const out = beyond(last, domain);
    assert.ok(out.share > 0.3);
    assert.equal(out.high, Math.max(...last.rows.map(({ high }) => high)));
    assert.equal(out.low, -(out.high ?? 0));
  }
  const alike = robust(narrow);
  assert.ok(alike && alike.low <= -0.19 && alike.high >= 0.19, "widths that compare are all shown");
  assert.deepEqual(beyond(narrow[0] as Ridges, { low: -1, high: 1 }).rows, { low: [], high: [] });
});

test("one value far away from all others does not stretch the axis", () => {
  const counts = new Int32Array(64).fill(100);
  counts.fill(0, 8, 63);
  counts[63] = 1;
  const domain = robust([{ parameter: "tail", rows: [even(0, counts, 0, 64)] }]);
  assert.ok(domain && domain.high <= 9);
  const constant = { parameter: "c", rows: [ridge(0, Int32Array.of(4), [0.5, 0.5])] };
  assert.deepEqual(robust([constant]), { low: 0, high: 1 });
});

test("numbers along an axis never touch", () => {
  const wide = (text: string) => 7 * text.length;
  for (const [low, high] of [
    [-3e6, 3e6],
    [-0.0000123, 0.0000456],
    [999_990, 1_000_010],
    [-1, 1],
  ] as const) {
    const layout = layOut(walking, { low, high }, 265, 268);
    const marks = apart(layout, wide);
    assert.ok(marks.length >= 1);
    for (const [at, mark] of marks.entries()) {
      const next = marks[at + 1];
      if (!next) continue;
      const gap = across(layout, next.at) - across(layout, mark.at);
      assert.ok(gap > (wide(mark.text) + wide(next.text)) / 2);
    }
  }
});

test("a tail far out makes no axis wide; what is usual is shown as it is", () => {
  assert.deepEqual(bulk({ q001: -3.1, q05: -1.6, q95: 1.6, q999: 3.1 }), { low: -3.1, high: 3.1 });
  const far = bulk({ q001: -3.1, q05: -1.6, q95: 1.6, q999: 9317 });
  assert.equal(far.low, -3.1);
  assert.ok(Math.abs(far.high - 11.2) < 1e-9);
  // Mostly zeros: what is not may be what matters.
  assert.deepEqual(bulk({ q001: -2, q05: 0, q95: 0, q999: 5 }), { low: -2, high: 5 });
});

test("numbers along an axis never run into each other, and one at least is there", () => {
  for (const wide of [40, 90, 126, 200, 400]) {
    const domain = { low: -300, high: 10_300 };
    const marks = spaced(domain, wide);
    assert.ok(marks.length >= 1 && marks.length <= 7);
    for (const [at, mark] of marks.entries()) {
      const next = marks[at + 1];
      if (!next) continue;
      const apart = (share(domain, next.at) - share(domain, mark.at)) * wide;
      assert.ok(apart > 6 * ((mark.text.length + next.text.length) / 2), `${wide}`);
    }
  }
  assert.ok(spaced({ low: -0.5, high: 0.5 }, 400).length >= 5);
});
