/** Golden answers that Python wrote, and what they hold in plain JSON. */
import { readFileSync } from "node:fs";
import { type Answer, decode } from "../src/answers/wire.ts";

const folder = new URL("../../tests/golden/", import.meta.url);

export interface Expected {
  attrs: Record<string, unknown>;
  variables: Record<
    string,
    {
      dims: string[];
      shape: number[];
      dtype: string;
      coord: boolean;
      attrs: Record<string, unknown>;
      values: (number | boolean | string)[];
    }
  >;
}

export const expected: Record<string, Expected> = JSON.parse(
  readFileSync(new URL("expected.json", folder), "utf8"),
);

export function bytesOf(name: string): ArrayBuffer {
  const file = readFileSync(new URL(`${name}.safetensors`, folder));
  return file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) as ArrayBuffer;
}

export function golden(name: string): Answer {
  return decode(bytesOf(name));
}
