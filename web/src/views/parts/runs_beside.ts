/** Runs ticked in the list: drawn as lines beside the one in view, or joined into groups. */
import { type GroupLine, grouped, type RunLine } from "../../answers/groups.ts";
import { lineOf, tensorsOf } from "../../answers/tensors.ts";
import type { Answer } from "../../answers/wire.ts";
import { colourOf } from "../../controls/run_list.ts";
import { useAnswers } from "../../controls/use_answer.ts";
import { runName, runs } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { theme } from "../../state/theme.ts";
import { ordinalOf } from "./tensors.ts";

/** Names of the runs ticked that have tensors, the one in view not among them. */
export function runsBeside(): readonly string[] {
  const known = new Set(runs.value.flatMap(({ name, parameters }) => (parameters ? name : [])));
  return selection.value.overlay.filter((name) => known.has(name) && name !== runName.value);
}

/** Kinds whose tensors have the names of parameters. */
const OF_PARAMETERS = ["parameter", "gradient", "update", "spectrum"];

/** Answers of the runs ticked about some tensors over steps, by run; runs without them are not asked. */
export function useBeside(
  kind: string,
  parameters: readonly string[],
  wanted = true,
): readonly (readonly [string, Answer])[] {
  const names = wanted ? runsBeside() : [];
  const known = useAnswers(
    names.map((run) => ({ what: "tensors", run, kind: "parameter", steps: 0, at: [-1] })),
  );
  const having = names.flatMap((run, at) => {
    const answer = known[at]?.query?.run === run ? known[at]?.answer : null;
    const tensors = answer ? tensorsOf(answer) : null;
    if (!tensors?.kinds.includes(kind)) return [];
    const named = OF_PARAMETERS.includes(kind);
    const there = named ? parameters.filter((name) => tensors.names.includes(name)) : parameters;
    return named && there.length === 0 ? [] : { run, parameter: [...there] };
  });
  const outcomes = useAnswers(
    having.map(({ run, parameter }) => ({ what: "tensors", run, kind, parameter, steps: 60 })),
  );
  return outcomes.flatMap(({ answer, query }, at) => {
    const run = having[at]?.run;
    return answer && run !== undefined && query?.run === run ? [[run, answer] as const] : [];
  });
}

/** One number of a tensor in every run of some answers. */
export function linesIn(
  answers: readonly (readonly [string, Answer])[],
  column: string,
  name: string,
): RunLine[] {
  return answers.flatMap(([run, answer]) => {
    const tensors = tensorsOf(answer);
    const at = ordinalOf(tensors, name);
    if (at < 0 || !tensors.numbers[column]) return [];
    return { run, steps: tensors.steps, values: lineOf(tensors, column, at) };
  });
}

export interface ColouredLine extends GroupLine {
  readonly colour: string;
  /** The run in view is in it. */
  readonly main: boolean;
}

/** Lines of runs, joined into groups as the address says, each in the colour of its first run. */
export function coloured(lines: readonly RunLine[]): ColouredLine[] {
  return grouped(lines, selection.value.group).map((line) => ({
    ...line,
    colour: runColour(line.runs[0] ?? ""),
    main: line.runs.includes(runName.value ?? "."),
  }));
}

export function runColour(name: string): string {
  const card = runs.value.find((each) => each.name === name);
  return card ? colourOf(card, theme.value) : "var(--muted)";
}
