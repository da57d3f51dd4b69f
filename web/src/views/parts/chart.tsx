/** Lines over steps with their axes: pointing at a step shows it in every picture, a click goes there. */
import type { ComponentChildren } from "preact";
import { type Domain, shortest, ticks } from "../../cells/axis.ts";
import { useSize } from "../../controls/canvas.tsx";
import { count } from "../../controls/format.ts";
import { areaBetween, lineThrough, trend } from "../../draw/trend.ts";
import { spoken } from "../../state/language.ts";
import { step } from "../../state/run.ts";
import { compact } from "./columns.ts";
import { goTo, pointedStep } from "./tensors.ts";

const say = spoken({
  en: { step: (step: string) => `step ${step}` },
  zh: { step: (step) => `第 ${step} 步` },
});

export interface ChartLine {
  readonly name: string;
  readonly steps: readonly number[];
  readonly values: ArrayLike<number>;
  /** Of CSS. */
  readonly colour: string;
  readonly wide?: number;
  /** Drawn, but not read. */
  readonly faint?: boolean;
}

export interface ChartArea {
  readonly steps: readonly number[];
  readonly low: ArrayLike<number>;
  readonly high: ArrayLike<number>;
  readonly colour: string;
  readonly opacity: number;
}

export interface ChartProps {
  label: string;
  /** In pixels; left out, as high as the page has room for. */
  height?: number;
  /** Steps between which the axis runs. */
  steps: readonly number[];
  domain: Domain;
  lines: readonly ChartLine[];
  areas?: readonly ChartArea[];
  /** Steps at which something goes wrong. */
  bad?: readonly number[];
  usual?: readonly [number, number];
  usualText?: string;
  /** The horizontal axis is not of the run's steps: there is nothing to go to. */
  still?: boolean;
  /** Without axes: as small as it can be. */
  plain?: boolean;
  children?: ComponentChildren;
}

/** Height of a picture below the table, on a page of so many pixels. */
export function pictureHeight(page: number): number {
  return Math.round(Math.max(196, Math.min(520, (page > 1100 ? 0.34 : 0.25) * page)));
}

export function Chart(props: ChartProps) {
  const { label, steps, domain, lines, areas = [], bad = NONE, usual, plain, still } = props;
  const { ref, width, page } = useSize<HTMLDivElement>();
  const height = props.height ?? pictureHeight(page);
  const left = plain ? 0 : 40;
  const box = {
    left,
    right: Math.max(left + 1, width - 4),
    top: 6,
    bottom: height - (plain ? 3 : 19),
  };
  const laid = trend(steps, box, domain);
  const stepAt = (event: MouseEvent) => {
    const edge = (event.currentTarget as Element).getBoundingClientRect().left;
    const x = event.clientX - edge;
    return steps.reduce((best, each) =>
      Math.abs(laid.x(each) - x) < Math.abs(laid.x(best) - x) ? each : best,
    );
  };
  const point = (event: PointerEvent) => {
    if (!still) pointedStep.value = stepAt(event);
  };
  const vertical = (at: number, name: string) => (
    <line
      key={`${name} ${at}`}
      class={name}
      x1={laid.x(at)}
      x2={laid.x(at)}
      y1={2}
      y2={box.bottom}
    />
  );
  const within = (at: number | null) =>
    !still && at !== null && at >= (steps[0] ?? 0) && at <= (steps.at(-1) ?? 0);
  return (
    <div class="chart" ref={ref}>
      {width > 0 && (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the keys [ and ] do the same
        <svg
          width={width}
          height={height}
          role="img"
          aria-label={label}
          onPointerMove={point}
          onPointerLeave={() => (pointedStep.value = null)}
          onClick={(event) => still || goTo(stepAt(event))}
        >
          {!plain && <Axes laid={laid} box={box} steps={steps} height={height} />}
          {plain && <line class="tick" x1={0} x2={box.right} y1={box.bottom} y2={box.bottom} />}
          {usual && (
            <g class="usual">
              <rect
                x={box.left}
                width={box.right - box.left}
                y={laid.y(usual[1])}
                height={Math.max(0, laid.y(usual[0]) - laid.y(usual[1]))}
              />
              {props.usualText && (
                <text x={box.left + 5} y={laid.y(usual[0]) - 5}>
                  {props.usualText}
                </text>
              )}
            </g>
          )}
          <Inside box={box} label={label}>
            {areas.map((area, at) => (
              <path
                key={at}
                d={areaBetween(area.steps, area.low, area.high, laid)}
                style={{ fill: area.colour, fillOpacity: area.opacity }}
              />
            ))}
            {lines.map((line) => (
              <path
                key={line.name}
                class="line"
                data-line={line.name}
                d={lineThrough(line.steps, line.values, laid)}
                style={{ stroke: line.colour, strokeWidth: line.wide ?? 1.3 }}
              />
            ))}
          </Inside>
          {bad.filter(within).map((at) => vertical(at, "bad"))}
          {within(step.value) && vertical(step.value ?? 0, "here")}
          {within(pointedStep.value) && vertical(pointedStep.value ?? 0, "pointed")}
          {props.children}
        </svg>
      )}
      {pointedStep.value !== null && within(pointedStep.value) && (
        <Reading lines={lines} at={pointedStep.value} x={laid.x(pointedStep.value)} width={width} />
      )}
    </div>
  );
}

const NONE: readonly number[] = [];

/** What is drawn within the axes and no further. */
function Inside({
  box,
  label,
  children,
}: {
  box: { left: number; right: number; top: number; bottom: number };
  label: string;
  children: ComponentChildren;
}) {
  const id = `inside-${[...label].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, 7)}`;
  return (
    <>
      <clipPath id={id}>
        <rect x={box.left} y={0} width={box.right - box.left + 2} height={box.bottom + 2} />
      </clipPath>
      <g clip-path={`url(#${id})`}>{children}</g>
    </>
  );
}

interface AxesProps {
  laid: ReturnType<typeof trend>;
  box: { left: number; right: number; top: number; bottom: number };
  steps: readonly number[];
  height: number;
}

function Axes({ laid, box, steps, height }: AxesProps) {
  const marks = ticks(laid.domain, 5).filter(({ at }) => {
    const y = laid.y(at);
    return y >= box.top - 2 && y <= box.bottom + 2;
  });
  const [first = 0, last = 0] = [steps[0], steps.at(-1)];
  const middle = steps[steps.length >> 1] ?? 0;
  const written =
    steps.length < 2
      ? ([[first, "middle"]] as const)
      : ([
          [first, "start"],
          ...(steps.length > 4 ? ([[middle, "middle"]] as const) : []),
          [last, "end"],
        ] as const);
  return (
    <g class="axes">
      {marks.map(({ at, text }) => (
        <g key={at}>
          <line
            class={at === 0 ? "zero" : "tick"}
            x1={box.left}
            x2={box.right}
            y1={laid.y(at)}
            y2={laid.y(at)}
          />
          <text class="end" x={box.left - 5} y={laid.y(at) + 4}>
            {shortest(text)}
          </text>
        </g>
      ))}
      {written.map(([at, anchor]) => (
        <text key={`${anchor} ${at}`} text-anchor={anchor} x={laid.x(at)} y={height - 4}>
          {count(at)}
        </text>
      ))}
    </g>
  );
}

interface ReadingProps {
  lines: readonly ChartLine[];
  at: number;
  x: number;
  width: number;
}

/** The numbers at the step pointed at. */
function Reading({ lines, at, x, width }: ReadingProps) {
  const side = x > width / 2 ? { right: `${width - x + 8}px` } : { left: `${x + 8}px` };
  const values = lines
    .filter(({ faint }) => !faint)
    .map((line) => ({ ...line, value: line.values[line.steps.indexOf(at)] ?? Number.NaN }))
    .filter(({ value }) => !Number.isNaN(value));
  if (values.length === 0) return null;
  return (
    <div class="readings" style={{ ...side, top: "4px" }} data-step={at}>
      <b>{say().step(count(at))}</b>
      {values.map(({ name, value, colour }) => (
        <span key={name} data-line={name} data-value={value}>
          <i style={{ background: colour }} aria-hidden="true" /> {name} {compact(value)}
        </span>
      ))}
    </div>
  );
}
