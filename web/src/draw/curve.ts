/** Lines over steps: where they run, and the numbers on the axes. */
import { bisectCenter, extent } from "d3-array";
import { type ScaleLinear, scaleLinear } from "d3-scale";
import { area, line } from "d3-shape";
import type { Series } from "../answers/series.ts";

export interface Curves {
  readonly x: ScaleLinear<number, number>;
  readonly y: ScaleLinear<number, number>;
  /** One path per head. */
  readonly heads: readonly string[];
  /** The 95 % interval of the chosen head. */
  readonly band: string;
  /** What uniform attention gives. */
  readonly uniform: string;
}

export const MARGIN = { left: 40, right: 12, top: 8, bottom: 22 } as const;

export function curves(series: Series, chosen: number, width: number, height: number): Curves {
  const { steps, heads, value, low, high, uniform } = series;
  const all = [...value, ...(uniform ?? []), ...bandValues(series, chosen)].filter(Number.isFinite);
  const [, most = 1] = extent(all);
  const x = scaleLinear([steps[0] ?? 0, steps.at(-1) ?? 1], [MARGIN.left, width - MARGIN.right]);
  const y = scaleLinear([0, most || 1], [height - MARGIN.bottom, MARGIN.top]).nice(3);
  const rows = Array.from(steps.keys());
  const at = (step: number) => steps[step] as number;
  const path = (values: ArrayLike<number>, stride: number, offset: number) =>
    line<number>()
      .defined((step) => Number.isFinite(values[step * stride + offset] as number))
      .x((step) => x(at(step)))
      .y((step) => y(values[step * stride + offset] as number))(rows) ?? "";
  const inside = (step: number) => step * heads + chosen;
  return {
    x,
    y,
    heads: Array.from({ length: heads }, (_, head) => path(value, heads, head)),
    band:
      low && high
        ? (area<number>()
            .defined((step) =>
              Number.isFinite((low[inside(step)] as number) + (high[inside(step)] as number)),
            )
            .x((step) => x(at(step)))
            .y0((step) => y(low[inside(step)] as number))
            .y1((step) => y(high[inside(step)] as number))(rows) ?? "")
        : "",
    uniform: uniform ? path(uniform, 1, 0) : "",
  };
}

/** Numbers without another one beside them on a line: ordinals of step and head. */
export function lone({ steps, heads, value }: Series): [number, number][] {
  const has = (step: number, head: number) =>
    step >= 0 && step < steps.length && Number.isFinite(value[step * heads + head] as number);
  return Array.from(steps.keys()).flatMap((step) =>
    Array.from({ length: heads }, (_, head) => head)
      .filter((head) => has(step, head) && !has(step - 1, head) && !has(step + 1, head))
      .map((head): [number, number] => [step, head]),
  );
}

/** The recorded step nearest a place on the chart. */
export function stepAt(series: Series, drawn: Curves, x: number): number | null {
  return series.steps[bisectCenter(series.steps, drawn.x.invert(x))] ?? null;
}

function bandValues(series: Series, chosen: number): number[] {
  const out: number[] = [];
  for (let step = 0; step < series.steps.length; step++) {
    const top = series.high?.[step * series.heads + chosen];
    if (top !== undefined) out.push(top);
  }
  return out;
}
