/** Histograms over steps of the chosen parameters, side by side, each with its numbers to point at. */

import { useMemo, useState } from "preact/hooks";
import { ridgesOf } from "../../answers/ridges.ts";
import { nearest } from "../../answers/series.ts";
import { shortNames } from "../../answers/site_names.ts";
import {
  type Bin,
  beyond,
  binAt,
  type Domain,
  edge,
  extent,
  hit,
  layOut,
  type Ridges,
  readable,
  robust,
} from "../../cells/ridges.ts";
import { Canvas, useSize } from "../../controls/canvas.tsx";
import { Cut } from "../../controls/cut.tsx";
import { count } from "../../controls/format.ts";
import { ProblemNotice } from "../../controls/notice.tsx";
import { useAnswer } from "../../controls/use_answer.ts";
import { paintRidges, paletteOf, stepColour } from "../../draw/ridges.ts";
import { spoken } from "../../state/language.ts";
import { choose, facts, runName, step } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { theme } from "../../state/theme.ts";
import { chosenParameters, toggleParameter } from "../parts/chosen_parameters.ts";
import type { Panel } from "../parts/panel.ts";
import { precise } from "../parts/parameter_rows.ts";
import style from "./ridges.css?inline";

export { style };

export const panel: Panel = { pages: ["parameters"], where: "main", order: 1 };

const say = spoken({
  en: {
    heading: "Distribution of weights over steps",
    weight: "weight",
    step: "step",
    density: "density",
    cut: (density: string) => `taller ones cut, up to ${density}`,
    densityWhat:
      "Height is density, share of the values per unit of weight: the area under every ridge is 1. Each panel has its own scale. Small tensors have wider bins than the 64 recorded.",
    olderNewer: "Steps, the oldest at the back",
    inView: "step in view",
    nearestShown: (step: string) => `step ${step}, the nearest shown`,
    someSteps: (shown: string, all: string) => `${shown} of ${all} recorded steps shown`,
    nothing: "no finite value at any step",
    readStep: (step: string) => `step ${step}`,
    readCount: (count: string, share: string) => `${count} values · ${share}`,
    and: " and ",
    tails: (ends: string, share: string) =>
      `▸ beyond the axis to ${ends}, up to ${share} of a step`,
    readHint: "Point at a ridge for its numbers; click it to go to its step.",
    panel: (name: string, steps: string) =>
      `Histograms of ${name} over ${steps} steps. Arrow keys move through bins and steps; Enter goes to the step.`,
    remove: (name: string) => `Remove ${name}`,
  },
  zh: {
    heading: "权重分布随训练步的变化",
    weight: "权重",
    step: "步",
    density: "密度",
    cut: (density) => `过高的已截断，最高 ${density}`,
    densityWhat:
      "高度表示密度，即单位权重宽度内数值所占的比例，因此每条山脊下的面积都是 1。各图的刻度不同，标在右侧。数值较少的参数会合并区间显示（记录时为 64 个）。",
    olderNewer: "训练步，越早越靠后",
    inView: "当前步",
    nearestShown: (step) => `第 ${step} 步（所示各步中最近的）`,
    someSteps: (shown, all) => `共记录 ${all} 步，显示其中 ${shown} 步`,
    nothing: "任何一步都没有有限值",
    readStep: (step) => `第 ${step} 步`,
    readCount: (count, share) => `${count} 个值 · ${share}`,
    and: " 和 ",
    tails: (ends, share) => `▸ 超出坐标轴，直到 ${ends}，至多占一步的 ${share}`,
    readHint: "指向山脊可查看数值，点击可跳到那一步。",
    panel: (name, steps) =>
      `${name} 在 ${steps} 个训练步上的直方图。用方向键在区间和步之间移动，按回车跳到那一步。`,
    remove: (name) => `移除 ${name}`,
  },
});

export default function RidgePlots() {
  const chosen = chosenParameters();
  const run = runName.value ?? ".";
  const { answer, problem } = useAnswer({ what: "parameters", run, parameter: chosen });
  const all = useMemo(() => (answer ? ridgesOf(answer).map(readable) : []), [answer]);
  const together = useMemo(() => robust(all), [all]);
  const names = useMemo(
    () => (chosen.length > 1 ? shortNames(chosen, LETTERS) : chosen),
    [String(chosen)],
  );
  if (problem) return <ProblemNotice problem={problem} />;
  const rows = all[0]?.rows ?? [];
  const steps = rows.map((ridge) => ridge.step);
  const near = steps.length > 0 && step.value !== null ? nearest(steps, step.value) : null;
  const row = near === null ? null : steps.indexOf(near);
  const [first = 0, last = 0] = [steps[0], steps.at(-1)];
  return (
    <>
      <section class="panels" aria-label={say().heading}>
        {all.map((ridges: Ridges) => (
          <RidgePlot
            key={ridges.parameter}
            ridges={ridges}
            domain={
              selection.value.axis === "shared"
                ? together && extent([ridges]) && together
                : robust([ridges])
            }
            name={names[chosen.indexOf(ridges.parameter)] ?? ridges.parameter}
            first={first}
            last={last}
            chosen={row}
            onRemove={chosen.length > 1 ? () => toggleParameter(ridges.parameter) : null}
          />
        ))}
      </section>
      <Key steps={steps} near={near} />
    </>
  );
}

/** What the colours and heights mean. */
function Key({ steps, near }: { steps: readonly number[]; near: number | null }) {
  const words = say();
  const recorded = facts.value?.steps.length ?? 0;
  const [first = 0, last = 0] = [steps[0], steps.at(-1)];
  const dark = theme.value === "dark";
  const stops = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((at) => stepColour(at, 0, 8, dark)).join(", ");
  return (
    <div class="meaning sub">
      {steps.length > 1 && (
        <span class="scale" title={words.olderNewer}>
          {words.step} {count(first)}
          <i aria-hidden="true" style={{ background: `linear-gradient(to right, ${stops})` }} />
          {count(last)}
        </span>
      )}
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

/** Letters of a name that stand above a picture. */
const LETTERS = 44;

interface RidgePlotProps {
  /** What the parameter is called among those shown. */
  name: string;
  ridges: Ridges;
  domain: Domain | null;
  /** Steps between which colours run. */
  first: number;
  last: number;
  /** Row of the step in view. */
  chosen: number | null;
  /** Takes the parameter away; null while it is the only one. */
  onRemove: (() => void) | null;
}

const HEIGHT = 268;

function RidgePlot({ name, ridges, domain, first, last, chosen, onRemove }: RidgePlotProps) {
  const words = say();
  const [pointed, point] = useState<{ bin: Bin; x: number; y: number } | null>(null);
  const { ref, width } = useSize<HTMLElement>();
  const dark = theme.value === "dark";
  const layout = domain && layOut(ridges, domain, width, HEIGHT);
  const paint = (context: CanvasRenderingContext2D) => {
    if (!layout) return;
    const { weight, step, density, cut } = words;
    const names = { weight, step, density, cut };
    const sight = { first, last, chosen, pointed: pointed?.bin ?? null, ...names };
    const palette = paletteOf(context.canvas, dark);
    paintRidges(context, { width, height: HEIGHT }, ridges, layout, sight, palette);
  };
  const look = (event: PointerEvent) => {
    if (!layout) return;
    const bin = hit(ridges, layout, event.offsetX, event.offsetY);
    point(bin && { bin, x: event.offsetX, y: event.offsetY });
  };
  const press = (event: KeyboardEvent) => {
    const moved = move(event.key, ridges, pointed?.bin ?? null, chosen);
    if (event.key === "Enter" && pointed) choose({ step: pointed.bin.step, follow: false });
    else if (moved) point({ bin: moved, x: width / 2, y: 24 });
    else return;
    event.preventDefault();
  };
  return (
    <figure ref={ref} class="panel" data-parameter={ridges.parameter}>
      <figcaption>
        <span class="called" title={ridges.parameter}>
          <Cut text={name} />
        </span>
        {onRemove && (
          <button
            type="button"
            class="plain"
            aria-label={words.remove(ridges.parameter)}
            title={words.remove(ridges.parameter)}
            onClick={onRemove}
          >
            ×
          </button>
        )}
      </figcaption>
      {layout ? (
        <Canvas
          width={width}
          height={HEIGHT}
          paint={paint}
          when={[ridges, domain?.low, domain?.high, first, last, chosen, pointed, dark, words]}
          label={words.panel(ridges.parameter, count(ridges.rows.length))}
          tabIndex={0}
          onPointerMove={look}
          onPointerLeave={() => point(null)}
          onBlur={() => point(null)}
          onKeyDown={press}
          onClick={() => pointed && choose({ step: pointed.bin.step, follow: false })}
        />
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
  const bin = from?.bin ?? Math.floor(length / 2);
  return (from && binAt(ridges, row + rows, bin + bins)) ?? binAt(ridges, row, bin);
}
