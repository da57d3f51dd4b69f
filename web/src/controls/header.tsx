/** The row on top: pages, whether the run is training, language, keys. */
import { language, speak, t } from "../state/language.ts";
import { isLive } from "../state/life.ts";
import { runCard, step } from "../state/run.ts";
import { select } from "../state/selection.ts";
import { count } from "./format.ts";
import { type Page, pages } from "./pages.ts";

export function Header({ current, onKeys }: { current: Page | undefined; onKeys: () => void }) {
  const words = t.value.shell;
  return (
    <header class="top">
      <nav aria-label={words.pages}>
        {pages.value.map((page) => (
          <button
            type="button"
            key={page.name}
            class="tab"
            aria-current={page === current ? "page" : undefined}
            onClick={() => select({ page: page.name })}
          >
            {page.title[language.value]}
          </button>
        ))}
      </nav>
      <Live />
      <button
        type="button"
        class="plain"
        aria-label={words.otherLanguage}
        title={words.otherLanguage}
        onClick={() => speak(language.value === "zh" ? "en" : "zh")}
      >
        {language.value === "zh" ? "EN" : "中文"}
      </button>
      <button
        type="button"
        class="plain"
        aria-label={words.keys}
        title={words.keys}
        onClick={onKeys}
      >
        ?
      </button>
    </header>
  );
}

function Live() {
  const words = t.value.shell;
  const run = runCard.value;
  if (!run) return null;
  const live = isLive(run.written);
  return (
    <span class="live" role="status">
      <i class={live ? "dot on" : "dot"} aria-hidden="true" />
      {live ? words.live : words.resting}
      {step.value !== null && <> · {words.step(count(step.value))}</>}
    </span>
  );
}
