import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
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

test("nor in the words that stand in files of their own", () => {
  const folder = new URL("../src/views/", import.meta.url);
  const tables = globSync("**/*.{ts,tsx}", { cwd: folder }).flatMap((file) => {
    const text = readFileSync(new URL(file, folder), "utf8");
    // On one line or on many, as the formatter writes it.
    const table = /= spoken\(\{\s*en: \{(.*?)\},\s*zh: \{(.*?)\},?\s*\}\)/s.exec(text);
    assert.equal(table !== null, text.includes("= spoken("), `${file} says its words as others do`);
    return table ? [{ file, en: table[1] as string, zh: table[2] as string }] : [];
  });
  assert.ok(tables.length > 8);
  for (const { file, en, zh } of tables) {
    assert.doesNotMatch(en, /\p{Script=Han}/u, file);
    assert.match(zh, /\p{Script=Han}/u, file);
  }
});
