/** The pages there are, as the app found them. */
import { signal } from "@preact/signals";
import type { RunCard } from "../types.ts";

/** What a file in `views/pages/` says of itself, as `page`. */
export interface Page {
  /** Its name in the address. */
  readonly name: string;
  /** Its rank in the row of tabs. */
  readonly order: number;
  readonly title: { readonly en: string; readonly zh: string };
  /** Whether a run has what the page shows. */
  readonly accepts: (run: RunCard) => boolean;
}

/** In the order of their tabs. */
export const pages = signal<readonly Page[]>([]);
