/** Which sites a model has at a step: they may come and go, and change their sizes. */
import type { RunFacts, Site } from "../types.ts";

type Changing = Pick<RunFacts, "steps" | "sites" | "forms" | "changes">;

/** The sites of a step, as the model has them then, in the order they run. */
export function sitesAt({ sites, forms, changes }: Changing, step: number): readonly Site[] {
  if (changes.length === 0) return sites;
  const change = changes.findLast((each) => each.step <= step);
  return change?.forms.flatMap((form) => forms[form] ?? []) ?? [];
}

/** The recorded steps at which the model has a site of some name. */
export function stepsOf(facts: Changing, name: string): readonly number[] {
  return facts.steps.filter((step) => sitesAt(facts, step).some((site) => site.name === name));
}
