/** Histograms over steps of the tensors looked at, side by side, each with its numbers to point at. */

import { useMemo, useState } from "preact/hooks";
import { ridgesOf, ridgesTable } from "../../answers/ridges.ts";
import { nearest } from "../../answers/series.ts";
import { type Domain, stretched } from "../../cells/axis.ts";
import {
  type Bin,
  beyond,
  binAt,
  edge,
  extent,
  hit,
  layOut,
  type Ridges,
  readable,
  robust,
} from "../../cells/ridges.ts";
import { Canvas, useSize } from "../../controls/canvas.tsx";
import { count, precise } from "../../controls/format.ts";
import { ProblemNotice } from "../../controls/notice.tsx";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { useAnswer } from "../../controls/use_answer.ts";
import { paintRidges, paletteOf } from "../../draw/ridges.ts";
import { spoken } from "../../state/language.ts";
import { facts, runName, step } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { theme } from "../../state/theme.ts";
import { beginnings } from "../parts/alerts.ts";
import { COLOURS } from "../parts/columns.ts";
import type { Panel } from "../parts/panel.ts";
import { TensorCaption } from "../parts/tensor_caption.tsx";
import { python } from "../parts/tensor_rows.ts";
import {
  chosenTensors,
  goTo,
  kindShown,
  pointedStep,
  type Recorded,
  useRecorded,
} from "../parts/tensors.ts";
import style from "./ridges.css?inline";

export { style };

export const panel: Panel = { pages: ["parameters"], where: "below", order: 1 };

const say = spoken({
  en: {
    ridges: (shown: string, all: string) => `density at ${shown} of ${all} steps`,
    allRidges: (all: string) => `density at ${all} steps`,
    one: "density",
    histograms: (name: string) => `Histograms of ${name}`,
    cut: "taller ones cut",
    nothing: "no finite value at any step",
    readStep: (step: string) => `step ${step}`,
    readCount: (count: string, share: string) => `${count} values · ${share}`,
    and: " and ",
    tails: (ends: string, share: string) =>
      `▸ beyond the axis to ${ends}, up to ${share} of a step`,
    panel: (name: string, steps: string) =>
      `Histograms of ${name} over ${steps} steps. Arrow keys move through bins and steps; Enter goes to the step.`,
  },
  zh: {
    ridges: (shown, all) => `密度，${all} 步中的 ${shown} 步`,
    allRidges: (all) => `密度，${all} 步`,
    one: "密度",
    histograms: (name) => `${name} 的直方图`,
    cut: "过高的已截断",
    nothing: "任何一步都没有有限值",
    readStep: (step) => `第 ${step} 步`,
    readCount: (count, share) => `${count} 个值 · ${share}`,
    and: " 和 ",
    tails: (ends, share) => `▸ 超出坐标轴，直到 ${ends}，至多占一步的 ${share}`,
    panel: (name, steps) =>
      `${name} 在 ${steps} 个训练步上的直方图。用方向键在区间和步之间移动，按回车跳到那一步。`,
  },
});

/** Ridges that one picture has room for. */
const MOST = 24;

export default function RidgePlots() {
  const recorded = useRecorded();
  const chosen = chosenTensors(recorded);
  const at = beginnings(recorded.alerts);
  const run = runName.value ?? ".";
  const asked = recorded.shown && chosen.length > 0;
  const steps = Math.max(2, MOST - at.length);
  const { answer, problem } = useAnswer(
    asked
      ? { what: "histograms", run, kind: kindShown(), parameter: [...chosen], steps, at: [...at] }
      : null,
  );
  const all = useMemo(() => (answer ? ridgesOf(answer) : []), [answer]);
  if (problem) return <ProblemNotice problem={problem} />;
  return (
    <>
      {all.map((ridges) => (
        <RidgePlot
          key={ridges.parameter}
          colour={COLOURS[chosen.indexOf(ridges.parameter)] ?? null}
          ridges={ridges}
          domain={domainOf(selection.value.axis === "shared" ? all : [ridges])}
          recorded={recorded}
          several={all.length > 1}
        />
      ))}
    </>
  );
}

function domainOf(all: readonly Ridges[]): Domain | null {
  const { extent: wanted, stretch } = selection.value;
  const domain = wanted === "whole" ? extent(all) : robust(all);
  return domain && stretched(domain, stretch);
}

interface RidgePlotProps {
  ridges: Ridges;
  domain: Domain | null;
  recorded: Recorded;
  /** Others stand beside it. */
  several: boolean;
  /** Of its line, where those of several are drawn together. */
  colour: string | null;
}

function RidgePlot({ ridges: fine, domain, recorded, several, colour }: RidgePlotProps) {
  const words = say();
  const [pointed, point] = useState<{ bin: Bin; x: number; y: number } | null>(null);
  const { ref, width, height } = useSize<HTMLDivElement>();
  const ridges = useMemo(
    () => (domain ? readable(fine, domain) : fine),
    [fine, domain?.low, domain?.high, domain?.stretch],
  );
  const layout = domain && layOut(ridges, domain, width, Math.max(1, height));
  const steps = ridges.rows.map((row) => row.step);
  const rowOf = (at: number | null) => (at === null ? null : steps.indexOf(nearest(steps, at)));
  const chosen = steps.length > 0 ? rowOf(step.value) : null;
  const bad = steps.flatMap((at, row) =>
    recorded.alerts.alerts.some(
      ({ since, tensors }) => since === at && tensors.includes(ridges.parameter),
    )
      ? row
      : [],
  );
  const beside = rowOf(pointedStep.value);
  const show = (next: { bin: Bin; x: number; y: number } | null) => {
    point(next);
    pointedStep.value = next?.bin.step ?? null;
  };
  const paint = (context: CanvasRenderingContext2D) => {
    if (!layout) return;
    const sight = { chosen, bad, beside, pointed: pointed?.bin ?? null, cut: words.cut };
    paintRidges(context, { width, height }, ridges, layout, sight, paletteOf(context.canvas));
  };
  const look = (event: PointerEvent) => {
    if (!layout) return;
    const bin = hit(ridges, layout, event.offsetX, event.offsetY);
    show(bin && { bin, x: event.offsetX, y: event.offsetY });
  };
  const press = (event: KeyboardEvent) => {
    const moved = move(event.key, ridges, pointed?.bin ?? null, chosen);
    if (event.key === "Enter" && pointed) goTo(pointed.bin.step);
    else if (moved) show({ bin: moved, x: width / 2, y: 24 });
    else return;
    event.preventDefault();
  };
  const recordedSteps = facts.value?.steps.length ?? 0;
  const said =
    recordedSteps < 2
      ? words.one
      : steps.length < recordedSteps
        ? words.ridges(count(steps.length), count(recordedSteps))
        : words.allRidges(count(steps.length));
  return (
    <figure class="panel ridges" data-parameter={ridges.parameter}>
      <TensorCaption
        recorded={recorded}
        name={several ? ridges.parameter : null}
        text={several ? "" : said}
        colour={several ? colour : null}
      >
        <PanelMenu
          name={words.histograms(ridges.parameter)}
          table={() => ridgesTable(fine)}
          python={python(kindShown(), [ridges.parameter])}
        />
      </TensorCaption>
      {layout ? (
        <div class="room" ref={ref}>
          <Canvas
            width={width}
            height={height}
            paint={paint}
            when={[
              ridges,
              domain?.low,
              domain?.high,
              domain?.stretch,
              chosen,
              bad.join(),
              beside,
              pointed,
              theme.value,
              words,
            ]}
            label={words.panel(ridges.parameter, count(ridges.rows.length))}
            tabIndex={0}
            onPointerMove={look}
            onPointerLeave={() => show(null)}
            onBlur={() => show(null)}
            onKeyDown={press}
            onClick={() => pointed && goTo(pointed.bin.step)}
          />
        </div>
      ) : (
        <p class="sub">{words.nothing}</p>
      )}
      {layout && <Tails ridges={ridges} domain={layout.domain} />}
      {pointed && <Reading bin={pointed.bin} x={pointed.x} y={pointed.y} width={width} />}
    </figure>
  );
}

/** So little beyond the axis, as a share of it, is told by an arrow alone. */
const SLIGHT = 0.25;

/** What the axis leaves out, in words. */
function Tails({ ridges, domain }: { ridges: Ridges; domain: Domain }) {
  const words = say();
  const { low, high, share } = useMemo(() => beyond(ridges, domain), [ridges, domain]);
  const out = Math.max(domain.low - (low ?? domain.low), (high ?? domain.high) - domain.high);
  if (out <= SLIGHT * (domain.high - domain.low)) return null;
  const ends = [low, high].flatMap((end) => (end === null ? [] : precise(end)));
  const most = (100 * share).toLocaleString("en-US", { maximumSignificantDigits: 2 });
  return (
    <p class="sub tails" data-share={share}>
      {words.tails(ends.join(words.and), `${most} %`)}
    </p>
  );
}

/** What is under the pointer, beside it. */
function Reading({ bin, x, y, width }: { bin: Bin; x: number; y: number; width: number }) {
  const words = say();
  const wide = bin.high - bin.low;
  const share = (100 * bin.share).toLocaleString("en-US", { maximumSignificantDigits: 3 });
  const side = x > width / 2 ? { right: `${width - x + 14}px` } : { left: `${x + 14}px` };
  return (
    <div
      class="reading"
      role="status"
      style={{ ...side, top: `${Math.max(26, y - 20)}px` }}
      data-step={bin.step}
      data-low={bin.low}
      data-high={bin.high}
      data-count={bin.count}
      data-share={bin.share}
    >
      <b>{words.readStep(count(bin.step))}</b>
      <span>
        {edge(bin.low, wide)} ≤ w {bin.last ? "≤" : "<"} {edge(bin.high, wide)}
      </span>
      <span>{words.readCount(count(bin.count), `${share} %`)}</span>
    </div>
  );
}

/** The bin that an arrow key leads to. */
function move(key: string, ridges: Ridges, from: Bin | null, chosen: number | null): Bin | null {
  const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key];
  if (!by) return null;
  const [rows = 0, bins = 0] = by;
  const row = from?.row ?? chosen ?? ridges.rows.length - 1;
  const length = ridges.rows[row]?.counts.length ?? 0;
  const bin = from ? from.bin : Math.floor(length / 2);
  return (from && binAt(ridges, row + rows, bin + bins)) ?? binAt(ridges, row, bin);
}
