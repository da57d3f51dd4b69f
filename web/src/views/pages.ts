/** The pages there are: every file in pages/, each loaded when it is first shown. */
import { type Drawing, partsIn } from "../controls/late.tsx";
import type { Page } from "../controls/pages.ts";

type NoProps = Record<never, never>;

/** In the order of their tabs. */
export const pageParts = partsIn<Page, NoProps>(
  import.meta.glob<Page>("./pages/*.tsx", { query: "?about", import: "page", eager: true }),
  import.meta.glob<Drawing<NoProps>>("./pages/*.tsx"),
).sort((a, b) => a.about.order - b.about.order);
