/** Every head as one cell, filled by a chosen number; one is chosen. */
import { useMemo } from "preact/hooks";
import { type HeadRow, survives } from "../../answers/head_numbers.ts";
import type { Table } from "../../answers/table.ts";
import { useSize } from "../../controls/canvas.tsx";
import { count, short } from "../../controls/format.ts";
import { Legend } from "../../controls/legend.tsx";
import { ProblemNotice } from "../../controls/notice.tsx";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { TierKey, tierOf } from "../../controls/tier.tsx";
import { along, apart } from "../../draw/ramps.ts";
import { spoken } from "../../state/language.ts";
import { step } from "../../state/run.ts";
import { theme } from "../../state/theme.ts";
import { Cells, type Scaled, scaleOf } from "../parts/head_cells.tsx";
import { fillWords, nOf, plain, pWords, signed, studyLine, unitOf } from "../parts/head_words.ts";
import {
  type Fill,
  fillShown,
  type Heads,
  labelOf,
  measureOf,
  pointedHead,
  useHeads,
} from "../parts/heads.ts";
import type { Panel } from "../parts/panel.ts";
import style from "./heads_matrix.css?inline";

export { style };

export const panel: Panel = { pages: ["heads"], where: "hub", order: 1 };

const say = spoken({
  en: {
    title: (layers: string, heads: string) => `${layers} layers × ${heads} heads`,
    groups: (layers: string, groups: string) => `${layers} layers × ${groups} key groups`,
    sites: (sites: string, heads: string) => `${sites} sites, ${heads} heads`,
    label: (what: string) => `All heads, filled by ${what}. Arrow keys choose a head.`,
    hint: "Point at a head for its numbers; click to choose it.",
    adjusted: (p: string) => `p adj. ${p}`,
    dot: "p adj. < .05",
    first: "on first key",
    pending: "not measured yet",
    unmeasured: "not measured",
    root: "√ scale",
    uniform: (value: string) => `uniform ${value}`,
    observed: (n: string) => `mean of ${n} examples`,
    one: "of one example, no interval",
  },
  zh: {
    title: (layers, heads) => `${layers} 层 × ${heads} 个头`,
    groups: (layers, groups) => `${layers} 层 × ${groups} 个键组`,
    sites: (sites, heads) => `${sites} 处，${heads} 个头`,
    label: (what) => `所有的头，按${what}着色。方向键选择一个头。`,
    hint: "指向一个头可看到数值；点击选择。",
    adjusted: (p) => `校正后 p ${p}`,
    dot: "校正后 p < .05",
    first: "首个键上的份额",
    pending: "尚未测量",
    unmeasured: "没有测量",
    root: "√ 标度",
    uniform: (value) => `均匀 ${value}`,
    observed: (n) => `${n} 个样本的均值`,
    one: "仅一个样本，没有区间",
  },
});

export default function HeadsMatrix() {
  const heads = useHeads();
  const fill = fillShown(heads);
  if (heads.problem) return <ProblemNotice problem={heads.problem} />;
  if (!heads.whole || heads.rows.length === 0 || !fill) return null;
  return <Matrix heads={heads} fill={fill} />;
}

function tierShown({ ablation, importance }: Heads, { name }: Fill) {
  if (name === "ablation") return tierOf(ablation?.tier ?? "intervened");
  if (name === "importance" || name === "first_order")
    return tierOf(importance?.tier ?? "gradient-attributed");
  return "observed";
}

function Matrix({ heads, fill }: { heads: Heads; fill: Fill }) {
  const words = say();
  const room = useSize<HTMLDivElement>();
  const numbers = useMemo(
    () => heads.rows.map(fill.value),
    [heads.rows, fill.name, heads.measured, step.value],
  );
  const scale = useMemo(() => scaleOf(numbers, fill.signed), [numbers, fill.signed]);
  const what = fillWords(fill.name, heads.ablation);
  const most = Math.max(...heads.rows.map(({ head }) => head + 1));
  const even = heads.rows.length === most * heads.sites.length;
  return (
    <section class="matrix" data-fill={fill.name} aria-busy={heads.slow}>
      <h2>
        {even
          ? (heads.by === "head" ? words.title : words.groups)(
              count(heads.sites.length),
              count(most),
            )
          : words.sites(count(heads.sites.length), count(heads.rows.length))}
        <TierKey tier={tierShown(heads, fill)} />
        <PanelMenu
          name={what}
          table={() => tableOf(heads, fill, numbers)}
          python={pythonOf(heads, fill)}
        />
      </h2>
      <p class="sub n">{[what, nWords(heads, fill)].filter(Boolean).join(" · ")}</p>
      <div ref={room.ref}>
        {room.width > 0 && (
          <Cells {...{ heads, numbers, scale }} width={room.width} label={words.label(what)} />
        )}
      </div>
      <Readout heads={heads} fill={fill} />
      <Key heads={heads} fill={fill} scale={scale} />
    </section>
  );
}

function nWords(heads: Heads, { name }: Fill): string {
  const words = say();
  const study = name === "ablation" ? heads.ablation : heads.importance;
  if (["ablation", "importance", "first_order"].includes(name)) return study ? nOf(study) : "";
  return heads.examples === 1 ? words.one : words.observed(count(heads.examples));
}

/** What is pointed at, else how to point: it moves nothing when it changes. */
function Readout({ heads, fill }: { heads: Heads; fill: Fill }) {
  const words = say();
  const spot = pointedHead.value;
  const row = spot && heads.rows.find((each) => each.site === spot.site && each.head === spot.head);
  return (
    <p class="sub read" role="status" data-head={row ? labelOf(heads, row) : undefined}>
      {row ? valueWords(heads, fill, row) : words.hint}
    </p>
  );
}

function valueWords(heads: Heads, { name, value }: Fill, row: HeadRow) {
  const words = say();
  const number = value(row);
  const what = fillWords(name, heads.ablation);
  const title = <b>{labelOf(heads, row)}</b>;
  if (row.pending && Number.isNaN(number))
    return (
      <>
        {title} · {words.pending}
      </>
    );
  if (name === "ablation") {
    const { low, high, adjusted } = row;
    return (
      <>
        {title} · {what} <b>{signed(number, low, high)}</b> {unitOf(heads.ablation)}
        {Number.isFinite(low) && ` · ${signed(low, low, high)} – ${signed(high, low, high)}`}
        {Number.isFinite(adjusted) && ` · ${words.adjusted(pWords(adjusted))}`}
      </>
    );
  }
  const point = measureOf(heads, name, row.site, row.head);
  const [low, high] = point
    ? [point.low, point.high]
    : [row.importanceLow, name === "importance" ? row.importanceHigh : Number.NaN];
  return (
    <>
      {title} · {what} <b>{plain(number, low, high)}</b>
      {Number.isFinite(low + high) && ` · ${plain(low, low, high)} – ${plain(high, low, high)}`}
      {point && Number.isFinite(point.uniform) && ` · ${words.uniform(short(point.uniform))}`}
    </>
  );
}

function Key({ heads, fill, scale }: { heads: Heads; fill: Fill; scale: Scaled }) {
  const words = say();
  const pending = heads.rows.some((row) => !Number.isFinite(fill.value(row)));
  const shown = fill.name === "ablation" ? heads.ablation : heads.importance;
  const unit = measuredUnit(heads, fill) || unitOf(shown);
  const ticks = scale.signed
    ? [
        { shade: 0, text: short(scale.low) },
        { shade: 0.5, text: "0" },
        { shade: 1, text: `+${short(scale.high)}` },
      ]
    : [
        { shade: 0, text: short(scale.low) },
        { shade: 1, text: short(scale.high) },
      ];
  return (
    <div class="key">
      <Legend
        colour={(shade) =>
          scale.signed ? apart(2 * shade - 1, theme.value) : along(shade, theme.value)
        }
        ticks={ticks}
        meaning={[unit, scale.signed ? words.root : ""].filter(Boolean).join(", ")}
      />
      <span class="marks sub">
        {heads.measured.size > 0 && (
          <span>
            <svg width="4" height="10" aria-hidden="true">
              <rect x="1" width="2" height="10" rx="1" fill="currentColor" opacity="0.6" />
            </svg>
            {words.first}
          </span>
        )}
        {heads.rows.some(survives) && (
          <span>
            <svg width="5" height="10" aria-hidden="true">
              <circle cx="2.5" cy="5" r="2" fill="currentColor" />
            </svg>
            {words.dot}
          </span>
        )}
        {pending && (
          <span>
            <svg width="12" height="10" aria-hidden="true">
              <rect width="12" height="10" rx="2" fill="url(#head-hatch)" />
            </svg>
            {heads.rows.some((row) => row.pending) ? words.pending : words.unmeasured}
          </span>
        )}
      </span>
      <svg class="defs" width="0" height="0" aria-hidden="true">
        <defs>
          <pattern id="head-hatch" width="5" height="5" patternUnits="userSpaceOnUse">
            <path d="M-1,1l2,-2M0,5l5,-5M4,6l2,-2" stroke="var(--faint)" stroke-width="1" />
          </pattern>
        </defs>
      </svg>
    </div>
  );
}

function measuredUnit(heads: Heads, { name }: Fill): string {
  for (const series of heads.measured.values()) {
    const measure = series.find((each) => each.name === name);
    if (measure) return measure.units;
  }
  return "";
}

function tableOf(heads: Heads, { name }: Fill, numbers: readonly number[]): Table {
  const points = heads.rows.map(({ site, head }) => measureOf(heads, name, site, head));
  const study = name === "ablation";
  const rows = heads.rows.map((row, at) => [
    row.site,
    row.head,
    numbers[at] ?? Number.NaN,
    study ? row.low : (points[at]?.low ?? (name === "importance" ? row.importanceLow : Number.NaN)),
    study
      ? row.high
      : (points[at]?.high ?? (name === "importance" ? row.importanceHigh : Number.NaN)),
    study ? row.adjusted : Number.NaN,
  ]);
  return { columns: ["site", "head", name, "low", "high", "p_adjusted"], rows };
}

function pythonOf(heads: Heads, { name }: Fill): string {
  if (name === "ablation") return `${studyLine(heads.ablation, "ablation")}["effect"]`;
  if (name === "importance" || name === "first_order")
    return `${studyLine(heads.importance, "importance")}[${JSON.stringify(name)}]`;
  return `run.measures(step=${step.value})[${JSON.stringify(name)}].mean("example")`;
}
