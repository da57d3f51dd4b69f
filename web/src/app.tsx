/** The page as a whole: header, the page chosen, and what is said when there is nothing to show. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { catalogue, catalogueProblem } from "./client/client.ts";
import { Header } from "./controls/header.tsx";
import { KeyList } from "./controls/key_list.tsx";
import { onKey } from "./controls/keys.ts";
import { Drawn } from "./controls/late.tsx";
import { Notice, ProblemNotice } from "./controls/notice.tsx";
import { pages } from "./controls/pages.ts";
import { t } from "./state/language.ts";
import { accepts } from "./state/run.ts";
import { selection } from "./state/selection.ts";
import { pageParts } from "./views/pages.ts";
import { panelsReady } from "./views/panels.tsx";

pages.value = pageParts.map(({ about }) => about);

export const keysShown = signal(false);

export function App() {
  const shown = pageParts.find(({ about }) => about.name === selection.value.page) ?? pageParts[0];
  const page = shown?.about;
  // At once, not when the first answer is there: both come at the same time.
  shown?.late.want();
  if (page) panelsReady(page.name);
  useEffect(() => {
    if (page) accepts.value = page.accepts;
  }, [page]);
  useEffect(() => onKey("?", () => (keysShown.value = !keysShown.value)), []);
  return (
    <>
      <Header current={page} onKeys={() => (keysShown.value = true)} />
      {catalogueProblem.value && catalogue.value && (
        <p class="away" role="status">
          {t.value.shell.away}
        </p>
      )}
      {catalogue.value === null ? (
        <Waiting />
      ) : catalogue.value.runs.length === 0 ? (
        <Notice title={t.value.shell.noRuns} code={t.value.shell.recordLine}>
          {t.value.shell.noRunsHow}
        </Notice>
      ) : (
        shown && <Drawn key={page?.name} late={shown.late} props={{}} />
      )}
      {keysShown.value && <KeyList onClose={() => (keysShown.value = false)} />}
    </>
  );
}

function Waiting() {
  const problem = catalogueProblem.value;
  return problem ? (
    <ProblemNotice problem={problem} />
  ) : (
    <Notice title={t.value.shell.loading} busy />
  );
}
