/** The values of a tensor on an axis that all rows share: now, and untrained in grey. */

import { numberAt, type Tensors } from "../../answers/tensors.ts";
import {
  bulk,
  type Domain,
  robustDomain,
  share,
  shortest,
  stretched,
  type Tick,
} from "../../cells/axis.ts";
import { spoken } from "../../state/language.ts";
import { selection } from "../../state/selection.ts";
import { compact } from "./columns.ts";

export interface Quantiles {
  readonly q001: number;
  readonly q05: number;
  readonly q25: number;
  readonly q50: number;
  readonly q75: number;
  readonly q95: number;
  readonly q999: number;
  readonly min: number;
  readonly max: number;
}

const say = spoken({
  en: {
    now: (low: string, middle: string, high: string) =>
      `5 – 95 %: ${low} to ${high}; median ${middle}`,
  },
  zh: {
    now: (low, middle, high) => `5 – 95 %：${low} 至 ${high}；中位数 ${middle}`,
  },
});

/** A tensor's quantiles in an answer about one step; null where it has none. */
export function quantilesAt(tensors: Tensors, at: number): Quantiles | null {
  const number = (name: keyof Quantiles) => numberAt(tensors, name, 0, at);
  const q50 = number("q50");
  if (Number.isNaN(q50)) return null;
  const [q001, q05, q25] = [number("q001"), number("q05"), number("q25")];
  const [q75, q95, q999] = [number("q75"), number("q95"), number("q999")];
  return { q001, q05, q25, q50, q75, q95, q999, min: number("min"), max: number("max") };
}

/** Share of tensors that fit an axis for certain: constants are narrow, and make no others wide. */
const MOST_FIT = 0.75;

/** The axis of a table: 0.1 – 99.9 % of each tensor, or all of it. */
export function domainOf(all: readonly (Quantiles | null)[]): Domain {
  const { extent, stretch } = selection.value;
  const whole = extent === "whole";
  const spans = all.flatMap((each) =>
    each ? (whole ? { low: each.min, high: each.max } : bulk(each)) : [],
  );
  const lows = spans.map(({ low }) => low).filter(Number.isFinite);
  const highs = spans.map(({ high }) => high).filter(Number.isFinite);
  const [least, most] = [Math.min(...lows), Math.max(...highs)];
  const everything = { low: least, high: least < most ? most : least + 1 };
  const domain = (whole ? null : robustDomain(spans, MOST_FIT)) ?? everything;
  if (!Number.isFinite(domain.low)) return { low: -1, high: 1 };
  const room = stretch === "linear" ? 0.03 * (domain.high - domain.low) : 0;
  return stretched({ low: domain.low - room, high: domain.high + room }, stretch);
}

/** Where a value lies, in percent of the axis; what is beyond ends where it does. */
function along(domain: Domain, value: number): number {
  const at = 100 * share(domain, value);
  return Number.isNaN(at) ? 0 : Math.max(0, Math.min(100, at));
}

const percent = (at: number) => `${at.toFixed(2)}%`;

interface AxisProps {
  domain: Domain;
  marks: readonly Tick[];
}

/** Numbers along the axis, over the column. */
export function AxisNumbers({ domain, marks }: AxisProps) {
  return (
    <span class="axis-numbers" aria-hidden="true">
      {marks.map(({ at, text }) => (
        <i key={text} style={{ left: percent(along(domain, at)) }}>
          {shortest(text)}
        </i>
      ))}
    </span>
  );
}

interface DistributionProps extends AxisProps {
  now: Quantiles | null;
  first: Quantiles | null;
}

/** One tensor's row on the axis. */
export function Distribution({ now, first, domain, marks }: DistributionProps) {
  const place = (value: number) => along(domain, value);
  const title =
    now && say().now(compact(now.q05), compact(now.q50), compact(now.q95)).replaceAll("—", "–");
  return (
    <svg class="distribution" role="img" aria-label={title ?? ""}>
      {title && <title>{title}</title>}
      {marks.map(({ at }) => (
        <line
          key={at}
          class={at === 0 ? "zero" : "tick"}
          x1={percent(place(at))}
          x2={percent(place(at))}
          y1="0"
          y2="100%"
        />
      ))}
      {first && selection.value.beside === "first" && (
        <g class="first">
          <Span low={place(first.q05)} high={place(first.q95)} thick={10} />
          <Span low={place(first.q25)} high={place(first.q75)} thick={10} />
        </g>
      )}
      {now && (
        <g class="now">
          <Span low={place(now.q05)} high={place(now.q95)} thick={1.3} />
          <Span low={place(now.q25)} high={place(now.q75)} thick={4} />
          <circle cx={percent(place(now.q50))} cy="50%" r="2" />
          {now.q001 < domain.low && <Tail side="low" value={now.min} far={now.q05 < domain.low} />}
          {now.q999 > domain.high && (
            <Tail side="high" value={now.max} far={now.q95 > domain.high} />
          )}
        </g>
      )}
    </svg>
  );
}

function Span({ low, high, thick }: { low: number; high: number; thick: number }) {
  return (
    <line
      x1={percent(low)}
      x2={percent(Math.max(high, low + 0.15))}
      y1="50%"
      y2="50%"
      stroke-width={thick}
    />
  );
}

/** An arrow where values go on beyond the axis; how far is written where many do. */
function Tail({ side, value, far }: { side: "low" | "high"; value: number; far: boolean }) {
  const way = side === "low" ? -1 : 1;
  return (
    <svg x={side === "low" ? "0" : "100%"} y="50%" overflow="visible" data-tail={side}>
      <title>{compact(value)}</title>
      <path d={`M${-5 * way},-3.5L0,0L${-5 * way},3.5Z`} />
      {far && (
        <text x={-8 * way} y={-3} text-anchor={side === "low" ? "start" : "end"}>
          {compact(value)}
        </text>
      )}
    </svg>
  );
}
