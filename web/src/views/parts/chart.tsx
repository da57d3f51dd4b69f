/** Lines over steps with their axes: pointing at a step shows it in every picture, a click goes there. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Domain } from "../../cells/axis.ts";
import { useSize } from "../../controls/canvas.tsx";
import { count } from "../../controls/format.ts";
import { areaBetween, lineThrough, trend } from "../../draw/trend.ts";
import { spoken } from "../../state/language.ts";
import { step } from "../../state/run.ts";
import {
  Alone,
  Axes,
  Beginnings,
  type ChartArea,
  type ChartLine,
  Inside,
  Labels,
  Reading,
} from "./chart_marks.tsx";
import { goTo, pointedStep } from "./tensors.ts";

const say = spoken({
  en: { step: (step: number) => `step ${count(step)}` },
  zh: { step: (step) => `第 ${count(step)} 步` },
});

export interface ChartProps {
  label: string;
  /** In pixels; left out, as high as there is room for. */
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
  /** The horizontal axis is not of the run's steps, but of what this calls: there is nothing to go to. */
  still?: (at: number) => string;
  /** Without axes: as small as it can be. */
  plain?: boolean;
  children?: ComponentChildren;
}

export function Chart(props: ChartProps) {
  const { label, steps, domain, lines, areas = [], bad = NONE, usual, plain, still } = props;
  const { ref, width, height: room } = useSize<HTMLDivElement>();
  const height = props.height ?? room;
  const [pointedHere, setPointed] = useState<number | null>(null);
  const pointed = still ? pointedHere : pointedStep.value;
  const setStep = still ? setPointed : (at: number | null) => (pointedStep.value = at);
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
  const point = (event: PointerEvent) => setStep(stepAt(event));
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
  const within = (at: number | null): at is number =>
    at !== null && at >= (steps[0] ?? 0) && at <= (steps.at(-1) ?? 0);
  const begins = still ? NONE : [...new Set(bad)].filter(within);
  return (
    <div class={props.height ? "chart" : "chart room"} ref={ref}>
      {width > 0 && height > 0 && (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the keys [ and ] do the same
        <svg
          width={width}
          height={height}
          role="img"
          aria-label={label}
          onPointerMove={point}
          onPointerLeave={() => setStep(null)}
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
            {steps.length === 1 && <Alone areas={areas} lines={lines} laid={laid} />}
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
          {begins.map((at) => vertical(at, "bad"))}
          {!plain && <Beginnings at={begins} laid={laid} right={box.right} />}
          {!still && within(step.value) && vertical(step.value, "here")}
          {within(pointed) && vertical(pointed, "pointed")}
          <Labels lines={lines} laid={laid} box={box} />
          {props.children}
        </svg>
      )}
      {within(pointed) && (
        <Reading
          lines={lines}
          at={pointed}
          title={(still ?? say().step)(pointed)}
          x={laid.x(pointed)}
          width={width}
        />
      )}
    </div>
  );
}

const NONE: readonly number[] = [];
