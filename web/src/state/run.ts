/** The run in view: its facts, its steps, and which of each the selection comes to. */
import { computed, signal } from "@preact/signals";
import { nearest } from "../answers/series.ts";
import { sitesAt, stepsOf } from "../answers/sites.ts";
import type { Answer } from "../answers/wire.ts";
import { card, catalogue, follow } from "../client/client.ts";
import type { Example, Parameter, RunCard, RunFacts, Site, SiteChange, Words } from "../types.ts";
import { language } from "./language.ts";
import { type Selection, select, selection } from "./selection.ts";

export { nearest };

/** A site that is not there at the step in view, and the recorded step nearest it that has it. */
export interface Absent {
  readonly name: string;
  readonly nearest: number;
}

/** Every run that the server lists, newest first. */
export const runs = computed<readonly RunCard[]>(() => catalogue.value?.runs ?? []);

/** A measure's words in the language spoken, from its card; one without a card has its name. */
export function wordsOf(measure: string): Words {
  const card = catalogue.value?.analyses.find(({ name }) => name === measure);
  if (!card) return { title: measure.replaceAll("_", " "), answers: "" };
  return language.value === "zh" ? card.zh : card;
}

/** Whether a run has what the page in view shows; the page says so. */
export const accepts = signal<(run: RunCard) => boolean>(() => true);

/** The run that a page without a chosen one came to, and stays with. */
let settled: string | null = null;

/**
 * The chosen run. Without one, the newest that has what the page shows, else the newest; that one
 * stays, also while others are written, for as long as it is there and has what the page shows.
 */
export const runName = computed<string | null>(() => {
  const { run } = selection.value;
  if (run !== null) return run;
  const before = runs.value.find(({ name }) => name === settled);
  if (!before || !accepts.value(before)) {
    const newest = runs.value.filter((each) => !each.set_aside);
    settled = (newest.find(accepts.value) ?? before ?? newest[0])?.name ?? null;
  }
  return settled;
});

export const runCard = computed<RunCard | null>(() => card(runName.value));

/** Chosen, but no longer (or never) among the runs. */
export const runGone = computed(
  () => catalogue.value !== null && runName.value !== null && runCard.value === null,
);

const asked = follow(() => {
  const run = runCard.value;
  return run && !run.problem && run.steps > 0 ? { what: "run", run: run.name } : null;
});

export const runOutcome = asked.outcome;

export const facts = computed<RunFacts | null>(() => {
  const answer = runOutcome.value.answer;
  return answer && factsOf(answer);
});

/** The step in view: the newest while following, else the recorded step nearest the chosen one. */
export const step = computed<number | null>(() => {
  const steps = facts.value?.steps ?? [];
  const { follow: following, step: chosen } = selection.value;
  const newest = steps.at(-1) ?? null;
  if (following || chosen === null || newest === null) return newest;
  return nearest(steps, chosen);
});

/** The sites that the model has at the step in view, as it has them then. */
export const sites = computed<readonly Site[]>(() =>
  facts.value && step.value !== null ? sitesAt(facts.value, step.value) : [],
);

/** The site chosen, if the model has it at the step in view; else null, and `absent` says so. */
export const site = computed<Site | null>(() => {
  if (absent.value) return null;
  return sites.value.find(({ name }) => name === selection.value.site) ?? sites.value[0] ?? null;
});

/** The site chosen, where the model has none of that name at the step in view but at others. */
export const absent = computed<Absent | null>(() => {
  // Where a step has no site at all, it is the first that others have.
  const name = selection.value.site ?? (sites.value.length === 0 && facts.value?.sites[0]?.name);
  if (!facts.value || step.value === null || !name) return null;
  if (sites.value.some((each) => each.name === name)) return null;
  const having = stepsOf(facts.value, name);
  return having.length > 0 ? { name, nearest: nearest(having, step.value) } : null;
});

export const head = computed(() =>
  Math.min(selection.value.head, Math.max(0, (site.value?.heads ?? 1) - 1)),
);

export const example = computed<Example | null>(() => {
  const examples = facts.value?.examples ?? [];
  return examples.find((each) => each.index === selection.value.example) ?? examples[0] ?? null;
});

/** Change the selection as a person's deed: the run in view is then the chosen one. */
export function choose(change: Partial<Selection>): void {
  select({ run: runName.value, ...change });
}

/** Go `by` recorded steps on or back; stops following. */
export function stepBy(by: number): void {
  const steps = facts.value?.steps ?? [];
  const at = steps.indexOf(step.value ?? Number.NaN);
  const to = steps[Math.max(0, Math.min(steps.length - 1, at + by))];
  if (to !== undefined) choose({ step: to, follow: false });
}

/** The facts of a run, from the answer to `what: "run"`. */
export function factsOf(answer: Answer): RunFacts {
  const attrs = answer.attrs;
  return {
    run: String(attrs.run),
    schema: Number(attrs.schema),
    steps: Array.from(answer.variables.step?.data ?? []),
    epochs: Array.from(answer.variables.epoch?.data ?? []),
    sites: attrs.sites as readonly Site[],
    forms: attrs.forms as readonly Site[],
    changes: attrs.changes as readonly SiteChange[],
    examples: attrs.examples as readonly Example[],
    parameters: attrs.parameters as readonly Parameter[],
    precision: attrs.precision as RunFacts["precision"],
    kinds: (attrs.kinds ?? []) as readonly string[],
    problems: (attrs.problems ?? []) as readonly string[],
  };
}
