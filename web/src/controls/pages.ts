/** The pages there are, as the app found them. */
import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import type { t } from "../state/language.ts";
import type { RunCard } from "../types.ts";

export interface Page {
  /** Its name in the address. */
  readonly name: string;
  /** Its rank in the row of tabs. */
  readonly order: number;
  readonly title: (messages: typeof t.value) => string;
  /** Whether a run has what the page shows. */
  readonly accepts: (run: RunCard) => boolean;
  readonly component: ComponentType;
}

/** In the order of their tabs. */
export const pages = signal<readonly Page[]>([]);
