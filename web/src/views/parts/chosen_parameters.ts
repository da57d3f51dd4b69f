/** The parameters whose histograms are shown. */
import { choose, facts } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import type { Parameter } from "../../types.ts";
import { shown, toggled } from "./parameter_rows.ts";

const NONE: readonly Parameter[] = [];

/** Every parameter that the run records. */
export function recordedParameters(): readonly Parameter[] {
  return facts.value?.parameters ?? NONE;
}

/** Those chosen, else the usual ones. */
export function chosenParameters(): readonly string[] {
  return shown(selection.value.parameters, recordedParameters());
}

/** Show another parameter, or no longer one that is shown. */
export function toggleParameter(name: string): void {
  choose({ parameters: toggled(chosenParameters(), name) });
}
