/** What goes wrong in the run in view, or went: as its recording has it, and the words for it. */
import type { Answer } from "../../answers/wire.ts";
import { useAnswer } from "../../controls/use_answer.ts";
import { language } from "../../state/language.ts";
import { runName } from "../../state/run.ts";
import { type AlertFact, RULES, type RuleWords } from "../../types.ts";

export interface Alerts {
  /** Most harm first. */
  readonly alerts: readonly AlertFact[];
  /** Rules that ran and found nothing, and rules that could not run. */
  readonly quiet: readonly string[];
  readonly lacking: readonly string[];
}

export const NO_ALERTS: Alerts = { alerts: [], quiet: [], lacking: [] };

/** Steps of alerts that pictures show for certain. */
const MOST = 8;

/** The alerts; null while they are not known yet. A server that knows none has none. */
export function useAlerts(): Alerts | null {
  const { answer, problem } = useAnswer({ what: "alerts", run: runName.value ?? "." });
  if (answer) return alertsOf(answer);
  return problem ? NO_ALERTS : null;
}

const known = new WeakMap<Answer, Alerts>();

function alertsOf(answer: Answer): Alerts {
  const list = (name: string) => (answer.attrs[name] ?? []) as readonly string[];
  const alerts = known.get(answer) ?? {
    alerts: (answer.attrs.alerts ?? []) as readonly AlertFact[],
    quiet: list("quiet"),
    lacking: list("lacking"),
  };
  known.set(answer, alerts);
  return alerts;
}

/** A rule's words; one of another package has its name. */
export function wordsOfRule(rule: string): RuleWords {
  const card = RULES[rule];
  return card?.[language.value] ?? { title: rule.replaceAll("_", " "), says: "", usually: "" };
}

/** The steps at which something began, those of most harm first; each once. */
export function beginnings({ alerts }: Alerts): readonly number[] {
  return [...new Set(alerts.map(({ since }) => since))].slice(0, MOST);
}

/** Alerts by the tensors they speak of; an alert of a module speaks of its parameters. */
export function harmOf({ alerts }: Alerts, name: string): AlertFact | null {
  return alerts.find(({ tensors }) => tensors.includes(name)) ?? null;
}
