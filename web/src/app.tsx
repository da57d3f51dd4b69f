/** The page as a whole: header, the page chosen, and what is said when there is nothing to show. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { catalogue, catalogueProblem } from "./client/client.ts";
import { Header } from "./controls/header.tsx";
import { KeyList } from "./controls/key_list.tsx";
import { onKey } from "./controls/keys.ts";
import { Notice, ProblemNotice } from "./controls/notice.tsx";
import { type Page, pages } from "./controls/pages.ts";
import { t } from "./state/language.ts";
import { accepts } from "./state/run.ts";
import { selection } from "./state/selection.ts";

const files = import.meta.glob<{ page?: Page }>("./views/pages/*.tsx", { eager: true });

pages.value = Object.values(files)
  .flatMap((file) => file.page ?? [])
  .sort((a, b) => a.order - b.order);

export const keysShown = signal(false);

export function App() {
  const page = pages.value.find(({ name }) => name === selection.value.page) ?? pages.value[0];
  useEffect(() => {
    if (page) accepts.value = page.accepts;
  }, [page]);
  useEffect(() => onKey("?", () => (keysShown.value = !keysShown.value)), []);
  const Component = page?.component;
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
        Component && <Component key={page?.name} />
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
