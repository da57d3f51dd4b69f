/** The Attention page: where does each head look, on this input, at this step? */
import { useEffect, useMemo } from "preact/hooks";
import { type Series, seriesOf } from "../../answers/series.ts";
import type { Scale } from "../../cells/scale.ts";
import type { Reduce } from "../../contract.ts";
import { CopyLine } from "../../controls/copy_line.tsx";
import { Field } from "../../controls/field.tsx";
import { Frame } from "../../controls/frame.tsx";
import { onKey } from "../../controls/keys.ts";
import { Notice, ProblemNotice } from "../../controls/notice.tsx";
import { type Page, pages } from "../../controls/pages.ts";
import { useAnswer } from "../../controls/use_answer.ts";
import { t } from "../../state/language.ts";
import { choose, facts, head, runCard, runName, site, step } from "../../state/run.ts";
import { select, selection } from "../../state/selection.ts";
import { ChosenHead, pythonLine } from "../panels/chosen_head.tsx";
import { Examples } from "../panels/examples.tsx";
import { HeadsGrid } from "../panels/heads_grid.tsx";
import { MeasureCurve } from "../panels/measure_curve.tsx";
import { Steps } from "../panels/steps.tsx";
import { ThisHead } from "../panels/this_head.tsx";
import { moveHead, movePin, unpin } from "../parts/pointing.ts";

function Attention() {
  useKeys();
  if (facts.value && facts.value.sites.length === 0) return <NoAttention />;
  return <WithAttention />;
}

function WithAttention() {
  const words = t.value.attention;
  const outcome = useAnswer(
    runName.value !== null && site.value
      ? { what: "measures", run: runName.value, site: site.value.name, steps: 1000 }
      : null,
  );
  const series = useMemo(() => (outcome.answer ? seriesOf(outcome.answer) : []), [outcome.answer]);
  const { colour } = selection.value;
  const shown = series.find((measure) => measure.name === colour) ?? usual(series);
  const now = step.value ?? 0;
  return (
    <Frame
      side={
        <>
          <Steps />
          <Examples />
          <Colours series={series} />
          <ThisHead
            series={series}
            head={head.value}
            step={now}
            examples={Number(outcome.answer?.attrs.examples ?? 0)}
          />
        </>
      }
    >
      <div class="attention">
        <div class="overview">
          <HeadsGrid />
          {outcome.problem && <ProblemNotice problem={outcome.problem} />}
          {shown && <MeasureCurve series={shown} head={head.value} step={now} />}
        </div>
        <ChosenHead />
      </div>
      <footer>
        <span>{words.caution}</span>
        <CopyLine line={pythonLine()} />
      </footer>
    </Frame>
  );
}

function usual(series: readonly Series[]): Series | undefined {
  return series.find((measure) => measure.name === "entropy") ?? series[0];
}

function Colours({ series }: { series: readonly Series[] }) {
  const words = t.value.attention;
  const { colour, scale, reduce } = selection.value;
  const measures = series.map((measure) => [measure.name, words.measure(measure.name)] as const);
  return (
    <section>
      <h3>{words.colours}</h3>
      <Field
        name={words.colour}
        hint={words.colourWhat}
        value={colour}
        options={[["map", words.map], ...measures]}
        onChoose={(value) => choose({ colour: value })}
      />
      <Field<Scale>
        name={words.scale}
        hint={words.scaleWhat}
        value={scale}
        options={(["linear", "sqrt", "log", "percentile"] as const).map((scale) => [
          scale,
          words.scales[scale],
        ])}
        onChoose={(value) => choose({ scale: value })}
      />
      <Field<Reduce>
        name={words.reduce}
        hint={words.reduceWhat}
        value={reduce}
        options={(["max", "mean"] as const).map((reduce) => [reduce, words.reduces[reduce]])}
        onChoose={(value) => choose({ reduce: value })}
      />
    </section>
  );
}

function NoAttention() {
  const words = t.value.attention;
  const run = runCard.value;
  const other = pages.value.find((each) => each.name !== page.name && run && each.accepts(run));
  return (
    <Frame>
      <Notice title={words.none} code={words.noneLine} action={other && <Onward page={other} />}>
        {words.noneHow}
      </Notice>
    </Frame>
  );
}

function Onward({ page: other }: { page: Page }) {
  return (
    <button
      type="button"
      class="pill"
      onClick={() => select({ run: runName.value, page: other.name })}
    >
      {t.value.attention.goTo(other.title(t.value))}
    </button>
  );
}

function useKeys() {
  useEffect(() => {
    const stops = [
      onKey("ArrowLeft", () => moveHead(0, -1)),
      onKey("ArrowRight", () => moveHead(0, 1)),
      onKey("ArrowUp", () => moveHead(-1, 0)),
      onKey("ArrowDown", () => moveHead(1, 0)),
      onKey("Shift+ArrowLeft", () => movePin(0, -1)),
      onKey("Shift+ArrowRight", () => movePin(0, 1)),
      onKey("Shift+ArrowUp", () => movePin(-1, 0)),
      onKey("Shift+ArrowDown", () => movePin(1, 0)),
      onKey("Escape", unpin),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, []);
}

export const page: Page = {
  name: "attention",
  order: 1,
  title: (words) => words.attention.title,
  accepts: (run) => run.attention,
  component: Attention,
};
