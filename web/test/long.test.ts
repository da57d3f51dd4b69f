import assert from "node:assert/strict";
import { test } from "node:test";
import { excerptsOf, rowFrom, strongestOf, telling } from "../src/answers/strongest.ts";
import { bytesOf, peaksOf, tileOf } from "../src/answers/tile.ts";
import type { Answer, Numbers } from "../src/answers/wire.ts";
import { FULL, floorOf, NOT_ALLOWED, shade, ticks } from "../src/cells/scale.ts";
import { at, viridis } from "../src/cells/tables.ts";
import { form } from "../src/client/tensorboard.ts";
import { cellUnder, labelled, layOut, number, pixelsOf } from "../src/draw/long_map.ts";
import { PALETTES } from "../src/draw/palette.ts";

function answer(
  rows: number,
  columns: number,
  weights: number[],
  attrs: Record<string, unknown> = {},
  more: Record<string, Numbers> = {},
): Answer {
  const variable = (data: Numbers, shape: number[]) => ({
    dims: [],
    shape,
    data,
    text: null,
    coord: false,
    attrs: {},
  });
  const others = Object.entries(more).map(([name, data]) => [name, variable(data, [data.length])]);
  return {
    attrs,
    variables: {
      weights: variable(Float32Array.from(weights), [rows, columns]),
      ...Object.fromEntries(others),
    },
  };
}

const attrs = { rows: [512, 520], columns: [1024, 1032], stride_rows: 4, stride_columns: 4 };

test("a tile says where it lies and what its cells join", () => {
  const allowed = Uint8Array.of(1, 0, 1, 1);
  const tile = tileOf(answer(2, 2, [0.5, 0, Number.NaN, 0.25], attrs, { allowed }));
  assert.deepEqual([tile.row, tile.column, tile.down, tile.across], [512, 1024, 4, 4]);
  assert.deepEqual([tile.tall, tile.wide, tile.most], [2, 2, 0.5]);
  assert.deepEqual([...tile.values], [0.5, NOT_ALLOWED, Number.NaN, 0.25]);
  assert.ok(!tile.allAllowed && tile.nan);
  assert.ok(bytesOf(tile) >= 2 * tile.values.byteLength);
});

test("cells finer than wanted are joined, whole blocks and what is left of them", () => {
  const allowed = Uint8Array.of(1, 0, 1, 1, 0, 0, 1, 1, 1);
  const weights = [0.5, 0, 0.25, 0.125, 0, 0, 0.1, 0.2, 0.3];
  const grain = { down: 8, across: 8, reduce: "max" as const };
  const tile = tileOf(answer(3, 3, weights, attrs, { allowed }), grain);
  assert.deepEqual([tile.down, tile.across, tile.tall, tile.wide], [8, 8, 2, 2]);
  assert.deepEqual(tile.values, Float32Array.of(0.5, 0.25, 0.2, 0.3));
  const mean = tileOf(answer(3, 3, weights, attrs, { allowed }), { ...grain, reduce: "mean" });
  assert.deepEqual(mean.values.slice(0, 2), Float32Array.of(0.3125, 0.25));
  const same = tileOf(answer(3, 3, weights, attrs, { allowed }), { ...grain, down: 2, across: 4 });
  assert.equal(same.tall, 3);
});

test("an answer without ranges is a tile of single weights from the first on", () => {
  const tile = tileOf(answer(1, 2, [0.5, 0.5]));
  assert.deepEqual([tile.row, tile.column, tile.down, tile.across], [0, 0, 1, 1]);
});

test("a cell that stands alone is a peak; those of a line or an even ground are none", () => {
  const side = 20;
  const values = new Float32Array(side * side).fill(0.001);
  for (let i = 0; i < side; i++) values[i * side + i] = 0.5;
  assert.deepEqual(peaksOf(values.slice(side, 19 * side), 18, side).length, 0);
  values[15 * side + 3] = 0.2;
  const peaks = peaksOf(values, side, side);
  assert.deepEqual(peaks[0], { row: 15, column: 3, value: values[15 * side + 3] });
  values[15 * side + 3] = Number.NaN;
  assert.ok(!peaksOf(values, side, side).some((peak) => peak.column === 3));
});

test("a tile's pixels leave cells not allowed open and give NaN a colour of its own", () => {
  const allowed = Uint8Array.of(1, 0, 1, 1);
  const tile = tileOf(answer(2, 2, [0.5, 0, Number.NaN, 0.125], attrs, { allowed }));
  const palette = PALETTES.light;
  const look = {
    scale: "linear" as const,
    range: { low: 0, high: 0.5 },
    floor: 1e-4,
    table: viridis,
    palette,
    ratio: 1,
  };
  const marks = palette.marks(1);
  assert.deepEqual(
    [...pixelsOf(tile, look, marks)],
    [at(viridis, 1), 0, marks.nanLine, at(viridis, 0.25)],
  );
});

test("the cell under a place is the one drawn there", () => {
  const whole = { row: 0, column: 0, rows: 4000, columns: 4000 };
  const view = { row: 100.5, column: 2000, rows: 50, columns: 50 };
  const plot = layOut(view, whole, 900, 700);
  const { box, across, down } = plot;
  assert.equal(box.width, box.height);
  assert.ok(box.x + box.width <= 900 && box.y + box.height <= 700);
  assert.deepEqual(cellUnder(plot, box.x + 0.1, box.y + 0.1), { query: 100, key: 2000 });
  assert.deepEqual(cellUnder(plot, box.x + 10.5 * across, box.y + 20 * down), {
    query: 120,
    key: 2010,
  });
  assert.equal(cellUnder(plot, box.x - 1, box.y + 5), null);
  const wide = layOut(view, { ...whole, rows: 1, columns: 131_072 }, 900, 700);
  assert.ok(wide.box.height > 50, "a single row can be pointed at");
});

test("labels never touch, at any zoom, and lie on round positions", () => {
  for (const length of [8, 40, 300, 5000, 131_072]) {
    const unit = 700 / length;
    const positions = labelled(17.3, length, unit, 131_072);
    assert.ok(positions.length > 0 && positions.length <= 60);
    for (const [at, position] of positions.entries()) {
      assert.ok(position >= 17 && position < 131_072);
      if (at) assert.ok((position - (positions[at - 1] as number)) * unit >= 15);
    }
  }
  assert.equal(number(131_072), "131,072");
});

test("the logarithm reaches down to even attention over all keys", () => {
  assert.equal(floorOf(100), 1e-4);
  assert.ok(floorOf(131_072) < 1 / 131_072);
  assert.ok(shade(1 / 131_072, "log", FULL, floorOf(131_072)) > 0);
  assert.equal(ticks("log", FULL, 1e-6)[0]?.text, "≤ 1e-6");
  assert.equal(ticks("log", FULL, 1e-6).length, 5);
});

test("the strongest weights make a row, and their share is the answer's", () => {
  const strong = strongestOf(
    answer(
      1,
      1,
      [1],
      { strong_share: 0.83, strong_of: "ranges" },
      {
        strong_query: Int32Array.of(7, 7),
        strong_key: Int32Array.of(5, 0),
        strong_weight: Float32Array.of(0.5, 0.25),
      },
    ),
  );
  assert.deepEqual([strong.count, strong.share, strong.recorded], [2, 0.83, false]);
  assert.deepEqual([...rowFrom(strong, 7, 6)], [0.25, 0, 0, 0, 0, 0.5]);
  assert.deepEqual([...rowFrom(strong, 6, 2)], [0, 0]);
});

test("a tail of hardly any weight tells nothing", () => {
  assert.equal(telling([0.9, 0.09, 0.005, 0.004, 0.001]), 2);
  assert.equal(telling([0.25, 0.25, 0.25, 0.25]), 4);
  assert.equal(telling([]), 0);
});

test("excerpts hold the strongest keys first, in the order they are read, joined where they touch", () => {
  assert.deepEqual(excerptsOf([5000, 12, 14], 100_000, 2, 100), [
    [10, 17],
    [4998, 5003],
  ]);
  assert.deepEqual(excerptsOf([5000, 12], 100_000, 2, 5), [[4998, 5003]]);
  assert.deepEqual(excerptsOf([99_999, 0], 100_000, 2, 100), [
    [0, 3],
    [99_997, 100_000],
  ]);
  assert.deepEqual(excerptsOf([3], 40, 2, 100), [[0, 40]]);
});

test("ranges travel as from:to", () => {
  const text = form({ what: "map", run: "a", rows: [512, 1024], columns: [0, 8], cells: 512 });
  assert.equal(text, "what=map&run=a&rows=512%3A1024&columns=0%3A8&cells=512");
});
