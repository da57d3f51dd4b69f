/** The pages: every file in views/pages/ that exports a `page` is one; nothing else lists them. */
import type { ComponentType } from "preact";
import type { t } from "../state/language.ts";
import type { RunCard } from "../types.ts";

export interface Page {
  /** Its name in the address. */
  readonly name: string;
  /** Place in the row of tabs. */
  readonly order: number;
  readonly title: (messages: typeof t.value) => string;
  /** Whether a run has what the page shows. */
  readonly accepts: (run: RunCard) => boolean;
  readonly component: ComponentType;
}

const files = import.meta.glob<{ page?: Page }>("../views/pages/*.tsx", { eager: true });

export const pages: readonly Page[] = Object.values(files)
  .flatMap((file) => file.page ?? [])
  .sort((a, b) => a.order - b.order);
