/** The page of the model's parameters, whose tab reads "Weights": how is each layer's distribution changing? */
import { useMemo } from "preact/hooks";
import { ridgesOf } from "../../answers/ridges.ts";
import { nearest } from "../../answers/series.ts";
import { extent, type Ridges, readable } from "../../cells/ridges.ts";
import { CopyLine } from "../../controls/copy_line.tsx";
import { count } from "../../controls/format.ts";
import { Frame } from "../../controls/frame.tsx";
import { Notice, ProblemNotice } from "../../controls/notice.tsx";
import type { Page } from "../../controls/pages.ts";
import { useAnswer } from "../../controls/use_answer.ts";
import { stepColour } from "../../draw/ridges.ts";
import { t } from "../../state/language.ts";
import { choose, facts, runCard, runName, step } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { theme } from "../../state/theme.ts";
import type { Parameter } from "../../types.ts";
import { ParameterTable } from "../panels/parameter_table.tsx";
import { Panel } from "../panels/ridges.tsx";
import { Steps } from "../panels/steps.tsx";
import { MOST, python, rowsOf, shown, toggled } from "../parts/parameter_rows.ts";

const NO_PARAMETERS: readonly Parameter[] = [];

function Parameters() {
  return (
    <Frame side={<Steps />}>{runCard.value?.parameters ? <Distributions /> : <Unrecorded />}</Frame>
  );
}

function Unrecorded() {
  const words = t.value.parameters;
  return (
    <Notice title={words.none} code={words.noneLine}>
      {words.noneHow}
    </Notice>
  );
}

function Distributions() {
  const words = t.value.parameters;
  const parameters = facts.value?.parameters ?? NO_PARAMETERS;
  const chosen = shown(selection.value.parameters, parameters);
  const gone = selection.value.parameters.filter((name) => !chosen.includes(name));
  const toggle = (name: string) => choose({ parameters: toggled(chosen, name) });
  return (
    <div class="parameters">
      <header>
        <h2>{words.heading}</h2>
        <span class="sub">
          {words.parts(
            count(parameters.length),
            count(parameters.reduce((sum, parameter) => sum + parameter.size, 0)),
          )}
        </span>
        <Axis />
      </header>
      {gone.length > 0 && <p class="sub">{words.gone(gone.join(", "))}</p>}
      <Panels chosen={chosen} onToggle={toggle} />
      <Table chosen={chosen} onToggle={toggle} />
      <footer>
        <span>{words.caution}</span>
        <CopyLine line={python(chosen)} />
      </footer>
    </div>
  );
}

function Axis() {
  const words = t.value.parameters;
  return (
    <fieldset class="switch">
      <legend>{words.axis}</legend>
      {(["shared", "own"] as const).map((axis) => (
        <button
          type="button"
          key={axis}
          class="pill"
          aria-pressed={selection.value.axis === axis}
          onClick={() => choose({ axis })}
        >
          {words[axis]}
        </button>
      ))}
    </fieldset>
  );
}

interface ChosenProps {
  chosen: readonly string[];
  onToggle: (name: string) => void;
}

function Panels({ chosen, onToggle }: ChosenProps) {
  const run = runName.value ?? ".";
  const { answer, problem } = useAnswer({ what: "parameters", run, parameter: chosen });
  const all = useMemo(() => (answer ? ridgesOf(answer).map(readable) : []), [answer]);
  const together = useMemo(() => extent(all), [all]);
  if (problem) return <ProblemNotice problem={problem} />;
  const rows = all[0]?.rows ?? [];
  const steps = rows.map((ridge) => ridge.step);
  const near = steps.length > 0 && step.value !== null ? nearest(steps, step.value) : null;
  const row = near === null ? null : steps.indexOf(near);
  const [first = 0, last = 0] = [steps[0], steps.at(-1)];
  return (
    <>
      <section class="panels" aria-label={t.value.parameters.heading}>
        {all.map((ridges: Ridges) => (
          <Panel
            key={ridges.parameter}
            ridges={ridges}
            domain={
              selection.value.axis === "shared"
                ? together && extent([ridges]) && together
                : extent([ridges])
            }
            first={first}
            last={last}
            chosen={row}
            onRemove={chosen.length > 1 ? () => onToggle(ridges.parameter) : null}
          />
        ))}
      </section>
      <Key steps={steps} near={near} />
    </>
  );
}

/** What the colours and heights mean. */
function Key({ steps, near }: { steps: readonly number[]; near: number | null }) {
  const words = t.value.parameters;
  const recorded = facts.value?.steps.length ?? 0;
  const [first = 0, last = 0] = [steps[0], steps.at(-1)];
  const dark = theme.value === "dark";
  const stops = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((at) => stepColour(at, 0, 8, dark)).join(", ");
  return (
    <div class="meaning sub">
      <span class="scale" title={words.olderNewer}>
        {words.step} {count(first)}
        <i aria-hidden="true" style={{ background: `linear-gradient(to right, ${stops})` }} />
        {count(last)}
      </span>
      <span>
        <i class="in-view" aria-hidden="true" />{" "}
        {near === step.value || near === null ? words.inView : words.nearestShown(count(near))}
      </span>
      {steps.length < recorded && (
        <span>{words.someSteps(count(steps.length), count(recorded))}</span>
      )}
      <span>{words.readHint}</span>
      <span>{words.densityWhat}</span>
    </div>
  );
}

function Table({ chosen, onToggle }: ChosenProps) {
  const words = t.value.parameters;
  const parameters = facts.value?.parameters ?? NO_PARAMETERS;
  const run = runName.value ?? ".";
  const asked = step.value === null ? null : { what: "summary" as const, run, step: step.value };
  const { answer, problem } = useAnswer(asked);
  const rows = useMemo(() => (answer ? rowsOf(answer, parameters) : []), [answer, parameters]);
  if (problem) return <ProblemNotice problem={problem} />;
  if (!answer) return null;
  const { step: at, first_step: first } = answer.attrs;
  return (
    <section class="all" data-step={String(at)}>
      <h2>
        {words.table}{" "}
        <span class="sub">
          {words.tableAt(count(Number(at)), count(Number(first)))} · {words.nearZeroIs}{" "}
          {chosen.length === MOST && words.most(MOST)}
        </span>
      </h2>
      <ParameterTable rows={rows} chosen={chosen} onToggle={onToggle} />
    </section>
  );
}

export const page: Page = {
  name: "parameters",
  order: 4,
  title: (words) => words.parameters.title,
  accepts: (run) => run.parameters,
  component: Parameters,
};
