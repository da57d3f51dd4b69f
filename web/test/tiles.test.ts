import assert from "node:assert/strict";
import { test } from "node:test";
import {
  atLeast,
  inside,
  levelsOf,
  rangesOf,
  revealing,
  SIDE,
  strideOf,
  tilesOf,
  touch,
  viewOf,
  written,
  zoomedAround,
} from "../src/cells/tiles.ts";

const T = 131_072;
const whole = { row: 0, column: 0, rows: T, columns: T };
const screen = { width: 800, height: 700 };

test("a cell has between one pixel and two, and strides are powers of two", () => {
  for (const span of [8, 100, 699, 700, 701, 5000, T]) {
    const stride = strideOf({ row: 0, column: 0, rows: span, columns: span }, screen);
    assert.ok((stride.down * screen.height) / span >= 1);
    assert.ok(stride.down === 1 || (stride.down * screen.height) / span < 2);
    assert.equal(Math.log2(stride.down) % 1, 0);
  }
  assert.equal(atLeast(1), 1);
  assert.equal(atLeast(257), 512);
});

test("the tiles of a view cover it, lie edge to edge, and are few", () => {
  const view = { row: 70_000.5, column: 123_456.25, rows: 3000, columns: 3428 };
  const stride = strideOf(view, screen);
  const tiles = tilesOf(view, whole, stride);
  assert.ok(tiles.length <= 9);
  for (const tile of tiles) {
    assert.equal(tile.row % (SIDE * stride.down), 0);
    assert.equal(tile.column % (SIDE * stride.across), 0);
    assert.ok(touch(tile, view));
    assert.equal(rangesOf(tile, whole).cells, SIDE);
  }
  for (let part = 0; part < 100; part++) {
    const row = view.row + (view.rows * (part % 10)) / 10;
    const column = view.column + (view.columns * Math.floor(part / 10)) / 10;
    const cell = { row, column, rows: 1e-6, columns: 1e-6 };
    assert.equal(tiles.filter((tile) => touch(tile, cell)).length, 1);
  }
});

test("tiles end with the map, whatever its length", () => {
  const odd = { row: 0, column: 0, rows: 5000, columns: 3001 };
  const tiles = tilesOf(odd, odd, { down: 4, across: 2 });
  assert.equal(
    tiles.reduce((sum, tile) => sum + tile.rows * tile.columns, 0),
    5000 * 3001,
  );
  assert.deepEqual(Math.max(...tiles.map((tile) => tile.row + tile.rows)), 5000);
});

test("a tile at the map's end is asked for with as many cells as the others", () => {
  const odd = { row: 0, column: 0, rows: 100_000, columns: 3001 };
  const stride = { down: 128, across: 8 };
  const ends = tilesOf({ ...odd, row: 99_999, rows: 1 }, odd, stride);
  assert.deepEqual(ends[0]?.row, 65_536);
  const asked = rangesOf(ends[0] as (typeof ends)[0], odd);
  assert.deepEqual(asked, { rows: [34_560, 100_000], columns: [0, 3001], cells: 512 });
  const down = atLeast((asked.rows[1] - asked.rows[0]) / asked.cells);
  assert.equal(down, stride.down, "which is what the source makes of it");
  const first = tilesOf({ ...odd, rows: 1 }, odd, stride)[0];
  assert.deepEqual(first && rangesOf(first, odd).rows, [0, 65_536]);
});

test("the tiles in the middle come first", () => {
  const view = { row: 0, column: 0, rows: 2048, columns: 2048 };
  const tiles = tilesOf(view, whole, { down: 1, across: 1 });
  assert.equal(tiles.length, 16);
  const first = tiles.slice(0, 4).map((tile) => [tile.row, tile.column].map((at) => at / SIDE));
  assert.deepEqual(first.sort(), [
    [1, 1],
    [1, 2],
    [2, 1],
    [2, 2],
  ]);
});

test("the whole is always one tile, and every level between it and the view is offered", () => {
  const view = { row: 1000, column: 1000, rows: 350, columns: 400 };
  const levels = levelsOf(view, whole, screen);
  assert.equal(levels.root.length, 1);
  assert.deepEqual(levels.stride, { down: 1, across: 1 });
  assert.deepEqual(
    levels.all.map((level) => level[0]?.down),
    [256, 128, 64, 32, 16, 8, 4, 2, 1],
  );
  const small = levelsOf(whole, whole, { width: 300, height: 300 });
  assert.deepEqual(small.stride, { down: 512, across: 512 }, "no cell is less than a pixel");
});

test("where a source has only coarser strides, those are asked for", () => {
  const coarse = (stride: { down: number }) =>
    stride.down === 32 ? { down: 256, across: 256 } : undefined;
  const view = { row: 0, column: 0, rows: 20_000, columns: 20_000 };
  assert.equal(levelsOf(view, whole, screen).stride.down, 32);
  const levels = levelsOf(view, whole, screen, coarse);
  assert.deepEqual(levels.stride, { down: 256, across: 256 });
  assert.deepEqual(levels.target, levels.root);
});

test("a map of one query is as long as it is, and one row high", () => {
  const row = { row: 0, column: 0, rows: 1, columns: T };
  const levels = levelsOf(row, row, { width: 800, height: 26 });
  assert.deepEqual(levels.stride, { down: 1, across: 256 });
  assert.deepEqual(levels.target.length, 1);
});

test("the place zoomed around keeps still, and no view leaves the map", () => {
  let view: typeof whole = whole;
  const at = { row: 100_000, column: 30_000 };
  const share = (at.row - view.row) / view.rows;
  for (let times = 0; times < 20; times++) {
    view = zoomedAround(view, whole, at.row, at.column, 0.7);
    assert.ok(Math.abs((at.row - view.row) / view.rows - share) < 1e-9);
  }
  assert.ok(view.rows >= 8);
  for (let times = 0; times < 40; times++) view = zoomedAround(view, whole, at.row, at.column, 1.4);
  assert.deepEqual(view, whole);
  const out = inside({ row: -50, column: T, rows: 100, columns: 100 }, whole);
  assert.deepEqual([out.row, out.column], [0, T - 100]);
});

test("a cell out of sight is brought into the middle, one in sight moves nothing", () => {
  const view = { row: 0, column: 0, rows: 100, columns: 100 };
  assert.equal(revealing(view, whole, 99, 5), view);
  assert.deepEqual(revealing(view, whole, 1000, 5), { ...view, row: 950.5 });
});

test("a view survives the address, and garbage shows the whole", () => {
  const view = { row: 512, column: 0, rows: 64, columns: 80 };
  const { rows, columns } = written(view, whole);
  assert.deepEqual(viewOf(rows, columns, whole), view);
  assert.deepEqual(written(whole, whole), { rows: null, columns: null });
  assert.deepEqual(viewOf("9:3", "999999999:1000000000", whole), whole);
  const short = { row: 0, column: 0, rows: 2000, columns: 2000 };
  assert.deepEqual(viewOf("1900:5000", null, short), {
    row: 1900,
    column: 0,
    rows: 100,
    columns: 2000,
  });
});
