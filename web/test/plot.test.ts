import assert from "node:assert/strict";
import { test } from "node:test";
import { cellAt, every, fit, within, zoomed } from "../src/cells/plot.ts";

const whole = { row: 0, column: 0, rows: 18, columns: 18 };

test("the pointer finds the cell that is drawn under it, in every corner of it", () => {
  const plot = fit(whole, 600, 500, 60, 80);
  for (const [row, column] of [
    [0, 0],
    [17, 17],
    [3, 11],
  ] as const) {
    for (const inside of [0.01, 0.5, 0.99]) {
      const x = plot.box.x + (column + inside) * plot.cellWidth;
      const y = plot.box.y + (row + inside) * plot.cellHeight;
      assert.deepEqual(cellAt(plot, x, y), { query: row, key: column });
    }
  }
  assert.equal(cellAt(plot, plot.box.x - 1, plot.box.y + 5), null);
  assert.equal(cellAt(plot, plot.box.x + plot.box.width + 1, plot.box.y + 5), null);
});

test("cells keep the indices of the array when padding is left out", () => {
  const plot = fit({ row: 4, column: 6, rows: 3, columns: 5 }, 400, 400, 0, 0);
  assert.deepEqual(cellAt(plot, 1, 1), { query: 4, key: 6 });
});

test("a map of many keys fits its room", () => {
  const plot = fit({ row: 0, column: 0, rows: 784, columns: 784 }, 600, 500, 50, 60);
  assert.ok(plot.width <= 600 && plot.height <= 500);
  assert.deepEqual(cellAt(plot, plot.width - 0.1, plot.height - 0.1), { query: 783, key: 783 });
});

test("zooming keeps the cell under the pointer and never leaves the map", () => {
  const near = zoomed(whole, whole, 9, 9, 0.5);
  assert.deepEqual(near, { row: 4, column: 4, rows: 9, columns: 9 });
  assert.deepEqual(zoomed(near, whole, 9, 9, 4), whole);
  assert.deepEqual(within({ ...near, row: -7, column: 40 }, whole), { ...near, row: 0, column: 9 });
});

test("labels are thinned to round numbers", () => {
  assert.equal(every(20, 14), 1);
  assert.equal(every(8, 14), 2);
  assert.equal(every(4, 14), 5);
  assert.equal(every(0.7, 14), 20);
});
