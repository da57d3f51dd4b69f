import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** What a page, a panel or a lens says of itself, under these names. */
const ABOUT = /^(page|panel|lens)$/;

interface Statement {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly declaration?: Statement | null;
  readonly declarations?: readonly { readonly id: { readonly name?: string } }[];
  readonly id?: { readonly name?: string } | null;
  readonly specifiers?: readonly { readonly local: { readonly name: string } }[];
}

/** The names that a statement at the top of a file brings in or declares. */
function namesOf(statement: Statement): string[] {
  const inner = statement.declaration ?? statement;
  const ids = [inner.id, ...(inner.declarations ?? []).map((each) => each.id)];
  const imported = (statement.specifiers ?? []).map(({ local }) => local.name);
  return [...imported, ...ids.flatMap((id) => id?.name ?? [])];
}

/**
 * `file.tsx?about` is the file without what it draws: what it says of itself, and what that needs.
 * So all files of a folder are known at once, and each is loaded when it is first shown.
 */
function about(): Plugin {
  return {
    name: "about",
    enforce: "pre",
    transform: {
      filter: { id: /\.tsx\?about$/ },
      handler(code) {
        const statements = this.parse(code, { lang: "tsx" }).body as unknown as Statement[];
        const text = ({ start, end }: Statement) => code.slice(start, end);
        const says = statements.filter((each) => namesOf(each).some((name) => ABOUT.test(name)));
        if (says.length === 0)
          this.error("It exports no page, panel or lens that says what it is.");
        const needed = new Set(says.filter(({ type }) => type === "ExportNamedDeclaration"));
        for (const statement of needed) {
          const mentions = (name: string) => new RegExp(`\\b${name}\\b`).test(text(statement));
          for (const other of statements) if (namesOf(other).some(mentions)) needed.add(other);
        }
        const rest = statements.filter((each) => needed.has(each));
        return { code: rest.map(text).join("\n"), map: null, moduleSideEffects: false };
      },
    },
  };
}

// Not Vite's library mode: TensorBoard imports index.js and calls its render(), so the entry keeps
// its exports, and nothing else about the output need be a library. The worker is a file of its own
// because TensorBoard's content security policy refuses workers made from blobs.
export default defineConfig({
  base: "./",
  plugins: [about()],
  build: {
    outDir: here("../src/limelight/web"),
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: here("src/main.tsx"),
      preserveEntrySignatures: "allow-extension",
      output: { entryFileNames: "index.js", chunkFileNames: "parts/[name].js" },
    },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  worker: {
    format: "es",
    rolldownOptions: { output: { entryFileNames: "worker.js" } },
  },
});
