/** What studies say of each head, from answers to `what: "study"`. */
import type { StudyFact } from "../types.ts";
import type { Answer } from "./wire.ts";

/** A study's numbers of heads. */
export interface HeadStudy {
  readonly fact: StudyFact;
  readonly answer: Answer;
  readonly sites: readonly string[];
  /** What is taken away at once: a head, or all heads that share their keys. */
  readonly by: "head" | "key_group";
  /** Of these, those of the site that has most. */
  readonly most: number;
  /** What its numbers may claim. */
  readonly tier: string;
  readonly metric: string;
  readonly units: string;
  /** `lower`, `higher`, or empty where nobody said. */
  readonly better: string;
  /** The metric of the whole model. */
  readonly baseline: number;
}

export interface HeadRow {
  readonly site: string;
  /** The site's ordinal among all. */
  readonly at: number;
  readonly head: number;
  readonly effect: number;
  readonly low: number;
  readonly high: number;
  /** Ends of the 50 % interval; NaN where that is not known. */
  readonly halfLow: number;
  readonly halfHigh: number;
  readonly adjusted: number;
  /** The effect on the half of the data that did not choose the head, and its interval. */
  readonly heldOut: number;
  readonly heldOutLow: number;
  readonly heldOutHigh: number;
  readonly firstOrder: number;
  readonly importance: number;
  readonly importanceLow: number;
  readonly importanceHigh: number;
  /** A study that measures it runs, and has no number of it yet. */
  readonly pending: boolean;
}

export function headStudy(answer: Answer, fact: StudyFact): HeadStudy {
  const { attrs, variables } = answer;
  const text = variables.site?.text;
  const sites = Array.isArray(text) ? text.map(String) : [];
  return {
    fact: (attrs.study_fact as StudyFact | undefined) ?? fact,
    answer,
    sites,
    by: variables.key_group ? "key_group" : "head",
    most: (variables.key_group ?? variables.head)?.shape[0] ?? 0,
    tier: String(attrs.tier ?? fact.tier),
    metric: String(attrs.metric ?? fact.settings.metric ?? ""),
    units: String(attrs.units ?? ""),
    better: String(attrs.better ?? ""),
    baseline: Number(attrs.baseline ?? Number.NaN),
  };
}

/** A number of a head; NaN where the study has none. */
export function numberOf(study: HeadStudy | null, name: string, site: string, head: number) {
  const row = study?.sites.indexOf(site) ?? -1;
  if (!study || row < 0 || head >= study.most) return Number.NaN;
  return study.answer.variables[name]?.data[row * study.most + head] ?? Number.NaN;
}

interface Known {
  readonly name: string;
  readonly heads: number;
}

/** Every head of the sites recorded, or, of a run without, of those studied. */
export function headRows(
  recorded: readonly Known[],
  ablation: HeadStudy | null,
  importance: HeadStudy | null,
): HeadRow[] {
  const studied = ablation ?? importance;
  const own = new Set(recorded.map(({ name }) => name));
  const others = (studied?.sites ?? []).filter((site) => !own.has(site));
  const lengths = others.map((site) => ({ name: site, heads: headsOf(studied, site) }));
  const running = [ablation, importance].some((study) => study?.fact.state === "running");
  const finished = ablation?.fact.state === "finished";
  return [...recorded, ...lengths].flatMap(({ name, heads }, at) =>
    Array.from({ length: heads }, (_, head) => {
      const of = (study: HeadStudy | null, variable: string) =>
        numberOf(study, variable, name, head);
      const effect = of(ablation, "effect");
      return {
        site: name,
        at,
        head,
        effect,
        low: of(ablation, "low"),
        high: of(ablation, "high"),
        halfLow: of(ablation, "half_low"),
        halfHigh: of(ablation, "half_high"),
        // A test looked at before its end finds too much.
        adjusted: finished ? of(ablation, "p_adjusted") : Number.NaN,
        heldOut: of(ablation, "effect_held_out"),
        heldOutLow: of(ablation, "held_out_low"),
        heldOutHigh: of(ablation, "held_out_high"),
        firstOrder: of(importance, "first_order"),
        importance: of(importance, "importance"),
        importanceLow: of(importance, "low"),
        importanceHigh: of(importance, "high"),
        pending: running && Number.isNaN(effect),
      };
    }),
  );
}

/** Heads of a site that only a study knows: up to the last that has a number. */
function headsOf(study: HeadStudy | null, site: string): number {
  if (!study || study.fact.state === "running") return study?.most ?? 0;
  for (let head = study.most - 1; head >= 0; head--) {
    for (const name of ["effect", "importance"]) {
      if (Number.isFinite(numberOf(study, name, site, head))) return head + 1;
    }
  }
  return 0;
}

/** How much worse the metric is without the head; of one that nobody said better of, its change. */
export function harmOf({ effect }: HeadRow, study: HeadStudy | null): number {
  return study?.better === "higher" ? -effect : effect;
}

/** Whether numbers may lie on both sides of 0; of others nothing is said of 0. */
export function isSigned(study: HeadStudy | null): boolean {
  return study !== null && study.metric !== "change";
}

/** Adjusted p below which a head is said to matter. */
export const LEVEL = 0.05;

export function survives({ adjusted }: HeadRow): boolean {
  return adjusted < LEVEL;
}

/** Heads with a number, the most harm first. */
export function byHarm(rows: readonly HeadRow[], study: HeadStudy | null): HeadRow[] {
  const measured = rows.filter(({ effect }) => Number.isFinite(effect));
  return measured.sort((a, b) => harmOf(b, study) - harmOf(a, study));
}

/** The rows of the forest: the greatest, then the lowest, and how many lie between. */
export function forestRows(ordered: readonly HeadRow[], most: number, lowest: number) {
  if (ordered.length <= most + lowest) return { rows: ordered, gap: null, left: 0 };
  const rows = [...ordered.slice(0, most), ...ordered.slice(-lowest)];
  return { rows, gap: most, left: ordered.length - rows.length };
}

/**
 * The head to look at first: that of the greatest harm among those that survive correction, else of
 * the greatest harm, else of the greatest importance.
 */
export function firstHead(rows: readonly HeadRow[], study: HeadStudy | null): HeadRow | null {
  const ordered = byHarm(rows, study);
  const best = ordered.find(survives) ?? ordered[0];
  if (best) return best;
  const weighed = rows.filter(({ importance }) => Number.isFinite(importance));
  return weighed.reduce<HeadRow | null>(
    (most, row) => (most === null || row.importance > most.importance ? row : most),
    null,
  );
}
