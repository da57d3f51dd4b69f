import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteLRU } from "../src/cells/byte_lru.ts";

test("a cache keeps what was used last, within its bytes", () => {
  const cache = new ByteLRU<number>(100);
  cache.put("a", 1, 40);
  cache.put("b", 2, 40);
  assert.equal(cache.get("a"), 1);
  cache.put("c", 3, 40);
  assert.equal(cache.get("b"), undefined, "the one unused for longest went");
  assert.equal(cache.get("a"), 1);
  assert.equal(cache.bytes, 80);
  cache.put("a", 4, 50);
  assert.equal(cache.bytes, 90);
  cache.put("huge", 5, 500);
  assert.equal(cache.get("huge"), 5, "what was just put stays, however large");
  assert.equal(cache.get("a"), undefined);
});
