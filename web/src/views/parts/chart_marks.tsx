/** What a chart is made of: its axes, lines and labels, and what is read where it is pointed at. */
import type { ComponentChildren } from "preact";
import { shortest, ticks } from "../../cells/axis.ts";
import { count } from "../../controls/format.ts";
import type { trend } from "../../draw/trend.ts";
import { compact } from "./columns.ts";

export interface ChartLine {
  readonly name: string;
  readonly steps: readonly number[];
  readonly values: ArrayLike<number>;
  /** Of CSS. */
  readonly colour: string;
  readonly wide?: number;
  /** Drawn, but not read. */
  readonly faint?: boolean;
  /** Written beside its last value. */
  readonly label?: string;
}

export interface ChartArea {
  readonly steps: readonly number[];
  readonly low: ArrayLike<number>;
  readonly high: ArrayLike<number>;
  readonly colour: string;
  readonly opacity: number;
}

/** Of a single step: a bar for what would be an area, a dot for each line. */
export function Alone({
  areas,
  lines,
  laid,
}: {
  areas: readonly ChartArea[];
  lines: readonly ChartLine[];
  laid: ReturnType<typeof trend>;
}) {
  return (
    <>
      {areas.map(({ steps: [at = 0], low, high, colour, opacity }) => (
        <rect
          key={opacity}
          x={laid.x(at) - 9}
          width={18}
          y={laid.y(high[0] ?? Number.NaN)}
          height={Math.max(1, laid.y(low[0] ?? Number.NaN) - laid.y(high[0] ?? Number.NaN))}
          style={{ fill: colour, fillOpacity: opacity }}
        />
      ))}
      {lines
        .filter(({ values, wide }) => Number.isFinite(values[0]) && wide !== 0)
        .map(({ name, steps: [at = 0], values, colour }) => (
          <circle
            key={name}
            cx={laid.x(at)}
            cy={laid.y(values[0] ?? 0)}
            r={2.5}
            style={{ fill: colour }}
          />
        ))}
    </>
  );
}

/** The steps at which something begins, beside their lines, as far as they do not run into each other. */
export function Beginnings({
  at,
  laid,
  right,
}: {
  at: readonly number[];
  laid: ReturnType<typeof trend>;
  right: number;
}) {
  let from = Number.NEGATIVE_INFINITY;
  return [...at]
    .sort((one, other) => one - other)
    .map((each) => {
      const x = laid.x(each);
      const wide = 7 * count(each).length + 8;
      const left = x + wide > right;
      const begins = left ? x - wide : x;
      if (begins < from) return null;
      from = begins + wide;
      return (
        <text key={each} class={left ? "begin end" : "begin"} x={left ? x - 4 : x + 4} y={13}>
          {count(each)}
        </text>
      );
    });
}

/** Height of a label beside a line, and width of one of its letters. */
const LABEL = 13;
const LETTER = 6.4;

/** What lines are, over their last values, each in its colour and none upon another. */
export function Labels({
  lines,
  laid,
  box,
}: {
  lines: readonly ChartLine[];
  laid: ReturnType<typeof trend>;
  box: { right: number; top: number; bottom: number };
}) {
  const least = box.top + 10;
  const labelled = lines
    .flatMap((line) => {
      const from = box.right - LETTER * [...(line.label ?? "")].length;
      const ys = line.steps.flatMap((at, row) => {
        const y = laid.y(line.values[row] ?? Number.NaN);
        return laid.x(at) >= from && Number.isFinite(y) ? y : [];
      });
      if (!line.label || ys.length === 0) return [];
      // Over the line; under it where there is no room above.
      const over = Math.min(...ys) - 5;
      return { line, y: over < least ? Math.max(...ys) + LABEL : over };
    })
    .sort((one, other) => one.y - other.y);
  let next = least;
  return labelled.map(({ line, y }, at) => {
    const most = box.bottom - 5 - LABEL * (labelled.length - 1 - at);
    const placed = Math.max(next, Math.min(most, y));
    next = placed + LABEL;
    const plain = line.colour !== "var(--accent)" && line.colour !== "transparent";
    return (
      <text
        key={line.name}
        class="end of-line"
        x={box.right - 3}
        y={placed}
        style={{ fill: plain ? line.colour : "var(--accent-text)" }}
      >
        {line.label}
      </text>
    );
  });
}

/** What is drawn within the axes and no further. */
export function Inside({
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

export function Axes({ laid, box, steps, height }: AxesProps) {
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
  title: string;
  x: number;
  width: number;
}

/** The numbers at the step pointed at. */
export function Reading({ lines, at, title, x, width }: ReadingProps) {
  const side = x > width / 2 ? { right: `${width - x + 8}px` } : { left: `${x + 8}px` };
  const values = lines
    .filter(({ faint }) => !faint)
    .map((line) => ({ ...line, value: line.values[line.steps.indexOf(at)] ?? Number.NaN }))
    .filter(({ value }) => !Number.isNaN(value));
  if (values.length === 0) return null;
  return (
    <div class="readings" style={{ ...side, top: "4px" }} data-step={at}>
      <b>{title}</b>
      {values.map(({ name, value, colour }) => (
        <span key={name} data-line={name} data-value={value}>
          <i style={{ background: colour }} aria-hidden="true" /> {name} {compact(value)}
        </span>
      ))}
    </div>
  );
}
