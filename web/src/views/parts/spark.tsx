/** A number over steps as a small line, as high as it needs; a band says where it usually lies. */
import { endsOf, lineOf, type Tensors } from "../../answers/tensors.ts";
import { lineThrough, trend } from "../../draw/trend.ts";
import type { Column } from "./columns.ts";

const WIDE = 36;
const HIGH = 14;
const BOX = { left: 1, right: WIDE - 1, top: 1.5, bottom: HIGH - 1.5 };

interface Drawn {
  readonly path: string;
  /** The band's top and height; null without one. */
  readonly band: readonly [number, number] | null;
  /** Places of the steps that are marked. */
  readonly marks: readonly (readonly [number, number])[];
}

const drawn = new WeakMap<Tensors, Map<string, Drawn | null>>();

interface SparkProps {
  lines: Tensors;
  column: Column;
  /** The tensor's ordinal. */
  at: number;
  /** Steps at which something goes wrong with it. */
  marked: readonly number[];
}

export function Spark({ lines, column, at, marked }: SparkProps) {
  const known = drawn.get(lines) ?? new Map<string, Drawn | null>();
  drawn.set(lines, known);
  const name = `${at} ${column.name} ${marked.join()}`;
  if (!known.has(name)) known.set(name, draw(lines, column, at, marked));
  const picture = known.get(name);
  return (
    <svg class="spark" width={WIDE} height={HIGH} aria-hidden="true">
      {picture?.band && (
        <rect class="usual" width={WIDE} y={picture.band[0]} height={picture.band[1]} />
      )}
      {picture && <path d={picture.path} />}
      {picture?.marks.map(([x, y]) => (
        <circle key={x} class="bad" cx={x} cy={y} r="2.2" />
      ))}
    </svg>
  );
}

function draw(lines: Tensors, column: Column, at: number, marked: readonly number[]): Drawn | null {
  const values = lineOf(lines, column.number, at);
  const log = column.log === true;
  const positive = log ? values.map((value) => (value > 0 ? value : Number.NaN)) : values;
  const ends = endsOf(positive);
  const [usualLow, usualHigh] = column.usual ?? [];
  if (!ends) return null;
  const low = Math.min(ends.low, usualLow ?? ends.low);
  const high = Math.max(ends.high, usualHigh ?? ends.high);
  const laid = trend(lines.steps, BOX, { low, high, stretch: log ? "log" : "linear" });
  const top = usualHigh === undefined ? 0 : laid.y(usualHigh);
  return {
    path: lineThrough(lines.steps, positive, laid),
    band: usualLow === undefined ? null : [top, laid.y(usualLow) - top],
    marks: marked.flatMap((step) => {
      const value = positive[lines.steps.indexOf(step)];
      return value !== undefined && Number.isFinite(value)
        ? [[laid.x(step), laid.y(value)] as const]
        : [];
    }),
  };
}
