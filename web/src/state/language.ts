/** The language spoken: chosen, remembered, or the browser's. */
import { computed, effect } from "@preact/signals";
import { en, zh } from "../messages/index.ts";
import { type Language, select, selection } from "./selection.ts";

const KEPT = "limelight.language";

export const language = computed<Language>(
  () => selection.value.language ?? remembered() ?? preferred(),
);

/** Every visible string, in the language spoken. */
export const t = computed(() => (language.value === "zh" ? zh : en));

/** The same words in both languages. */
export interface Spoken<Words> {
  readonly en: Words;
  readonly zh: NoInfer<Words>;
}

/** The words of one file in the language spoken; what it returns is called where they are shown. */
export function spoken<Words>(words: Spoken<Words>): () => Words {
  return () => words[language.value];
}

export function speak(chosen: Language): void {
  try {
    localStorage.setItem(KEPT, chosen);
  } catch {
    // a page without storage still speaks; it just forgets
  }
  select({ language: chosen });
}

export function bindLanguage(): void {
  effect(() => {
    document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
  });
}

function remembered(): Language | null {
  try {
    const stored = localStorage.getItem(KEPT);
    return stored === "en" || stored === "zh" ? stored : null;
  } catch {
    return null;
  }
}

function preferred(): Language {
  return typeof navigator !== "undefined" && navigator.language.startsWith("zh") ? "zh" : "en";
}
