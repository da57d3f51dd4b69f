/** Rooms only look down, files go round in no circle, and what draws never fetches. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../src/", import.meta.url));

/** From the lowest to the highest; rooms on one floor do not know each other. */
const FLOORS: readonly (readonly string[])[] = [
  ["contract.ts"],
  ["types.ts", "ready.ts"],
  ["messages/en"],
  ["messages/zh"],
  ["messages"],
  ["cells"],
  ["answers"],
  ["draw", "client", "picture"],
  ["state"],
  ["controls"],
  ["views/parts"],
  ["views/lenses"],
  ["views/lenses.ts"],
  ["views/panels"],
  ["views/panels.tsx"],
  ["views/page_frame.tsx"],
  ["views/pages"],
  ["views/pages.ts"],
  ["app.tsx"],
  ["gallery_text.ts"],
  ["main.tsx", "gallery.tsx"],
];

/** Rooms whose files do not know each other: each is there by being there. */
const APART = ["views/lenses", "views/panels", "views/pages"];

/** Who may ask the client: the state of the page, and the one hook that views ask with. */
const ASKING = /^(client\/|state\/|controls\/use_answer\.ts$|app\.tsx$|main\.tsx$|gallery\.tsx$)/;

interface Import {
  readonly from: string;
  readonly line: number;
  /** A file, or the pattern of a glob. */
  readonly to: string;
}

const files = globSync("**/*.{ts,tsx}", { cwd: source })
  .map((name) => name.replaceAll("\\", "/"))
  .sort();

/** Every import of a file of ours: plain, lazy, of a worker, or by a glob. */
function importsOf(text: string, from: string): Import[] {
  const written = /(?:\bfrom|\bimport|\bimport\(|\bURL\(|\bglob(?:<[^;]*?>)?\()\s*"(\.[^"?]+)/g;
  return [...text.matchAll(written)].map((match) => ({
    from,
    line: text.slice(0, match.index).split("\n").length,
    to: normalize(join(dirname(from), match[1] as string)).replaceAll("\\", "/"),
  }));
}

/** A room's name; files that list a room, and those beside all rooms, are each their own. */
const roomOf = (file: string) =>
  FLOORS.some((rooms) => rooms.includes(file)) ? file : dirname(file);
const floorOf = (file: string) => FLOORS.findIndex((rooms) => rooms.includes(roomOf(file)));
const written = ({ from, line, to }: Import) => `src/${from}:${line} imports ${to}`;

const all = files.flatMap((file) => importsOf(readFileSync(join(source, file), "utf8"), file));
const code = all.filter(({ to }) => !to.endsWith(".css"));

/** What looks up, or across to another room of its floor; each with file and line. */
function climbing(imports: readonly Import[]): string[] {
  return imports.flatMap((each) => {
    const [from, to] = [floorOf(each.from), floorOf(each.to)];
    const home = roomOf(each.from) === roomOf(each.to) && !APART.includes(roomOf(each.to));
    return to < 0 || (to >= from && !home) ? written(each) : [];
  });
}

/** The files of one circle of imports, or nothing. */
function circle(imports: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): string[] => {
    const start = path.indexOf(file);
    if (start >= 0) return [...path.slice(start), file];
    if (done.has(file)) return [];
    for (const to of next.get(file) ?? []) {
      const closed = walk(to, [...path, file]);
      if (closed.length) return closed;
    }
    done.add(file);
    return [];
  };
  for (const file of next.keys()) {
    const closed = walk(file, []);
    if (closed.length) return closed;
  }
  return [];
}

test("every file stands in a room that has a floor", () => {
  assert.deepEqual(
    files.filter((file) => floorOf(file) < 0),
    [],
  );
});

test("rooms only look down", () => {
  assert.deepEqual(climbing(code), []);
});

test("no files import each other in a circle", () => {
  assert.deepEqual(circle(code), []);
});

test("what draws never fetches: one hook asks", () => {
  const fetching = code.filter(({ from, to }) => to.startsWith("client/") && !ASKING.test(from));
  assert.deepEqual(fetching.map(written), []);
  for (const file of files) {
    if (file.startsWith("client/")) continue;
    const text = readFileSync(join(source, file), "utf8");
    assert.doesNotMatch(text, /\bfetch\(|XMLHttpRequest|EventSource/, file);
  }
});

test("these walls can be run into", () => {
  const up = importsOf('\n\nimport { useAnswer } from "../controls/use_answer.ts";', "draw/map.ts");
  assert.deepEqual(climbing(up), ["src/draw/map.ts:3 imports controls/use_answer.ts"]);
  const across = importsOf('import { ask } from "../client/client.ts";', "draw/map.ts");
  assert.equal(climbing(across).length, 1);
  const beside = importsOf('import { panel } from "./steps.tsx";', "views/panels/examples.tsx");
  assert.equal(climbing(beside).length, 1);
  const round = [
    ...importsOf('import type { A } from "./scale.ts";', "cells/pool.ts"),
    ...importsOf('import("./pool.ts")', "cells/scale.ts"),
  ];
  assert.deepEqual(circle(round), ["cells/pool.ts", "cells/scale.ts", "cells/pool.ts"]);
});
