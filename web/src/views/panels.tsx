/** The panels there are: every file in panels/, each loaded with the first page that shows it. */
import { type Drawing, Drawn, partsIn } from "../controls/late.tsx";
import type { Panel } from "./parts/panel.ts";

type NoProps = Record<never, never>;

export const panels = partsIn<Panel, NoProps>(
  import.meta.glob<Panel>("./panels/*.tsx", { query: "?about", import: "panel", eager: true }),
  import.meta.glob<Drawing<NoProps>>("./panels/*.tsx"),
).sort((a, b) => a.about.order - b.about.order);

function panelsOf(page: string) {
  return panels.filter(({ about }) => about.pages.includes(page));
}

/** Load all panels of a page; whether none is still to come. */
export function panelsReady(page: string): boolean {
  return panelsOf(page)
    .map(({ late }) => late.over)
    .every(Boolean);
}

/** The panels of one part of a page: all at once, when all of the page's are there. */
export function Panels({ page, where }: { page: string; where: string }) {
  if (!panelsReady(page)) return null;
  const shown = panelsOf(page).filter(({ about }) => about.where === where);
  return shown.map(({ path, late }) => <Drawn key={path} late={late} props={{}} />);
}
