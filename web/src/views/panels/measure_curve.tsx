/** One measure of a layer's heads over training; the chosen head stands out. */
import { useMemo } from "preact/hooks";
import type { Series } from "../../answers/series.ts";
import { useSize } from "../../controls/canvas.tsx";
import { count } from "../../controls/format.ts";
import { type Curves, curves, MARGIN, stepAt } from "../../draw/curve.ts";
import { t } from "../../state/language.ts";
import { choose } from "../../state/run.ts";

const HEIGHT = 190;

export function MeasureCurve({
  series,
  head,
  step,
}: {
  series: Series;
  head: number;
  step: number;
}) {
  const words = t.value.attention;
  const room = useSize<HTMLDivElement>();
  const drawn = useMemo(() => curves(series, head, room.width, HEIGHT), [series, head, room.width]);
  const last = series.steps.at(-1) ?? 0;
  return (
    <section class="curve" data-measure={series.name}>
      <h2>
        {words.over(words.measure(series.name))}{" "}
        <span class="sub">{words.curveWhat(words.unit(series.units), series.heads)}</span>
      </h2>
      <div ref={room.ref}>
        {room.width > 0 && (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys [ and ] do the same
          <svg
            width={room.width}
            height={HEIGHT}
            role="img"
            aria-label={words.over(words.measure(series.name))}
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
            {series.steps.length === 1 && <Dots series={series} drawn={drawn} head={head} />}
            <line
              class="now"
              x1={drawn.x(step)}
              x2={drawn.x(step)}
              y1={MARGIN.top}
              y2={HEIGHT - MARGIN.bottom}
            />
            <text class="end" x={room.width - MARGIN.right} y={HEIGHT - 5}>
              {t.value.shell.step(count(last))}
            </text>
            <text x={MARGIN.left} y={HEIGHT - 5}>
              {count(series.steps[0] ?? 0)}
            </text>
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

/** With one step there is no line yet, only where it begins. */
function Dots({ series, drawn, head }: { series: Series; drawn: Curves; head: number }) {
  return (
    <>
      {Array.from({ length: series.heads }, (_, index) => (
        <circle
          key={index}
          class={index === head ? "chosen" : ""}
          r={index === head ? 4 : 2.5}
          cx={drawn.x(series.steps[0] ?? 0)}
          cy={drawn.y(series.value[index] ?? 0)}
        />
      ))}
    </>
  );
}
