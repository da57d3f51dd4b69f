/** The page as a whole: header, the page chosen, and what is said when there is nothing to show. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { catalogue, catalogueProblem } from "./client/client.ts";
import { SERVER } from "./client/tensorboard.ts";
import { Header } from "./controls/header.tsx";
import { KeyList } from "./controls/key_list.tsx";
import { onKey } from "./controls/keys.ts";
import { Drawn } from "./controls/late.tsx";
import { Notice, ProblemNotice } from "./controls/notice.tsx";
import { pages } from "./controls/pages.ts";
import { t } from "./state/language.ts";
// At once: the token leaves the address before anything is written there.
import "./state/model.ts";
import { accepts } from "./state/run.ts";
import { selection } from "./state/selection.ts";
import { pageParts } from "./views/pages.ts";
import { panelsReady } from "./views/panels.tsx";

pages.value = pageParts.map(({ about }) => about);

export const keysShown = signal(false);

export function App() {
  const { chosen, shown } = usePage();
  const page = chosen?.about;
  useEffect(() => {
    if (page) accepts.value = page.accepts;
  }, [page]);
  useEffect(() => onKey("?", () => (keysShown.value = !keysShown.value)), []);
  return (
    <>
      <Header current={page} onKeys={() => (keysShown.value = true)} />
      {catalogueProblem.value && catalogue.value && (
        <p class="away" role="status">
          {t.value.shell.away(SERVER)}
        </p>
      )}
      {catalogue.value === null || !shown ? (
        <Waiting />
      ) : catalogue.value.runs.length === 0 ? (
        <Notice title={t.value.shell.noRuns} code={t.value.shell.recordLine}>
          {t.value.shell.noRunsHow}
        </Notice>
      ) : (
        <Drawn key={shown.about.name} late={shown.late} props={{}} />
      )}
      {keysShown.value && <KeyList onClose={() => (keysShown.value = false)} />}
    </>
  );
}

/** The page chosen, and the one to show: the page before, if any, until all of this one is there. */
function usePage() {
  const chosen = pageParts.find(({ about }) => about.name === selection.value.page) ?? pageParts[0];
  const shown = useRef<typeof chosen>(undefined);
  // All is wanted at once, not when the first answer is there: they come at the same time.
  const over = chosen && [chosen.late.over, panelsReady(chosen.about.name)].every(Boolean);
  if (over) shown.current = chosen;
  return { chosen, shown: shown.current };
}

function Waiting() {
  const problem = catalogueProblem.value;
  return problem ? (
    <ProblemNotice problem={problem} />
  ) : (
    <Notice title={t.value.shell.loading} busy />
  );
}
