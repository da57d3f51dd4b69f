import assert from "node:assert/strict";
import { test } from "node:test";
import { en, zh } from "../src/messages/index.ts";

function keysOf(table: object, prefix = ""): string[] {
  return Object.entries(table).flatMap(([key, value]) =>
    typeof value === "object" ? keysOf(value, `${prefix}${key}.`) : `${prefix}${key}`,
  );
}

test("both languages say the same things", () => {
  assert.deepEqual(keysOf(zh).sort(), keysOf(en).sort());
});

test("no string was left in the other language", () => {
  const chinese = /\p{Script=Han}/u;
  const plain = (table: object): string[] =>
    Object.values(table).flatMap((value) =>
      typeof value === "string" ? value : typeof value === "object" ? plain(value) : [],
    );
  const foreign = plain(en).filter((text) => chinese.test(text));
  assert.deepEqual(foreign, ["中文"], "only the switch names the other language");
});
