import { fileURLToPath } from "node:url";
import { defineConfig, mergeConfig } from "vite";
import front from "./vite.config.ts";

// Every lens and panel by itself, for the tests to take pictures of; not part of what is shipped.
export default mergeConfig(
  front,
  defineConfig({
    build: {
      outDir: fileURLToPath(new URL("gallery/", import.meta.url)),
      rolldownOptions: {
        input: fileURLToPath(new URL("src/gallery.tsx", import.meta.url)),
        output: { entryFileNames: "gallery.js" },
      },
    },
  }),
);
