/** A page's frame: runs and controls on the left, the picture on the right, or why there is none. */
import type { ComponentChildren } from "preact";
import { t } from "../state/language.ts";
import { facts, runCard, runGone, runName, runOutcome } from "../state/run.ts";
import { Notice, ProblemNotice } from "./notice.tsx";
import { Runs } from "./runs.tsx";

interface FrameProps {
  /** Controls below the runs. */
  side?: ComponentChildren;
  /** What is shown needs no recorded step. */
  stepless?: boolean;
  children: ComponentChildren;
}

export function Frame({ side, stepless = false, children }: FrameProps) {
  const why = whyNot(stepless);
  return (
    <div class="frame">
      <aside>
        <Runs />
        {!why && side}
      </aside>
      <main>{why ?? children}</main>
    </div>
  );
}

/** What stands in the way of showing the chosen run, or null when nothing does. */
function whyNot(stepless: boolean) {
  const words = t.value.shell;
  const run = runCard.value;
  if (runGone.value) {
    return <Notice title={words.runGone(runName.value ?? "")}>{words.runGoneHow}</Notice>;
  }
  if (run?.problem) return <ProblemNotice problem={run.problem} />;
  if (run?.steps === 0)
    return stepless ? null : <Notice title={words.noSteps}>{words.noStepsHow}</Notice>;
  if (runOutcome.value.problem) return <ProblemNotice problem={runOutcome.value.problem} />;
  if (!facts.value) return runOutcome.value.slow ? <Notice title={words.loading} busy /> : <div />;
  return null;
}
