import assert from "node:assert/strict";
import { test } from "node:test";
import { Fetching } from "../src/views/parts/fetching.ts";

/** A source that answers when told to. */
function source() {
  const asked: string[] = [];
  const aborted: string[] = [];
  const under = new Map<string, { done: () => void; fail: (cause: unknown) => void }>();
  const wish = (name: string) => ({
    name,
    load: (signal: AbortSignal) =>
      new Promise<void>((done, fail) => {
        asked.push(name);
        under.set(name, { done, fail });
        signal.addEventListener("abort", () => {
          aborted.push(name);
          fail(signal.reason);
        });
      }),
  });
  const answer = async (name: string) => {
    under.get(name)?.done();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { asked, aborted, under, wish, answer };
}

test("tiles are fetched a few at a time, in the order wanted", async () => {
  const from = source();
  let ended = 0;
  const fetching = new Fetching(2, () => ended++);
  fetching.want(["a", "b", "c"].map(from.wish));
  assert.deepEqual(from.asked, ["a", "b"]);
  await from.answer("a");
  assert.deepEqual(from.asked, ["a", "b", "c"]);
  assert.equal(ended, 1);
  assert.ok(fetching.pending);
  await from.answer("b");
  await from.answer("c");
  assert.equal(fetching.pending, false);
});

test("what is no longer wanted is aborted, what still is goes on, nothing is asked twice", async () => {
  const from = source();
  let ended = 0;
  const fetching = new Fetching(2, () => ended++);
  fetching.want(["a", "b", "c", "d"].map(from.wish));
  fetching.want(["b", "e", "f"].map(from.wish));
  assert.deepEqual(from.aborted, ["a"]);
  assert.deepEqual(from.asked, ["a", "b", "e"]);
  await from.answer("b");
  assert.deepEqual(from.asked, ["a", "b", "e", "f"], "c and d were never asked for");
  assert.equal(ended, 1, "an aborted fetch tells nobody");
  fetching.stop();
  assert.deepEqual(from.aborted, ["a", "e", "f"]);
  await Promise.resolve();
  assert.equal(fetching.problem, null, "being aborted is no problem");
  assert.equal(fetching.pending, false);
});

test("what failed is told, and tried again only after it was not wanted", async () => {
  const from = source();
  const fetching = new Fetching(2, () => {});
  const cause = new Error("no");
  fetching.want([from.wish("a")]);
  from.under.get("a")?.fail(cause);
  await new Promise((done) => setTimeout(done));
  assert.equal(fetching.problem, cause);
  fetching.want([from.wish("a")]);
  assert.deepEqual(from.asked, ["a"]);
  fetching.want([]);
  fetching.want([from.wish("a")]);
  assert.deepEqual(from.asked, ["a", "a"]);
  assert.equal(fetching.problem, null);
});
