/** All heads of the run with what studies and measures say of them, as the panels of Heads share it. */
import { signal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import {
  firstHead,
  type HeadRow,
  type HeadStudy,
  headRows,
  headStudy,
} from "../../answers/head_numbers.ts";
import { pointOf, type Series, seriesOf } from "../../answers/series.ts";
import { shortNames } from "../../answers/site_names.ts";
import { useAnswer, useAnswers } from "../../controls/use_answer.ts";
import { runCard, runName, sites, step } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import type { Problem, StudyFact } from "../../types.ts";
import { siteOrder } from "./site_order.ts";

/** The head pointed at, in whichever panel. */
export const pointedHead = signal<{ site: string; head: number } | null>(null);

export interface Heads {
  /** What was studied, oldest first. */
  readonly list: readonly StudyFact[];
  /** Heads taken away. */
  readonly ablation: HeadStudy | null;
  /** Of the ablation that was asked for, also where it has no number yet. */
  readonly asked: StudyFact | null;
  readonly importance: HeadStudy | null;
  readonly rows: readonly HeadRow[];
  readonly sites: readonly string[];
  /** What each site is called in short. */
  readonly names: readonly string[];
  /** What a row is: a head, or a group of heads that share their keys, of which no map is drawn. */
  readonly by: "head" | "key_group";
  /** Measures of each site, by its name. */
  readonly measured: ReadonlyMap<string, readonly Series[]>;
  readonly examples: number;
  /** Everything that was asked for is there. */
  readonly whole: boolean;
  readonly slow: boolean;
  readonly problem: Problem | null;
}

/** Ablations that can be shown, newest last; and the one that is. */
export function ablationsOf(list: readonly StudyFact[]): readonly StudyFact[] {
  return list.filter(
    ({ name, settings }) => name === "ablation" && (settings.scheme ?? "one") === "one",
  );
}

export function useHeads(): Heads {
  const run = runName.value;
  const studied = runCard.value !== null && runCard.value.studied > 0;
  const listed = useAnswer(run !== null && studied ? { what: "studies", run } : null);
  const list = (listed.answer?.attrs.studies ?? NONE) as readonly StudyFact[];
  const ablations = ablationsOf(list);
  const asked =
    ablations.find(({ key }) => key === selection.value.study) ?? ablations.at(-1) ?? null;
  const weighed = list.findLast(({ name }) => name === "importance") ?? null;
  const [first, second] = [useStudy(run, asked), useStudy(run, weighed)];
  const order = siteOrder.value;
  const recorded = useMemo(
    () => order.map(({ site: { name, heads } }) => ({ name, heads })),
    [order],
  );
  const by = first.study?.by ?? "head";
  const weights = second.study?.by === by ? second.study : null;
  const rows = useMemo(
    () => headRows(by === "head" ? recorded : [], first.study, weights),
    [recorded, first.study, weights],
  );
  const names = useMemo(() => [...new Set(rows.map(({ site }) => site))], [rows]);
  const measures = useMeasures(run);
  const short = useMemo(() => shortNames(names, LETTERS), [names]);
  return {
    list,
    ablation: first.study,
    asked,
    importance: weights,
    rows,
    sites: names,
    names: short,
    by,
    measured: by === "head" ? measures.measured : NONE_MEASURED,
    examples: measures.examples,
    whole: (!studied || listed.answer !== null) && !first.waiting && !second.waiting,
    slow: listed.slow || first.slow || second.slow,
    problem: listed.problem ?? first.problem ?? second.problem,
  };
}

/** Letters of a layer's name that its label has room for. */
const LETTERS = 16;

const NONE: readonly StudyFact[] = [];
const NONE_MEASURED: ReadonlyMap<string, readonly Series[]> = new Map();

function useStudy(run: string | null, fact: StudyFact | null) {
  const { answer, problem, slow } = useAnswer(
    run !== null && fact ? { what: "study", run, study: fact.key } : null,
  );
  const study = useMemo(() => (answer && fact ? headStudy(answer, fact) : null), [answer, fact]);
  // A study that has just begun has no number: that is no problem, it is seen as it comes.
  const early = problem !== null && fact !== null && fact.n === 0;
  return {
    study,
    slow,
    problem: early ? null : problem,
    waiting: fact !== null && !answer && !problem,
  };
}

/** Measures of every site at all steps, means over examples. */
function useMeasures(run: string | null) {
  const shown = sites.value;
  const outcomes = useAnswers(
    run === null
      ? []
      : shown.map(({ name }) => ({ what: "measures", run, site: name, steps: 1000 }) as const),
  );
  const answers = useSame(outcomes.map(({ answer }) => answer));
  return useMemo(() => {
    const measured = new Map(
      shown.flatMap(({ name }, at) => {
        const answer = answers[at];
        return answer ? [[name, seriesOf(answer)] as const] : [];
      }),
    );
    return { measured, examples: Number(answers[0]?.attrs.examples ?? 0) };
  }, [shown, answers]);
}

/** The list of before, for as long as each of its elements is the same. */
function useSame<T>(list: readonly T[]): readonly T[] {
  const before = useRef(list);
  const same =
    before.current.length === list.length && list.every((each, at) => each === before.current[at]);
  if (!same) before.current = list;
  return before.current;
}

/** A measure of a head at the step in view. */
export function measureOf(heads: Heads, name: string, site: string, head: number) {
  const series = heads.measured.get(site)?.find((each) => each.name === name);
  return series ? pointOf(series, head, step.value ?? 0) : null;
}

/** What a head is called: its layer's short name and its number. */
export function labelOf(heads: Heads, { at, head }: Pick<HeadRow, "at" | "head">): string {
  return `${heads.names[at] ?? at}·${heads.by === "head" ? "" : "g"}${head}`;
}

/** The head chosen, or the one to look at first. */
export function chosenHead(heads: Heads): HeadRow | null {
  const { site, head } = selection.value;
  const named = heads.rows.find((row) => row.site === site && row.head === head);
  return named ?? firstHead(heads.rows, heads.ablation) ?? heads.rows[0] ?? null;
}

/** What the cells of the matrix are filled by. */
export interface Fill {
  readonly name: string;
  readonly value: (row: HeadRow) => number;
  /** Its numbers lie on both sides of 0. */
  readonly signed: boolean;
}

/** What the matrix can be filled by, the usual first: what was measured by taking heads away. */
export function fillsOf(heads: Heads): readonly Fill[] {
  const fills: Fill[] = [];
  if (heads.asked)
    fills.push({
      name: "ablation",
      value: ({ effect }) => effect,
      signed: heads.ablation?.metric !== "change",
    });
  if (heads.importance) {
    fills.push({ name: "first_order", value: ({ firstOrder }) => firstOrder, signed: true });
    fills.push({ name: "importance", value: ({ importance }) => importance, signed: false });
  }
  const names = new Set([...heads.measured.values()].flat().map(({ name }) => name));
  // Entropy says most of a head by itself.
  const ordered = [...names].sort((a, b) => Number(b === "entropy") - Number(a === "entropy"));
  for (const name of ordered) {
    const value = ({ site, head }: HeadRow) =>
      measureOf(heads, name, site, head)?.value ?? Number.NaN;
    fills.push({ name, value, signed: false });
  }
  return fills;
}

export function fillShown(heads: Heads): Fill | null {
  const fills = fillsOf(heads);
  return fills.find(({ name }) => name === selection.value.fill) ?? fills[0] ?? null;
}
