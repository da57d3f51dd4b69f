/** A page, a panel, a lens appears by being there: one file, and nothing else is touched. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build, type Rolldown } from "vite";

const web = fileURLToPath(new URL("..", import.meta.url));

/** Files that nothing else knows: what each says of itself, and a drawing that can be told. */
const ADDED = {
  "lenses/planted_lens": `
    import { isLong } from "../parts/long_head.ts";
    const BEST = 77;
    export const lens: import("../parts/lens.ts").Lens = {
      name: "planted-lens", title: { en: "planted", zh: "新" },
      suits: (site) => (isLong(site) ? 0 : BEST),
    };`,
  "panels/planted_panel": `
    export const panel: import("../parts/panel.ts").Panel = {
      pages: ["planted-panel"], where: "side", order: 77,
    };`,
  "pages/planted_page": `
    export const page: import("../../controls/pages.ts").Page = {
      name: "planted-page", order: 77, title: { en: "planted", zh: "新" }, accepts: () => true,
    };`,
};

const drawing = (name: string) => `
  import style from "./${name}.css?inline";
  import { spoken } from "../../state/language.ts";
  export { style };
  const say = spoken({ en: { drawn: "${name} is drawn" }, zh: { drawn: "${name} 已画出" } });
  export default function Planted() { return <p>{say().drawn}</p>; }`;

let folder = "";
let chunks: Rolldown.OutputChunk[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "limelight-web-"));
  for (const part of ["src", "package.json", "tsconfig.json", "vite.config.ts"]) {
    cpSync(join(web, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(web, "node_modules"), join(folder, "node_modules"));
  for (const [path, says] of Object.entries(ADDED)) {
    const name = path.split("/")[1] as string;
    const file = join(folder, "src/views", path);
    writeFileSync(`${file}.tsx`, says + drawing(name));
    writeFileSync(`${file}.css`, `.${name} { color: red; }`);
  }
  const built = await build({
    root: folder,
    configFile: join(folder, "vite.config.ts"),
    logLevel: "error",
    build: { write: false, minify: false },
  });
  const { output } = built as Rolldown.RolldownOutput;
  chunks = output.filter((each) => each.type === "chunk");
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** What is loaded with a chunk, without being asked for. */
function loadedWith(name: string, seen = new Set<string>()): Set<string> {
  if (seen.has(name)) return seen;
  seen.add(name);
  const chunk = chunks.find(({ fileName }) => fileName === name);
  for (const other of chunk?.imports ?? []) loadedWith(other, seen);
  return seen;
}

const codeOf = (names: Iterable<string>) => {
  const wanted = new Set(names);
  return chunks.flatMap(({ fileName, code }) => (wanted.has(fileName) ? code : [])).join("\n");
};

test("what a new file says of itself is known at once", () => {
  const first = codeOf(loadedWith("index.js"));
  for (const name of ["planted-lens", "planted-panel", "planted-page"]) {
    assert.ok(first.includes(`"${name}"`), name);
  }
  assert.match(first, /BEST = 77/, "with what it needs to say so");
});

test("what a file draws is loaded when it is first shown, with its words and its style", () => {
  const first = codeOf(loadedWith("index.js"));
  for (const path of Object.keys(ADDED)) {
    const name = path.split("/")[1] as string;
    assert.ok(!first.includes(`${name} is drawn`), `${name} is not in the first load`);
    const chunk = chunks.find(({ fileName }) => fileName === `parts/${name}.js`);
    assert.ok(chunk, `${name} is a chunk of its own`);
    assert.ok(chunk.isDynamicEntry);
    for (const held of [`${name} is drawn`, `${name} 已画出`, `.${name} {`]) {
      assert.ok(chunk.code.includes(held), held);
    }
  }
});

test("a page loads no other page, and no lens before it is looked through", () => {
  const attention = loadedWith("parts/attention.js");
  for (const name of ["parameters", "ridges", "parameter_table", "map", "long_map", "tokens"]) {
    assert.ok(!attention.has(`parts/${name}.js`), name);
  }
  assert.ok(chunks.some(({ fileName }) => fileName === "parts/long_map.js"));
});

test("a file that does not say what it is stops the build, by name", async () => {
  const file = join(folder, "src/views/lenses/mute.tsx");
  writeFileSync(file, "export default function Mute() { return null; }");
  const config = { root: folder, configFile: join(folder, "vite.config.ts") };
  const building = build({ ...config, logLevel: "silent", build: { write: false } });
  await assert.rejects(building, /exports no page, panel or lens/);
  rmSync(file);
});
