import assert from "node:assert/strict";
import { test } from "node:test";
import { headGrid } from "../src/answers/head_grid.ts";
import {
  before,
  headMap,
  isAllowed,
  nameOf,
  rowOf,
  sharpestRow,
  validRange,
  weightAt,
} from "../src/answers/head_map.ts";
import { pixelsOf } from "../src/answers/picture.ts";
import { sentencesOf } from "../src/answers/sentences.ts";
import {
  beginnings,
  brokenAt,
  brokenOf,
  nearest,
  pointOf,
  seriesOf,
} from "../src/answers/series.ts";
import { groupsOf, middle, shortNames } from "../src/answers/site_names.ts";
import { below, hueOver, veil } from "../src/draw/overlay.ts";
import { fills } from "../src/views/parts/positions.ts";
import { expected, golden } from "./golden.ts";

const numbers = (name: string, variable: string) =>
  expected[name]?.variables[variable]?.values as (number | string)[];

test("a map's cells are the array's", () => {
  const map = headMap(golden("map"));
  const weights = numbers("map", "weights");
  const allowed = numbers("map", "allowed");
  for (let query = 0; query < 6; query++) {
    for (let key = 0; key < 6; key++) {
      const wanted = weights[query * 6 + key];
      const seen = weightAt(map, query, key);
      assert.ok(wanted === "NaN" ? Number.isNaN(seen) : seen === wanted);
      assert.equal(isAllowed(map, query, key), allowed[query * 6 + key]);
    }
  }
  assert.deepEqual(map.window, { row: 0, column: 0, rows: 6, columns: 6 });
  assert.equal(nameOf(map.keyTokens, null, 3), "<img src=x onerror=alert(1)>");
});

test("padding is left out, and the cells inside keep their places", () => {
  const map = headMap(golden("map-padded"));
  assert.deepEqual(map.window, { row: 0, column: 0, rows: 4, columns: 4 });
  assert.deepEqual(validRange([0, 0, 1, 0, 1, 0], 6), [2, 5]);
  assert.deepEqual(validRange([0, 0], 2), [0, 2]);
  assert.deepEqual(validRange(undefined, 3), [0, 3]);
});

test("padding that gets weight all the same stays in sight", () => {
  const answer = golden("map-padded");
  const allowed = answer.variables.allowed;
  const weights = answer.variables.weights;
  assert.ok(allowed && weights);
  allowed.data[2 * 6 + 5] = 1;
  weights.data[2 * 6 + 5] = 0.25;
  assert.equal(headMap(answer).window.columns, 6);
  assert.equal(headMap(answer).window.rows, 4);
  const grid = golden("grid-mean");
  const cells = grid.variables.cells_2;
  const covered = grid.variables.allowed_2;
  assert.ok(cells && covered);
  cells.data[36 + 2 * 6 + 4] = 90;
  covered.data[2 * 6 + 4] = 1;
  const tokens = ["a", "b", "c", "d", "", ""];
  assert.equal(headGrid(grid, tokens).sites[2]?.strip.window.columns, 5);
});

test("a row is told by its greatest keys, and sums over the allowed ones", () => {
  const map = headMap(golden("map-cross"));
  const row = rowOf(map, 0, 2);
  assert.deepEqual(row.top, [
    { key: 1, weight: 0.328125 },
    { key: 4, weight: 0.25 },
  ]);
  assert.equal(row.sum, 1);
  assert.equal(row.allowed, 6);
});

test("an image comes with its layout", () => {
  const map = headMap(golden("map-image"));
  assert.deepEqual(map.keyLayout, [4, 4]);
  assert.equal(map.image?.rows, 4);
  assert.equal(nameOf(null, map.keyLayout, 6), "(1, 2)");
});

test("the first look is at the query with the greatest weight; NaN and cells not allowed are none", () => {
  const answer = golden("map-padded");
  const { weights, allowed } = answer.variables;
  assert.ok(weights && allowed);
  weights.data.fill(0.1);
  allowed.data.fill(1);
  weights.data[1 * 6 + 1] = Number.NaN;
  weights.data[2 * 6 + 3] = 0.9;
  allowed.data[2 * 6 + 3] = 0;
  weights.data[3 * 6 + 0] = 0.5;
  assert.equal(sharpestRow(headMap(answer)), 3);
});

test("the grid has every site and head, its bytes turned back to weights, NaN kept", () => {
  const grid = headGrid(golden("grid"), null);
  assert.deepEqual(
    grid.sites.map((site) => [site.site, site.strip.heads]),
    [
      ["pool", 1],
      ["long", 1],
      ["encoder/attention", 2],
      ["decoder/cross", 2],
    ],
  );
  const cells = numbers("grid", "cells_0") as number[];
  assert.deepEqual(
    grid.sites[0]?.strip.values,
    Float32Array.from(cells, (byte) => (byte / 255) ** 2),
  );
  const nan = numbers("grid", "nan_2").map(Boolean);
  const strip = grid.sites[2]?.strip;
  assert.deepEqual(
    Array.from(strip?.values ?? [], (value) => Number.isNaN(value)),
    nan,
  );
  assert.deepEqual(grid.sites[1]?.block, [2, 3]);
  assert.equal(grid.sites[0]?.measures.distance, undefined, "no distance for one query");
  assert.equal(grid.units.entropy, "nat");
});

test("thumbnails leave out the example's padding", () => {
  const grid = headGrid(golden("grid-mean"), ["a", "b", "c", "d", "", ""]);
  assert.deepEqual(grid.sites[2]?.strip.window, { row: 0, column: 0, rows: 4, columns: 4 });
  assert.deepEqual(grid.sites[3]?.strip.window, { row: 0, column: 0, rows: 3, columns: 4 });
  assert.deepEqual(grid.sites[1]?.strip.window.columns, 32, "other lengths stay whole");
});

test("names are as short as they can be and still differ", () => {
  assert.deepEqual(shortNames(["enc/0/att", "enc/1/att", "enc/10/att"]), ["0", "1", "10"]);
  assert.deepEqual(shortNames(["enc/att", "pool"]), ["enc/att", "pool"]);
  assert.deepEqual(shortNames(["a/b/c"]), ["c"]);
  assert.deepEqual(shortNames(["a", "a/b"]), ["a", "a/b"]);
});

test("long names are cut where they are alike, and never until they are the same", () => {
  const long = ["query_key_value_attention_07_inner", "query_key_value_attention_11_inner"];
  const short = shortNames(long);
  assert.ok(short.every((name) => name.length <= 18));
  assert.match(short[0] ?? "", /07/);
  assert.match(short[1] ?? "", /11/);
  const ends = shortNames(["m/aaaaaaaaaaaaXaaaaaaaaaaaa/z", "m/aaaaaaaaaaaaYaaaaaaaaaaaa/z"]);
  assert.equal(new Set(ends).size, 2);
  assert.deepEqual(middle("abcdefghij", 5), "ab…ij");
  assert.deepEqual(middle("👩‍🚀ab", 9), "👩‍🚀ab");
});

test("sites stand by their stack, and cross attention by itself", () => {
  const site = (name: string, kind = "self") => ({ name, kind });
  const t5 = [
    site("encoder/block/0/SelfAttention"),
    site("decoder/block/0/SelfAttention"),
    site("decoder/block/0/EncDecAttention", "cross"),
    site("encoder/block/1/SelfAttention"),
    site("decoder/block/1/SelfAttention"),
  ];
  assert.deepEqual(groupsOf(t5), [
    { heading: "encoder", members: [0, 3] },
    { heading: "decoder", members: [1, 4] },
    { heading: "cross", members: [2] },
  ]);
  const keras = [
    site("encoder_decoder/DecoderLayer_0/mha"),
    site("encoder_decoder/EncoderLayer_0/mha"),
  ];
  assert.deepEqual(
    groupsOf(keras).map(({ heading }) => heading),
    ["encoder", "decoder"],
  );
  assert.equal(groupsOf([site("h/0/attn"), site("h/1/attn")]).length, 1);
  assert.equal(groupsOf([site("gate", "feature")])[0]?.heading, "feature");
});

test("measures have their interval and what uniform attention gives at the step asked for", () => {
  const series = seriesOf(golden("measures"));
  const entropy = series.find((measure) => measure.name === "entropy");
  assert.ok(entropy);
  const point = pointOf(entropy, 1, 90);
  assert.equal(point.step, 100);
  assert.equal(point.value, numbers("measures", "entropy")[3]);
  assert.equal(point.low, numbers("measures", "entropy_low")[3]);
  assert.equal(point.uniform, numbers("measures", "entropy_uniform")[1]);
  assert.equal(nearest([0, 100, 250], 180), 250);
});

test("sentences leave out padding and keep each token's own weight", () => {
  const sentences = sentencesOf(golden("map-all"));
  assert.equal(sentences.length, 2);
  const second = sentences[1];
  assert.deepEqual(
    second?.words.map((word) => word.token),
    ["a", "b", "c", "&amp;"],
  );
  assert.equal(second?.words[0]?.weight, numbers("map-all", "weights")[36]);
});

test("rows that are NaN are counted, and told since when", () => {
  const broken = brokenOf(golden("measures"));
  assert.ok(broken);
  assert.equal(broken.rows, 10);
  assert.deepEqual(brokenAt(broken, 1, 250), { count: 1, since: 250 });
  assert.deepEqual(brokenAt(broken, 0, 250), { count: 0, since: null });
  assert.deepEqual(beginnings(broken, 1), [250]);
  const again = {
    steps: [0, 1, 2, 3, 4],
    heads: 1,
    rows: 12,
    counts: Float32Array.of(0, 2, 1, 0, 12),
  };
  assert.deepEqual(beginnings(again, 0), [1, 4]);
  assert.deepEqual(brokenAt(again, 0, 2), { count: 1, since: 1 });
  assert.equal(brokenOf(golden("map")), null);
  const grid = headGrid(golden("grid"), null);
  assert.deepEqual(
    grid.sites.map((site) => site.nanRows && [...site.nanRows]),
    [null, null, [0, 1], null],
  );
});

test("positions before an image's are its class and register tokens", () => {
  assert.equal(before([14, 14], 197), 1);
  assert.equal(before([16, 16], 261), 5);
  assert.equal(nameOf(null, [14, 14], 0, 197), "[0]");
  assert.equal(nameOf(null, [14, 14], 15, 197), "(1, 0)");
  assert.equal(nameOf(["[CLS]"], [14, 14], 0, 197), "[CLS]");
  assert.equal(nameOf(["a", ""], null, 1), "[pad]", "padding is no word, and no number");
  assert.equal(fills([14, 14], 201), true);
  assert.equal(fills([14, 14], 195), false);
});

test("an image keeps its own pixels and colours, and the weights get a hue that it lacks", () => {
  const picture = {
    values: Uint8Array.of(255, 120, 0, 0, 9, 200),
    rows: 1,
    columns: 2,
    channels: 3,
  };
  assert.deepEqual([...pixelsOf(picture)], [255, 120, 0, 255, 0, 9, 200, 255]);
  const grey = { values: Float32Array.of(-1, 0, 3), rows: 3, columns: 1, channels: 1 };
  assert.deepEqual(
    [...pixelsOf(grey)].filter((_, at) => at % 4 === 0),
    [0, 64, 255],
  );
  const orange = pixelsOf({ ...picture, columns: 1 });
  assert.notDeepEqual(hueOver(orange), hueOver(null));
  assert.notDeepEqual(hueOver(pixelsOf(picture)), hueOver(orange));
  const over = veil(Float32Array.of(0, 1, Number.NaN, -1), hueOver(null));
  assert.deepEqual(
    [...over].filter((_, at) => at % 4 === 3),
    [0, 217, 255, 0],
  );
});

test("a digit under even weights does not glow: over each pixel lies nearly the same colour", () => {
  const digit = pixelsOf({ values: Float32Array.of(0, 1), rows: 1, columns: 2, channels: 1 });
  const [dark, , , , light] = below(digit);
  const cover = (veil(Float32Array.of(0.8), hueOver(digit))[3] as number) / 255;
  assert.ok((1 - cover) * ((light as number) - (dark as number)) < 35);
  assert.ok(
    (light as number) - (dark as number) > 60,
    "yet the digit is seen where nothing covers it",
  );
  const coloured = pixelsOf({ values: Uint8Array.of(9, 99, 9), rows: 1, columns: 1, channels: 3 });
  assert.equal(below(coloured), coloured, "an image of colours keeps them");
});
