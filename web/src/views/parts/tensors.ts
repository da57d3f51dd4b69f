/**
 * What the page of weights asks for: numbers of tensors over steps for lines, the same at the step in
 * view, and which tensors are looked at.
 */
import { signal } from "@preact/signals";
import { numberAt, type Tensors, tensorsOf, upTo } from "../../answers/tensors.ts";
import type { Answer } from "../../answers/wire.ts";
import { useAnswer, useSoon } from "../../controls/use_answer.ts";
import { choose, facts, runName, step } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import type { Parameter, Problem, Query } from "../../types.ts";
import { type Alerts, beginnings, NO_ALERTS, useAlerts } from "./alerts.ts";
import { type Column, kindOf } from "./columns.ts";
import { clicked, shown } from "./tensor_rows.ts";

/** Kinds whose numbers columns may have beside those of the kind in view. */
const BESIDE = ["gradient", "update", "spectrum"] as const;

/** Steps that a line has at most, beside those of alerts. */
const STEPS = 60;

/** The step pointed at, in any picture of the page. */
export const pointedStep = signal<number | null>(null);

/** Numbers of the kind in view: over steps, and of all tensors at the first step and the one in view. */
export interface Numbers {
  readonly lines: Tensors;
  readonly first: Tensors | null;
  readonly now: Tensors | null;
}

export interface Recorded {
  /** null while nothing is known yet. */
  readonly shown: Numbers | null;
  /** The step whose numbers are shown: the one before till those of the one in view are there. */
  readonly at: number;
  readonly kinds: readonly string[];
  /** Over steps, by kind, the kind in view among them. */
  readonly numbers: Readonly<Record<string, Tensors>>;
  readonly alerts: Alerts;
  /** Whether alerts are known yet: the rest does not wait for them. */
  readonly judged: boolean;
  readonly problem: Problem | null;
}

const decoded = new WeakMap<Answer, Tensors>();

/** The tensors of an answer; null while it is still the one about another kind. */
function tensors(answer: Answer | null, kind: string): Tensors | null {
  if (!answer) return null;
  const made = decoded.get(answer) ?? tensorsOf(answer);
  decoded.set(answer, made);
  return made.kind === kind ? made : null;
}

/** The kind of tensor in view. */
export function kindShown(): string {
  return selection.value.kind;
}

/** Numbers of a kind over steps, those of alerts among them; nothing is asked where `wanted` is not. */
function useLines(kind: string, wanted: boolean, at: readonly number[]) {
  const run = runName.value ?? ".";
  return useAnswer(wanted ? { what: "tensors", run, kind, steps: STEPS, at: [...at] } : null);
}

/** Numbers of all tensors at one step, those of other kinds of the same tensors too. */
function atStep(kind: string, at: number | undefined | null): Query | null {
  const run = runName.value ?? ".";
  return at === undefined || at === null
    ? null
    : { what: "tensors", run, kind, steps: 0, at: [at] };
}

/** The step in view, and those beside it, which may be wanted next. */
function useNow(kind: string, wanted: boolean) {
  const steps = facts.value?.steps ?? [];
  const now = useAnswer(wanted ? atStep(kind, step.value) : null);
  const row = steps.indexOf(step.value ?? Number.NaN);
  const beside = now.answer && !now.stale ? [steps[row - 1], steps[row + 1]] : [];
  useSoon(beside.flatMap((at) => atStep(kind, at) ?? []));
  return now;
}

/** What is recorded of the tensors in view, and of other kinds beside them. */
export function useRecorded(): Recorded {
  const known = useAlerts();
  const at = known ? beginnings(known) : [];
  const kind = kindShown();
  const kinds = facts.value?.kinds ?? [];
  const there = kinds.includes(kind);
  const main = useLines(kind, there, at);
  const first = useAnswer(there ? atStep(kind, facts.value?.steps[0]) : null);
  const exact = useNow(kind, there);
  const numbers: Record<string, Tensors> = {};
  for (const other of BESIDE) {
    // Hooks are called in one order, whatever there is.
    const wanted = other !== kind && kind !== "activation" && kinds.includes(other);
    const lines = tensors(useLines(other, wanted, at).answer, other);
    if (lines && wanted) numbers[other] = lines;
  }
  const lines = tensors(main.answer, kind);
  if (lines) numbers[kind] = lines;
  const now = tensors(exact.answer, kind);
  return {
    shown: lines && { lines, first: tensors(first.answer, kind), now },
    at: now?.steps[0] ?? step.value ?? 0,
    kinds,
    numbers,
    alerts: known ?? NO_ALERTS,
    judged: known !== null,
    problem: main.problem ?? exact.problem ?? first.problem,
  };
}

const ordinals = new WeakMap<readonly string[], ReadonlyMap<string, number>>();

/** A tensor's ordinal among those of an answer; -1 where it has none. */
export function ordinalOf({ names }: Tensors, name: string): number {
  const known = ordinals.get(names) ?? new Map(names.map((each, at) => [each, at]));
  ordinals.set(names, known);
  return known.get(name) ?? -1;
}

/** A tensor's number at a step: of that very step, else of the nearest before it that has one. */
export function numberOf(
  { numbers, shown }: Recorded,
  each: Column,
  name: string,
  at: number,
  kind: string,
): number {
  const of = kindOf(each, kind);
  const now = shown?.now;
  if (now && now.steps[0] === at) {
    const number = of === kind ? each.number : `${of}_${each.number}`;
    const value = numberAt(now, number, 0, ordinalOf(now, name));
    if (!Number.isNaN(value)) return value;
  }
  const lines = numbers[of];
  return lines ? upTo(lines, each.number, ordinalOf(lines, name), at).value : Number.NaN;
}

/** What is known of the tensors of the kind in view. */
export function members(recorded: Recorded): readonly Parameter[] {
  return recorded.shown?.lines.members ?? NONE;
}
const NONE: readonly Parameter[] = [];
/** Until it is known which is worst, none is chosen. */
const UNKNOWN: readonly string[] = [];

/** The tensors looked at: those chosen, else the worst, else the first matrix. */
export function chosenTensors(recorded: Recorded): readonly string[] {
  if (!recorded.judged && selection.value.parameters.length === 0) return UNKNOWN;
  const worst = recorded.alerts.alerts.flatMap((alert) => alert.tensors);
  return shown(selection.value.parameters, members(recorded), worst);
}

/** Look at a tensor: alone, or beside those looked at. */
export function look(recorded: Recorded, name: string, beside: boolean): void {
  choose({ parameters: clicked(chosenTensors(recorded), name, beside) });
}

/** Go to a step and stay there. */
export function goTo(at: number): void {
  choose({ step: at, follow: false });
}
