import assert from "node:assert/strict";
import { test } from "node:test";
import { type Marks, mark, paint, slots } from "../src/cells/paint.ts";
import { NOT_ALLOWED } from "../src/cells/scale.ts";
import { at, cividis, css, pixel, viridis } from "../src/cells/tables.ts";

const marks: Marks = { ground: 1, notAllowed: 2, notAllowedLine: 3, nan: 4, nanLine: 5, pitch: 5 };

test("the tables are whole, start and end where they are published to, and grow lighter", () => {
  assert.equal(viridis.length, 256);
  assert.equal(cividis.length, 256);
  assert.equal(css(viridis[0] as number), "rgb(68 1 84)");
  assert.equal(css(viridis[255] as number), "rgb(253 231 37)");
  for (const table of [viridis, cividis]) {
    const light = [...table].map(
      (pixel) =>
        0.2126 * (pixel & 255) + 0.7152 * ((pixel >> 8) & 255) + 0.0722 * ((pixel >> 16) & 255),
    );
    for (let i = 8; i < 256; i++) assert.ok((light[i] as number) > (light[i - 8] as number));
  }
  assert.equal(css(pixel("#01fe7f")), "rgb(1 254 127)");
  assert.equal(at(viridis, 2), viridis[255]);
});

test("every pixel shows the cell under it", () => {
  const data = new Uint32Array(8 * 6).fill(9);
  const shades = Float32Array.of(0, 1, 0.5, 0.25);
  paint(
    { data, width: 8 },
    { x: 2, y: 1, width: 4, height: 4 },
    { shades, rows: 2, columns: 2 },
    viridis,
    marks,
  );
  const seen = (x: number, y: number) => data[y * 8 + x];
  assert.equal(seen(2, 1), at(viridis, 0));
  assert.equal(seen(5, 2), at(viridis, 1));
  assert.equal(seen(3, 4), at(viridis, 0.5));
  assert.equal(seen(4, 3), at(viridis, 0.25));
  assert.equal(seen(1, 1), 9, "left of the box");
  assert.equal(seen(6, 4), 9, "right of the box");
  assert.equal(seen(2, 5), 9, "below the box");
});

test("NaN and cells not allowed have marks of their own, unlike any colour and each other", () => {
  const data = new Uint32Array(30 * 10);
  const shades = Float32Array.of(Number.NaN, NOT_ALLOWED, 0);
  paint(
    { data, width: 30 },
    { x: 0, y: 0, width: 30, height: 10 },
    { shades, rows: 1, columns: 3 },
    viridis,
    marks,
  );
  const kinds = (from: number) =>
    new Set([...data].filter((_, index) => Math.floor((index % 30) / 10) === from));
  assert.deepEqual(kinds(0), new Set([4, 5]));
  assert.deepEqual(kinds(1), new Set([2, 3]));
  assert.deepEqual(kinds(2), new Set([viridis[0]]));
  assert.equal(mark(Number.NaN, 0, 0, marks), 5);
});

test("gaps follow cells and take no cell away", () => {
  assert.deepEqual([...slots(9, 3, 1)], [0, 0, -1, 1, 1, -1, 2, 2, -1]);
  assert.deepEqual([...slots(4, 2, 0)], [0, 0, 1, 1]);
});
