/** One measure of a layer's heads over training; the chosen head stands out. */

import { useMemo } from "preact/hooks";
import { beginnings, type Series, seriesTable } from "../../answers/series.ts";
import { useSize } from "../../controls/canvas.tsx";
import { count } from "../../controls/format.ts";
import { ProblemNotice } from "../../controls/notice.tsx";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { type Curves, curves, lone, MARGIN, stepAt } from "../../draw/curve.ts";
import { spoken, t } from "../../state/language.ts";
import { choose, head, site, step, wordsOf } from "../../state/run.ts";
import type { Panel } from "../parts/panel.ts";
import { shownOf, useSeries } from "../parts/series.ts";
import style from "./measure_curve.css?inline";

export { style };

export const panel: Panel = { pages: ["attention"], where: "overview", order: 2 };

const say = spoken({
  en: {
    otherHeads: "other heads of this layer",
    over: (measure: string) =>
      `${measure.charAt(0).toUpperCase()}${measure.slice(1)} over training`,
    curveWhat: (unit: string, heads: number) =>
      heads === 1 ? unit : `${unit}, this head among the ${heads} of its layer`,
    uniform: "uniform attention",
    nanSince: (step: string) => `Rows of this head are NaN from step ${step} on`,
  },
  zh: {
    otherHeads: "同一层的其他头",
    over: (measure) => `训练中的${measure}`,
    curveWhat: (unit, heads) => (heads === 1 ? unit : `${unit}，这个头与同层共 ${heads} 个头`),
    uniform: "均匀注意力",
    nanSince: (step) => `从第 ${step} 步起，这个头有为 NaN 的行`,
  },
});

const HEIGHT = 190;

export default function MeasureCurve() {
  const { series, broken, problem } = useSeries();
  const shown = shownOf(series);
  return (
    <>
      {problem && <ProblemNotice problem={problem} />}
      {shown && (
        <Curve
          series={shown}
          head={head.value}
          step={step.value ?? 0}
          nan={broken ? beginnings(broken, head.value) : NONE}
        />
      )}
    </>
  );
}

interface CurveProps {
  series: Series;
  head: number;
  step: number;
  /** Steps at which rows of the head begin to be NaN. */
  nan: readonly number[];
}

const NONE: readonly number[] = [];

function Curve({ series, head, step, nan }: CurveProps) {
  const words = { ...t.value.attention, ...say() };
  const room = useSize<HTMLDivElement>();
  const drawn = useMemo(() => curves(series, head, room.width, HEIGHT), [series, head, room.width]);
  const last = series.steps.at(-1) ?? 0;
  return (
    <section class="curve" data-measure={series.name}>
      <h2>
        {words.over(wordsOf(series.name).title)}{" "}
        <span class="sub">{words.curveWhat(words.unit(series.units), series.heads)}</span>
        <PanelMenu
          name={words.over(wordsOf(series.name).title)}
          table={() => seriesTable([series])}
          python={`run.measures()[${JSON.stringify(series.name)}].sel(site=${JSON.stringify(site.value?.name)}).mean("example")`}
        />
      </h2>
      <div ref={room.ref}>
        {room.width > 0 && (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys [ and ] do the same
          <svg
            width={room.width}
            height={HEIGHT}
            role="img"
            aria-label={words.over(wordsOf(series.name).title)}
            onClick={(event) => {
              const box = event.currentTarget.getBoundingClientRect();
              const chosen = stepAt(series, drawn, event.clientX - box.left);
              if (chosen !== null) choose({ step: chosen, follow: false });
            }}
          >
            <Axes drawn={drawn} width={room.width} />
            <path class="band" d={drawn.band} />
            {drawn.heads.map((path, index) => (
              <path key={index} class="head" d={path} />
            ))}
            <path class="uniform" d={drawn.uniform} />
            <path class="head chosen" d={drawn.heads[head]} />
            <Dots series={series} drawn={drawn} head={head} />
            {nan.map((since) => (
              <g key={since} data-nan-since={since}>
                <title>{words.nanSince(count(since))}</title>
                <line
                  class="broken"
                  x1={drawn.x(since)}
                  x2={drawn.x(since)}
                  y1={MARGIN.top}
                  y2={HEIGHT - MARGIN.bottom}
                />
                <text
                  class={drawn.x(since) > room.width / 2 ? "broken end" : "broken"}
                  x={drawn.x(since) + (drawn.x(since) > room.width / 2 ? -4 : 4)}
                  y={MARGIN.top + 10}
                >
                  NaN
                </text>
              </g>
            ))}
            {step >= (series.steps[0] ?? 0) && step <= last && (
              <line
                class="now"
                x1={drawn.x(step)}
                x2={drawn.x(step)}
                y1={MARGIN.top}
                y2={HEIGHT - MARGIN.bottom}
              />
            )}
            <text
              class={series.steps.length > 1 ? "end" : "middle"}
              x={series.steps.length > 1 ? room.width - MARGIN.right : drawn.x(last)}
              y={HEIGHT - 5}
            >
              {t.value.shell.step(count(last))}
            </text>
            {series.steps.length > 1 && (
              <text x={MARGIN.left} y={HEIGHT - 5}>
                {count(series.steps[0] ?? 0)}
              </text>
            )}
          </svg>
        )}
      </div>
      <p class="sub key-line">
        <i class="stroke chosen" aria-hidden="true" /> {words.head(head)}
        {series.heads > 1 && (
          <>
            <i class="stroke" aria-hidden="true" /> {words.otherHeads}
          </>
        )}
        <i class="stroke dashed" aria-hidden="true" /> {words.uniform}
      </p>
    </section>
  );
}

function Axes({ drawn, width }: { drawn: Curves; width: number }) {
  const text = drawn.y.tickFormat(4);
  return (
    <>
      {drawn.y.ticks(4).map((value) => (
        <g key={value}>
          <line
            class="tick"
            x1={MARGIN.left}
            x2={width - MARGIN.right}
            y1={drawn.y(value)}
            y2={drawn.y(value)}
          />
          <text class="end" x={MARGIN.left - 7} y={drawn.y(value) + 4}>
            {text(value)}
          </text>
        </g>
      ))}
    </>
  );
}

/** Where the steps beside one have no number there is no line, only a dot. */
function Dots({ series, drawn, head }: { series: Series; drawn: Curves; head: number }) {
  return (
    <>
      {lone(series).map(([step, index]) => (
        <circle
          key={`${step} ${index}`}
          class={index === head ? "chosen" : ""}
          r={index === head ? 4 : 2.5}
          cx={drawn.x(series.steps[step] ?? 0)}
          cy={drawn.y(series.value[step * series.heads + index] ?? 0)}
        />
      ))}
    </>
  );
}
