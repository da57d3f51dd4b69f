import assert from "node:assert/strict";
import { test } from "node:test";
import { headGrid } from "../src/answers/head_grid.ts";
import { at, viridis } from "../src/cells/tables.ts";
import { hit, layOut, paintMaps, type Strip } from "../src/cells/thumbs.ts";
import { PALETTES } from "../src/draw/palette.ts";
import { golden } from "./golden.ts";

function square(heads: number, side: number): Strip {
  const values = new Float32Array(heads * side * side).fill(0.25);
  const window = { row: 0, column: 0, rows: side, columns: side };
  return { heads, values, rows: side, columns: side, window };
}

test("every head can be hit in the middle of its picture, and only there", () => {
  const layout = layOut([square(12, 32), square(3, 8), square(7, 20)], 500);
  for (const [site, row] of layout.boxes.entries()) {
    for (const [head, box] of row.entries()) {
      assert.deepEqual(hit(layout, box.x + box.width / 2, box.y + box.height / 2), { site, head });
      assert.equal(hit(layout, box.x + box.width + 0.5, box.y + 1), null);
    }
  }
  assert.ok(layout.width <= 500);
});

test("1024 heads fit the width and the height given", () => {
  const layout = layOut(
    Array.from({ length: 32 }, () => square(32, 32)),
    500,
    400,
  );
  assert.ok(layout.width <= 500);
  assert.ok(layout.height <= 400);
});

test("a head's colour lies inside its own box", () => {
  const strips = headGrid(golden("grid"), null).sites.map((site) => site.strip);
  const layout = layOut(strips, 400);
  const width = layout.width;
  const pixels = { data: new Uint32Array(width * Math.ceil(layout.height)), width };
  paintMaps(pixels, layout, 1, strips, "linear", "max", viridis, PALETTES.light.marks(1));
  const first = layout.boxes[2]?.[0];
  assert.ok(first);
  // The golden head's first query looks at its first key only, and may look at no other.
  const marks = PALETTES.light.marks(1);
  const notAllowed: (number | undefined)[] = [marks.notAllowed, marks.notAllowedLine];
  assert.equal(pixels.data[(first.y + 1) * width + first.x + 1], at(viridis, 1));
  assert.ok(notAllowed.includes(pixels.data[(first.y + 1) * width + first.x + first.width - 2]));
  const last = (first.y + first.height - 2) * width + first.x;
  assert.ok(
    !notAllowed.includes(pixels.data[last + 1]),
    "the last query may look at the first key",
  );
});
