/** The chosen head: its map in small, its measures, and what studies say of it. */
import { useMemo } from "preact/hooks";
import { headGrid } from "../../answers/head_grid.ts";
import { type HeadRow, isSigned, survives } from "../../answers/head_numbers.ts";
import type { Cell, Table } from "../../answers/table.ts";
import { FULL } from "../../cells/scale.ts";
import { viridis } from "../../cells/tables.ts";
import { layOut, paintMaps } from "../../cells/thumbs.ts";
import { Canvas } from "../../controls/canvas.tsx";
import { short } from "../../controls/format.ts";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { Mark, type Tier, tierOf } from "../../controls/tier.tsx";
import { useAnswer } from "../../controls/use_answer.ts";
import { PALETTES } from "../../draw/palette.ts";
import { spoken, t } from "../../state/language.ts";
import { choose, example, facts, runName, step, wordsOf } from "../../state/run.ts";
import { theme } from "../../state/theme.ts";
import { ablationWords, plain, pWords, signed, studyLine } from "../parts/head_words.ts";
import { chosenHead, type Heads, labelOf, measureOf, useHeads } from "../parts/heads.ts";
import type { Panel } from "../parts/panel.ts";
import style from "./head_card.css?inline";

export { style };

export const panel: Panel = { pages: ["heads"], where: "card", order: 1 };

const say = spoken({
  en: {
    layer: (name: string) => `Layer ${name}`,
    group: (group: number) => `key group ${group}`,
    open: "open its map →",
    most: "Taking it away costs most here.",
    stands: (p: string) => `Taking it away changes the result beyond doubt (p adj. ${p}).`,
    reaches: "The interval of its effect reaches 0: it may not matter.",
    leaves: "The interval of its effect leaves out 0, but not after correction over all heads.",
    unmeasured: "Whether the output needs it was not measured.",
    pending: "Not measured yet; the study runs.",
    early: "No verdict before the study is done.",
    this: "this example",
    mean: "mean",
    uniform: "uniform",
    interval: "95 %",
    firstOrder: "first order",
    importance: "importance",
    thumbnail: (name: string) => `Attention of ${name} on this example`,
  },
  zh: {
    layer: (name) => `第 ${name} 层`,
    group: (group) => `键组 ${group}`,
    open: "打开它的图 →",
    most: "这里去掉它代价最大。",
    stands: (p) => `去掉它确实会改变结果（校正后 p ${p}）。`,
    reaches: "其效应的区间含 0：它可能不重要。",
    leaves: "其效应的区间不含 0，但在所有头上校正后不成立。",
    unmeasured: "没有测量输出是否需要它。",
    pending: "尚未测量；研究正在进行。",
    early: "研究完成前不下结论。",
    this: "这个样本",
    mean: "均值",
    uniform: "均匀",
    interval: "95 %",
    firstOrder: "一阶",
    importance: "重要性",
    thumbnail: (name) => `${name} 在这个样本上的注意力`,
  },
});

export default function HeadCard() {
  const heads = useHeads();
  const row = chosenHead(heads);
  if (!heads.whole || !row) return null;
  return <Card heads={heads} row={row} />;
}

function Card({ heads, row }: { heads: Heads; row: HeadRow }) {
  const words = say();
  const lines = linesOf(heads, row);
  const recorded =
    heads.by === "head" && (facts.value?.sites.some(({ name }) => name === row.site) ?? false);
  const which = heads.by === "head" ? t.value.attention.head(row.head) : words.group(row.head);
  const layer = heads.names[row.at] ?? row.site;
  const name = /^\d+$/.test(layer) ? words.layer(layer) : layer;
  const title = `${name} · ${which}`;
  return (
    <section class="card" data-site={row.site} data-head={row.head}>
      <h2>
        <bdi title={row.site}>{name}</bdi>
        <span>· {which}</span>
        {recorded && (
          <button
            type="button"
            class="pill"
            data-no-picture=""
            onClick={() => choose({ page: "attention", site: row.site, head: row.head })}
          >
            {words.open}
          </button>
        )}
        <PanelMenu name={title} table={() => tableOf(lines)} python={pythonOf(heads, row)} />
      </h2>
      <p class="verdict">{verdict(heads, row)}</p>
      {recorded && <Thumbnail row={row} label={labelOf(heads, row)} />}
      <table>
        <thead>
          <tr>
            <th />
            <th scope="col">{words.mean}</th>
            <th scope="col">{words.interval}</th>
            <th scope="col">{words.uniform}</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <tr key={line.name} data-number={line.name} data-value={line.value}>
              <th scope="row">
                <svg width="10" height="10" aria-hidden="true">
                  <Mark tier={line.tier} x={5} y={5} colour="var(--muted)" />
                </svg>
                {line.title}
              </th>
              <td>{meanOf(line)}</td>
              <td class="sub">{rangeOf(line)}</td>
              <td class="sub">{Number.isFinite(line.uniform) ? short(line.uniform) : ""}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** What may be said of it in one sentence; nothing from attention alone. */
function verdict(heads: Heads, row: HeadRow): string {
  const words = say();
  if (row.pending) return words.pending;
  if (heads.ablation && heads.ablation.fact.state !== "finished") return words.early;
  if (!Number.isFinite(row.effect)) return words.unmeasured;
  const most = heads.rows.every(({ effect }) => !(Math.abs(effect) > Math.abs(row.effect)));
  const first = most ? `${words.most} ` : "";
  if (!isSigned(heads.ablation)) return first;
  if (survives(row)) return `${first}${words.stands(pWords(row.adjusted))}`;
  if (!Number.isFinite(row.low)) return first;
  return first + (row.low > 0 || row.high < 0 ? words.leaves : words.reaches);
}

interface Line {
  readonly name: string;
  readonly title: string;
  readonly tier: Tier;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly uniform: number;
  readonly both: boolean;
  /** The interval that says how many digits are sure, where its own is not known. */
  readonly sure?: { readonly low: number; readonly high: number };
}

function linesOf(heads: Heads, row: HeadRow): Line[] {
  const words = say();
  const series = heads.measured.get(row.site) ?? [];
  const lines = series.flatMap(({ name }): Line[] => {
    const point = measureOf(heads, name, row.site, row.head);
    if (!point || Number.isNaN(point.value)) return [];
    return [{ name, title: wordsOf(name).title, tier: "observed", both: false, ...point }];
  });
  const nothing = { low: Number.NaN, high: Number.NaN, uniform: Number.NaN };
  const gradient = tierOf(heads.importance?.tier ?? "gradient-attributed");
  if (Number.isFinite(row.importance)) {
    const ends = { low: row.importanceLow, high: row.importanceHigh };
    const { importance: value } = row;
    const shared = { ...nothing, tier: gradient };
    lines.push(
      { ...shared, ...ends, name: "importance", title: words.importance, value, both: false },
      {
        ...shared,
        name: "first_order",
        title: words.firstOrder,
        value: row.firstOrder,
        both: true,
        sure: ends,
      },
    );
  }
  if (Number.isFinite(row.effect))
    lines.push({
      ...nothing,
      name: "effect",
      title: ablationWords(heads.ablation),
      tier: tierOf(heads.ablation?.tier ?? "intervened"),
      value: row.effect,
      low: row.low,
      high: row.high,
      both: isSigned(heads.ablation),
    });
  return lines;
}

function meanOf({ value, both, sure, ...own }: Line): string {
  const { low, high } = sure ?? own;
  return (both ? signed : plain)(value, low, high);
}

function rangeOf({ low, high, both }: Line): string {
  if (!Number.isFinite(low + high)) return "";
  const text = both ? signed : plain;
  return `${text(low, low, high)} – ${text(high, low, high)}`;
}

function tableOf(lines: readonly Line[]): Table {
  const rows = lines.map(({ name, tier, value, low, high, uniform }): Cell[] => [
    name,
    tier,
    value,
    low,
    high,
    uniform,
  ]);
  return { columns: ["number", "tier", "mean", "low", "high", "uniform"], rows };
}

function pythonOf(heads: Heads, { site, head }: HeadRow): string {
  const where = `.sel(site=${JSON.stringify(site)}, ${heads.by}=${head})`;
  if (heads.ablation) return `${studyLine(heads.ablation, "ablation")}${where}`;
  return `run.measures(step=${step.value})${where}`;
}

const SIDE = 92;

/** Its map on the example in view, as the grid of Attention has it. */
function Thumbnail({ row, label }: { row: HeadRow; label: string }) {
  const words = say();
  const tokens = example.value?.tokens ?? null;
  const { answer } = useAnswer(
    runName.value !== null && step.value !== null
      ? {
          what: "grid",
          run: runName.value,
          step: step.value,
          example: example.value?.index ?? 0,
          reduce: "max",
        }
      : null,
  );
  const strip = useMemo(() => {
    const site = answer && headGrid(answer, tokens).sites.find(({ site }) => site === row.site);
    if (!site) return null;
    const { strip } = site;
    const size = strip.rows * strip.columns;
    return {
      ...strip,
      heads: 1,
      values: strip.values.subarray(row.head * size, (row.head + 1) * size),
      range: strip.range ?? FULL,
    };
  }, [answer, tokens, row.site, row.head]);
  if (!strip) return <div class="thumbnail" />;
  const layout = layOut([strip], SIDE, SIDE);
  const marks = PALETTES[theme.value].marks;
  return (
    <div class="thumbnail">
      <Canvas
        width={layout.width}
        height={layout.height}
        label={words.thumbnail(label)}
        paint={(context, ratio) => {
          const { width, height } = context.canvas;
          const image = context.createImageData(width, height);
          const pixels = { data: new Uint32Array(image.data.buffer), width };
          paintMaps(pixels, layout, ratio, [strip], "sqrt", "max", viridis, marks(ratio));
          context.putImageData(image, 0, 0);
        }}
        when={[strip, marks]}
      />
      <span class="sub">{words.this}</span>
    </div>
  );
}
