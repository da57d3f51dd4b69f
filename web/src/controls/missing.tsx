/** What stands where a page, or one panel of it, has nothing to show: a sentence, and the line of code that records it. */
import type { ComponentChildren } from "preact";
import { language, t } from "../state/language.ts";
import { runCard, runName } from "../state/run.ts";
import { select } from "../state/selection.ts";
import { Notice } from "./notice.tsx";
import { type Page, pages } from "./pages.ts";

interface EmptyPageProps {
  page: Page;
  title: string;
  /** The line of code that records it, or that answers the page's question today. */
  code?: string;
  children: ComponentChildren;
}

/** A page without its data: what is missing, how it comes about, and where the run has something. */
export function EmptyPage({ page, title, code, children }: EmptyPageProps) {
  const run = runCard.value;
  const other = pages.value.find((each) => each.name !== page.name && run && each.accepts(run));
  return (
    <Notice title={title} code={code} action={other && <Onward page={other} />}>
      {children}
    </Notice>
  );
}

function Onward({ page }: { page: Page }) {
  return (
    <button
      type="button"
      class="pill"
      onClick={() => select({ run: runName.value, page: page.name })}
    >
      {t.value.frame.goTo(page.title[language.value])}
    </button>
  );
}

interface MissingProps {
  title: string;
  code: string;
  children: ComponentChildren;
}

/** A panel without its data, in its place. */
export function Missing({ title, code, children }: MissingProps) {
  return (
    <section class="missing-panel" data-missing="">
      <h2>
        {title} <span class="sub">{t.value.frame.notRecorded}</span>
      </h2>
      <p>{children}</p>
      <pre>{code}</pre>
    </section>
  );
}
