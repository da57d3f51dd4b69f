import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// Not Vite's library mode: TensorBoard imports index.js and calls its render(), so the entry keeps
// its exports, and nothing else about the output need be a library. The worker is a file of its own
// because TensorBoard's content security policy refuses workers made from blobs.
export default defineConfig({
  base: "./",
  build: {
    outDir: here("../src/limelight/web"),
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    rolldownOptions: {
      input: here("src/main.tsx"),
      preserveEntrySignatures: "strict",
      output: { entryFileNames: "index.js", chunkFileNames: "[name].js" },
    },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  worker: {
    format: "es",
    rolldownOptions: { output: { entryFileNames: "worker.js" } },
  },
});
