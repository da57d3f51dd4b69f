import assert from "node:assert/strict";
import { test } from "node:test";
import { buffers, decode, halves } from "../src/answers/wire.ts";
import { bytesOf, expected, golden } from "./golden.ts";

const SPELT: Record<string, number> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

for (const [name, wanted] of Object.entries(expected)) {
  test(`what Python wrote as ${name} is what TypeScript reads`, () => {
    const answer = golden(name);
    assert.deepEqual(answer.attrs, wanted.attrs);
    assert.deepEqual(Object.keys(answer.variables).sort(), Object.keys(wanted.variables).sort());
    for (const [key, variable] of Object.entries(wanted.variables)) {
      const read = answer.variables[key];
      assert.ok(read, key);
      assert.deepEqual(read.dims, variable.dims);
      assert.deepEqual(read.shape, variable.shape);
      assert.equal(read.coord, variable.coord);
      assert.deepEqual(read.attrs, variable.attrs);
      if (variable.dtype === "text") {
        assert.deepEqual([read.text].flat(9), variable.values);
        continue;
      }
      assert.equal(read.data.length, variable.values.length, key);
      for (const [index, value] of variable.values.entries()) {
        const number = typeof value === "string" ? SPELT[value] : Number(value);
        assert.ok(Object.is(read.data[index], number), `${key}[${index}] ${read.data[index]}`);
      }
    }
  });
}

test("float16 becomes the float32 it stands for, at every edge", () => {
  const bits = Uint16Array.of(
    0x0000,
    0x8000,
    0x0001,
    0x03ff,
    0x0400,
    0x3c00,
    0x3555,
    0x7bff,
    0xfc00,
  );
  const wanted = [0, -0, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, 1, 0.333251953125, 65504, -Infinity];
  assert.deepEqual([...halves(bits)], wanted);
  assert.ok(Number.isNaN(halves(Uint16Array.of(0x7e01))[0]));
});

test("arrays that do not lie on their own size's boundary are read all the same", () => {
  const bytes = bytesOf("map");
  const moved = realigned(bytes);
  assert.deepEqual(decode(moved).variables.weights?.data, golden("map").variables.weights?.data);
});

test("an answer hands over each of its buffers once", () => {
  const all = buffers(golden("map"));
  assert.equal(new Set(all).size, all.length);
});

test("bytes that are no answer are refused with words", () => {
  assert.throws(() => decode(new ArrayBuffer(3)), /too short/);
  assert.throws(() => decode(bytesOf("map").slice(0, 60)), /cut off/);
  const empty = withHeader("{}", new Uint8Array(0));
  assert.throws(() => decode(empty), /limelight header/);
  const newer = JSON.stringify({ schema: 99, variables: {}, attrs: {} });
  const later = withHeader(
    JSON.stringify({ __metadata__: { limelight: newer } }),
    new Uint8Array(0),
  );
  assert.throws(() => decode(later), /schema 99/);
});

function withHeader(json: string, data: Uint8Array): ArrayBuffer {
  const text = new TextEncoder().encode(json);
  const out = new Uint8Array(8 + text.length + data.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  out.set(data, 8 + text.length);
  return out.buffer;
}

/** The same answer with its header one space longer, so that nothing is aligned any more. */
function realigned(bytes: ArrayBuffer): ArrayBuffer {
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  const json = new TextDecoder().decode(new Uint8Array(bytes, 8, length));
  return withHeader(`${json} `, new Uint8Array(bytes, 8 + length));
}
