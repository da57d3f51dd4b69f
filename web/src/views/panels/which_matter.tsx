/** Heads by what taking them away does, each with its interval; gradients beside it. */
import { scaleLinear } from "d3-scale";
import {
  byHarm,
  forestRows,
  type HeadRow,
  type HeadStudy,
  isSigned,
  LEVEL,
  survives,
} from "../../answers/head_numbers.ts";
import type { Table } from "../../answers/table.ts";
import { useSize } from "../../controls/canvas.tsx";
import { count, short } from "../../controls/format.ts";
import { Interval } from "../../controls/interval.tsx";
import { labelRoom } from "../../controls/label_room.ts";
import { Missing } from "../../controls/missing.tsx";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { Mark, TierKey, tierOf } from "../../controls/tier.tsx";
import { spoken } from "../../state/language.ts";
import { choose } from "../../state/run.ts";
import {
  ablationWords,
  folderOf,
  nOf,
  pWords,
  signed,
  studyLine,
  unitOf,
} from "../parts/head_words.ts";
import { chosenHead, type Heads, labelOf, pointedHead, useHeads } from "../parts/heads.ts";
import type { Panel } from "../parts/panel.ts";
import style from "./which_matter.css?inline";

export { style };

export const panel: Panel = { pages: ["heads"], where: "matter", order: 1 };

const say = spoken({
  en: {
    title: "Which matter",
    label: "Heads by the effect of taking each away, the greatest first",
    both: (what: string) => `${what}, 95 %`,
    bothHalf: (what: string) => `${what}, 50 and 95 %`,
    firstOrder: "first order, −∂L/∂gate",
    importance: "|∂L/∂gate|",
    adjusted: "p adj.",
    more: (n: string) => `${n} more between.`,
    leave: (n: string) => ` ${n} ${n === "1" ? "interval leaves" : "intervals leave"} out 0;`,
    stay: (n: string, all: string) =>
      ` ${n} ${n === "1" ? "stays" : "stay"} after Holm over ${all}.`,
    floor: (n: string) => ` With ${n} nothing can stay after Holm, whatever its effect.`,
    few: " Under 5 there are no intervals.",
    missing: (passes: string) =>
      `Maps say where a head looks, not whether the output needs it. Take each head away once and look at the loss, with your model and some labelled data${passes}:`,
    passes: (n: string) => `, ${n} passes`,
    cheaper: "Cheaper, and only a hint: one gradient an example.",
    begun: "The study has begun. Its first numbers come with its first task.",
    stopped: "The study stopped before its first task was done.",
  },
  zh: {
    title: "哪些重要",
    label: "按去掉每个头的效应排列，最大的在前",
    both: (what) => `${what}，95 %`,
    bothHalf: (what) => `${what}，50 % 与 95 %`,
    firstOrder: "一阶，−∂L/∂gate",
    importance: "|∂L/∂gate|",
    adjusted: "校正后 p",
    more: (n) => `中间还有 ${n} 个。`,
    leave: (n) => `${n} 个区间不含 0；`,
    stay: (n, all) => `在 ${all} 个上做 Holm 校正后剩 ${n} 个。`,
    floor: (n) => `${n} 时，无论效应多大，Holm 校正后都不会剩下。`,
    few: "少于 5 个时没有区间。",
    missing: (passes) =>
      `注意力图说明头看向哪里，不说明输出是否需要它。用你的模型和一些有标签的数据，把每个头去掉一次，看损失${passes}：`,
    passes: (n) => `，共 ${n} 次`,
    cheaper: "更省，但只是提示：每个样本一次梯度。",
    begun: "研究已开始。完成第一个任务后就有数值。",
    stopped: "研究在完成第一个任务之前就停止了。",
  },
});

/** Rows from above and from below, and their height. */
const GREATEST = 12;
const LOWEST = 2;
const ROW = 22;
const TALLEST = 30;
/** Room for what columns are called. */
const HEADER = 17;
const P = 46;
const IMPORTANCE = 92;

export default function WhichMatter() {
  const heads = useHeads();
  if (!heads.whole || heads.rows.length === 0) return null;
  const { ablation, asked } = heads;
  if (ablation && heads.rows.some(({ effect }) => Number.isFinite(effect)))
    return <Forest heads={heads} ablation={ablation} />;
  return asked ? <Begun stopped={asked.state === "stopped"} /> : <Unmeasured heads={heads} />;
}

function Begun({ stopped }: { stopped: boolean }) {
  const words = say();
  return (
    <section class="forest">
      <h2>{words.title}</h2>
      <p class="sub">{stopped ? words.stopped : words.begun}</p>
    </section>
  );
}

function Unmeasured({ heads }: { heads: Heads }) {
  const words = say();
  const run = JSON.stringify(folderOf());
  return (
    <Missing
      title={words.title}
      code={`ll.ablation(model, data, metric="loss",\n            run=${run})`}
    >
      {words.missing(words.passes(count(heads.rows.length)))}
    </Missing>
  );
}

/** First order is in the metric's own units, so it shares the axis if the metric is the same. */
function sharesAxis({ ablation, importance }: Heads): boolean {
  return importance !== null && importance.metric === ablation?.metric;
}

function Forest({ heads, ablation }: { heads: Heads; ablation: HeadStudy }) {
  const words = say();
  const room = useSize<HTMLDivElement>();
  const ordered = byHarm(heads.rows, ablation);
  const shown = forestRows(ordered, GREATEST, LOWEST);
  const half = ordered.some(({ halfLow }) => Number.isFinite(halfLow));
  const what = ablationWords(ablation);
  const { importance } = heads;
  return (
    <section class="forest" aria-busy={heads.slow}>
      <h2>
        {words.title}{" "}
        <span class="sub">{[unitOf(ablation), nOf(ablation)].filter(Boolean).join(" · ")}</span>
        <PanelMenu
          name={words.title}
          table={() => tableOf(ordered)}
          python={studyLine(ablation, "ablation")}
        />
      </h2>
      <p class="marks">
        <TierKey
          tier={tierOf(ablation.tier)}
          text={half ? words.bothHalf(what) : words.both(what)}
        />
        {sharesAxis(heads) && <TierKey tier="gradient-attributed" text={words.firstOrder} />}
      </p>
      <div ref={room.ref}>
        {room.width > 0 && <Rows heads={heads} ablation={ablation} {...shown} width={room.width} />}
      </div>
      <p class="sub below">
        {shown.left > 0 && words.more(count(shown.left))}
        {isSigned(ablation) && <Tests ordered={ordered} ablation={ablation} />}
      </p>
      {!importance && (
        <p class="sub hint">
          {words.cheaper}{" "}
          <code>{`ll.importance(model, data, run=${JSON.stringify(folderOf())})`}</code>
        </p>
      )}
    </section>
  );
}

/** How many heads may be told from chance; never said of what cannot be negative. */
function Tests({ ordered, ablation }: { ordered: readonly HeadRow[]; ablation: HeadStudy }) {
  const words = say();
  if (ablation.fact.state !== "finished") return null;
  if (ordered.every(({ low }) => Number.isNaN(low))) return <>{words.few}</>;
  const leaving = ordered.filter(({ low, high }) => low > 0 || high < 0).length;
  const can = Number(ablation.answer.attrs.can_survive ?? 1) !== 0;
  return (
    <>
      {words.leave(count(leaving))}
      {can
        ? words.stay(count(ordered.filter(survives).length), count(ordered.length))
        : words.floor(nOf(ablation))}
    </>
  );
}

interface RowsProps {
  heads: Heads;
  ablation: HeadStudy;
  rows: readonly HeadRow[];
  /** After which row some are left out; null: none are. */
  gap: number | null;
  width: number;
}

function Rows({ heads, ablation, rows, gap, width }: RowsProps) {
  const words = say();
  const labels = rows.map((row) => labelOf(heads, row));
  const left = Math.max(62, labelRoom(labels) + 18);
  const apart = heads.importance ? IMPORTANCE : 0;
  const right = width - P - apart;
  const shared = sharesAxis(heads);
  const x = axisOver(rows, shared, left, right - 8);
  const most = Math.max(
    ...rows.map(({ importance, importanceHigh }) => importanceHigh || importance),
  );
  const weigh = scaleLinear(
    [0, Number.isFinite(most) && most > 0 ? most : 1],
    [right + 10, right + apart - 8],
  );
  const tall = Math.max(ROW, Math.min(TALLEST, Math.floor(window.innerHeight / 38)));
  const y = (at: number) => HEADER + at * tall + tall / 2 + (gap !== null && at >= gap ? 8 : 0);
  const foot = y(rows.length - 1) + tall / 2;
  const chosen = chosenHead(heads);
  const wanted = Math.max(2, Math.min(5, Math.floor((right - left) / 62)));
  const ticks = x.ticks(wanted);
  const text = x.tickFormat(wanted);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: arrow keys do the same anywhere on the page
    <svg
      width={width}
      height={foot + 20}
      role="img"
      aria-label={words.label}
      onPointerLeave={() => (pointedHead.value = null)}
      onPointerMove={(event) => (pointedHead.value = hit(event))}
      onClick={(event) => {
        const spot = hit(event);
        if (spot) choose(spot);
      }}
    >
      {rows.map((row, at) => (
        <rect
          key={`${row.site} ${row.head}`}
          class={groundOf(row, chosen)}
          data-site={row.site}
          data-head={row.head}
          x={0}
          y={y(at) - tall / 2 + 1}
          width={width}
          height={tall - 2}
          rx={4}
        />
      ))}
      {ticks.map((tick) => (
        <g key={tick} class="axis">
          <line
            class={tick === 0 ? "null" : ""}
            x1={x(tick)}
            x2={x(tick)}
            y1={HEADER}
            y2={foot + 3}
          />
          <text x={x(tick)} y={foot + 15}>
            {tick > 0 ? `+${text(tick)}` : text(tick)}
          </text>
        </g>
      ))}
      {apart > 0 && (
        <g class="axis apart">
          <text class="start" x={weigh(0)} y={10}>
            {words.importance}
          </text>
          <line x1={weigh(0)} x2={weigh(0)} y1={HEADER} y2={foot + 3} />
          <text class="start" x={weigh(0)} y={foot + 15}>
            0
          </text>
          <text x={weigh.range()[1]} y={foot + 15}>
            {short(weigh.domain()[1] ?? 1)}
          </text>
        </g>
      )}
      {rows.some(survives) && (
        <text class="p" x={width - 2} y={10}>
          {words.adjusted}
        </text>
      )}
      {gap !== null && (
        <text class="gap" x={left - 26} y={y(gap) - tall / 2 + 1}>
          ⋮
        </text>
      )}
      {rows.map((row, at) => (
        <Effect
          key={`${row.site} ${row.head}`}
          label={labels[at] ?? ""}
          row={row}
          tier={tierOf(ablation.tier)}
          {...{ x, weigh, shared, left }}
          y={y(at)}
          right={width}
          on={row.site === chosen?.site && row.head === chosen?.head}
        />
      ))}
    </svg>
  );
}

function hit(event: MouseEvent): { site: string; head: number } | null {
  const row = (event.target as Element).closest<SVGElement>("[data-head]");
  return row ? { site: row.dataset.site ?? "", head: Number(row.dataset.head) } : null;
}

function groundOf(row: HeadRow, chosen: HeadRow | null): string {
  const same = (spot: { site: string; head: number } | null) =>
    spot !== null && spot.site === row.site && spot.head === row.head;
  return same(chosen) ? "ground on" : same(pointedHead.value) ? "ground pointed" : "ground";
}

type Axis = ReturnType<typeof axisOver>;

/** An axis over what is drawn, with 0 on it. */
function axisOver(rows: readonly HeadRow[], shared: boolean, left: number, right: number) {
  const values = rows.flatMap(({ effect, low, high, firstOrder }) => [
    effect,
    low,
    high,
    shared ? firstOrder : Number.NaN,
  ]);
  const finite = [0, ...values.filter(Number.isFinite)];
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  return scaleLinear(low < high ? [low, high] : [-1, 1], [left + 6, right]);
}

interface EffectProps {
  label: string;
  row: HeadRow;
  tier: ReturnType<typeof tierOf>;
  x: Axis;
  weigh: Axis;
  shared: boolean;
  y: number;
  left: number;
  right: number;
  on: boolean;
}

function Effect({ label, row, tier, x, weigh, shared, y, left, right, on }: EffectProps) {
  const colour = on ? "var(--accent)" : "var(--text)";
  const faint = on ? "var(--accent)" : "var(--muted)";
  return (
    <g
      class="effect"
      data-site={row.site}
      data-head={row.head}
      data-effect={row.effect}
      data-survives={survives(row) || undefined}
    >
      <title>{`${row.site} · ${row.head}: ${signed(row.effect, row.low, row.high)}`}</title>
      <text class={on ? "label on" : "label"} x={left - 14} y={y + 4}>
        {label}
      </text>
      <Interval
        x={x}
        y={y}
        wide={row}
        half={{ low: row.halfLow, high: row.halfHigh }}
        colour={colour}
      />
      {shared && Number.isFinite(row.firstOrder) && (
        <Mark tier="gradient-attributed" x={x(row.firstOrder)} y={y} size={3.6} colour={faint} />
      )}
      <Mark tier={tier} x={x(row.effect)} y={y} colour={colour} />
      {Number.isFinite(row.importance) && (
        <>
          <Interval
            x={weigh}
            y={y}
            wide={{ low: row.importanceLow, high: row.importanceHigh }}
            colour={faint}
          />
          <Mark
            tier="gradient-attributed"
            x={weigh(row.importance)}
            y={y}
            size={3.6}
            colour={faint}
          />
        </>
      )}
      {row.adjusted < LEVEL && (
        <text class="p" x={right - 2} y={y + 4}>
          {pWords(row.adjusted)}
        </text>
      )}
    </g>
  );
}

function tableOf(ordered: readonly HeadRow[]): Table {
  const columns = ["site", "head", "effect", "low", "high", "p_adjusted", "first_order"];
  const rows = ordered.map((row) => [
    row.site,
    row.head,
    row.effect,
    row.low,
    row.high,
    row.adjusted,
    row.firstOrder,
    row.importance,
  ]);
  return { columns: [...columns, "importance"], rows };
}
