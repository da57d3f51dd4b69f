/** The cells of the matrix of heads: a drawing in which each can be pointed at and chosen. */
import { useMemo } from "preact/hooks";
import { type HeadRow, survives } from "../../answers/head_numbers.ts";
import { labelRoom } from "../../controls/label_room.ts";
import { along, apart, inkOn } from "../../draw/ramps.ts";
import { choose } from "../../state/run.ts";
import { theme } from "../../state/theme.ts";
import { chosenHead, type Heads, measureOf, pointedHead } from "./heads.ts";

/** Sides of a cell: so large at most, and at least; from so large on it bears marks. */
const LARGEST = 46;
const OF_PAGE = 1 / 18;
const SMALLEST = 11;
const MARKED = 18;
const TOP = 17;

export interface Scaled {
  readonly low: number;
  readonly high: number;
  readonly signed: boolean;
}

/** The ends of the colours: even about 0 where numbers lie on both sides. */
export function scaleOf(numbers: readonly number[], both: boolean): Scaled {
  const finite = numbers.filter(Number.isFinite);
  const most = finite.reduce((size, value) => Math.max(size, Math.abs(value)), 0) || 1;
  const least = both ? -most : Math.min(0, ...finite);
  return { low: least, high: most, signed: both };
}

/** The shade of a number; effects differ by much, and small ones should be told apart too. */
function shadeOf(value: number, { low, high, signed: both }: Scaled): number {
  if (both) return Math.sign(value) * Math.sqrt(Math.abs(value) / high);
  return (value - low) / (high - low || 1);
}

function groundOf(value: number, scale: Scaled): string {
  const shade = shadeOf(value, scale);
  return scale.signed ? apart(shade, theme.value) : along(shade, theme.value);
}

interface CellsProps {
  heads: Heads;
  numbers: readonly number[];
  scale: Scaled;
  width: number;
  label: string;
}

export function Cells({ heads, numbers, scale, width, label }: CellsProps) {
  const left = useMemo(() => labelRoom(heads.names) + 12, [heads.names]);
  const most = Math.max(...heads.rows.map(({ head }) => head + 1));
  const high = Math.max(...heads.rows.map(({ at }) => at + 1));
  const largest = Math.max(LARGEST, Math.min(72, window.innerHeight * OF_PAGE));
  const pitch = Math.max(SMALLEST, Math.min(largest, Math.floor((width - left) / most)));
  const room = Math.max(240, window.innerHeight - 330);
  const tall = Math.max(SMALLEST, Math.min(pitch + 2, Math.floor(room / high)));
  const gap = pitch >= MARKED ? 2 : 1;
  const every = Math.max(1, Math.ceil(20 / pitch));
  const skip = Math.max(1, Math.ceil(14 / tall));
  const chosen = chosenHead(heads);
  const pointed = pointedHead.value;
  // Of a thousand cells none is looked at again because another one is pointed at.
  const cells = useMemo(
    () =>
      heads.rows.map((row, at) => (
        <Cell
          key={`${row.site} ${row.head}`}
          row={row}
          value={numbers[at] ?? Number.NaN}
          scale={scale}
          x={left + row.head * pitch}
          y={TOP + row.at * tall}
          width={pitch - gap}
          height={tall - gap}
          share={
            pitch >= MARKED
              ? measureOf(heads, "first_key_share", row.site, row.head)?.value
              : undefined
          }
        />
      )),
    [heads.rows, heads.measured, numbers, scale, pitch, tall, left, theme.value],
  );
  const size = { width: left + most * pitch + 2, height: TOP + high * tall + 3 };
  return (
    <div class="scroll">
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: arrow keys do the same anywhere on the page */}
      <svg
        {...size}
        role="img"
        aria-label={label}
        onPointerLeave={() => (pointedHead.value = null)}
        onPointerMove={(event) => {
          pointedHead.value = hit(event);
        }}
        onClick={(event) => {
          const spot = hit(event);
          if (spot) choose(spot);
        }}
      >
        {Array.from(
          { length: most },
          (_, head) =>
            head % every === 0 && (
              <text key={head} class="muted middle" x={left + head * pitch + pitch / 2 - 1} y={11}>
                {head}
              </text>
            ),
        )}
        {heads.names.map(
          (name, at) =>
            at % skip === 0 && (
              <text
                key={heads.sites[at]}
                class="muted end"
                x={left - 8}
                y={TOP + at * tall + tall / 2 + 4}
              >
                <title>{heads.sites[at]}</title>
                {name}
              </text>
            ),
        )}
        {cells}
        {pointed && <Frame heads={heads} spot={pointed} {...{ left, pitch, tall }} faint />}
        {chosen && <Frame heads={heads} spot={chosen} {...{ left, pitch, tall }} />}
      </svg>
    </div>
  );
}

function hit(event: MouseEvent): { site: string; head: number } | null {
  const cell = (event.target as Element).closest<SVGElement>("[data-head]");
  return cell ? { site: cell.dataset.site ?? "", head: Number(cell.dataset.head) } : null;
}

interface CellProps {
  row: HeadRow;
  value: number;
  scale: Scaled;
  x: number;
  y: number;
  width: number;
  height: number;
  /** The share on the first key, where there is room for its bar. */
  share: number | undefined;
}

function Cell({ row, value, scale, x, y, width, height, share }: CellProps) {
  const known = Number.isFinite(value);
  const ground = known ? groundOf(value, scale) : "url(#head-hatch)";
  const ink = known ? inkOn(ground) : "var(--text)";
  return (
    <g
      data-site={row.site}
      data-head={row.head}
      data-value={known ? value : undefined}
      data-pending={row.pending || undefined}
    >
      <rect x={x} y={y} {...{ width, height }} rx={width >= MARKED ? 3 : 1} class="cell" />
      <rect x={x} y={y} {...{ width, height }} rx={width >= MARKED ? 3 : 1} fill={ground} />
      {share !== undefined && Number.isFinite(share) && (
        <rect
          x={x + 2.5}
          y={y + height - 3 - (height - 6) * Math.min(1, share)}
          width={2}
          height={(height - 6) * Math.min(1, share)}
          rx={1}
          fill={ink}
          opacity={0.55}
        />
      )}
      {survives(row) && width >= MARKED && (
        <circle cx={x + width - 5} cy={y + 5} r={2} fill={ink} />
      )}
    </g>
  );
}

interface FrameProps {
  heads: Heads;
  spot: { site: string; head: number };
  left: number;
  pitch: number;
  tall: number;
  faint?: boolean;
}

function Frame({ heads, spot, left, pitch, tall, faint }: FrameProps) {
  const at = heads.sites.indexOf(spot.site);
  if (at < 0) return null;
  return (
    <rect
      class={faint ? "around faint" : "around"}
      x={left + spot.head * pitch - 1.5}
      y={TOP + at * tall - 1.5}
      width={pitch + 1}
      height={tall + 1}
      rx={4}
    />
  );
}
