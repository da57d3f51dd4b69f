/** Every head of every site in one picture; one is chosen. */

import { useMemo, useState } from "preact/hooks";
import { gridTable, type HeadGrid, headGrid, measuredOf } from "../../answers/head_grid.ts";
import { middle } from "../../answers/site_names.ts";
import { FULL, LOG_FLOOR, NOT_ALLOWED, ticks } from "../../cells/scale.ts";
import { at, cividis, css, viridis } from "../../cells/tables.ts";
import { hit, type Layout, layOut, paintMaps, paintMeasures } from "../../cells/thumbs.ts";
import { Canvas, useSize } from "../../controls/canvas.tsx";
import { short } from "../../controls/format.ts";
import { Legend } from "../../controls/legend.tsx";
import { ProblemNotice } from "../../controls/notice.tsx";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { px } from "../../controls/px.ts";
import { useAnswer, useRanks } from "../../controls/use_answer.ts";
import { PALETTES } from "../../draw/palette.ts";
import { spoken, t } from "../../state/language.ts";
import { choose, example, head, runName, site, sites, step, wordsOf } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { theme } from "../../state/theme.ts";
import type { Panel } from "../parts/panel.ts";
import { chosenRange } from "../parts/range.ts";
import { namesRoom, SiteNames } from "../parts/site_names.tsx";
import { type Placed, placed } from "../parts/site_order.ts";
import style from "./heads_grid.css?inline";

export { style };

export const panel: Panel = { pages: ["attention"], where: "overview", order: 1 };

const say = spoken({
  en: {
    sites: (sites: number) => `${sites} ${sites === 1 ? "site" : "sites"}`,
    sitesHeads: (sites: number, heads: number) =>
      `${sites} ${sites === 1 ? "layer" : "layers"} × ${heads} ${heads === 1 ? "head" : "heads"}`,
    axes: "key → · query ↓",
    gridLabel: (title: string) => `Heads grid, ${title}. Arrow keys choose a head.`,
    rangeOf: (site: string) => `range of ${site}; each layer has its own`,
    nanRows: (rows: number) => `${rows} ${rows === 1 ? "row" : "rows"} NaN`,
    under: (reduce: "max" | "mean", block: string | null) =>
      block ? `thumbnails: ${reduce} of up to ${block} cells` : "thumbnails: every cell",
  },
  zh: {
    sites: (sites) => `${sites} 处注意力`,
    sitesHeads: (sites, heads) => `${sites} 层 × ${heads} 个头`,
    axes: "键 → · 查询 ↓",
    gridLabel: (title) => `头的网格，${title}。方向键选择一个头。`,
    rangeOf: (site) => `${site} 的范围；每层各有自己的`,
    nanRows: (rows) => `${rows} 行为 NaN`,
    under: (reduce, block) =>
      block
        ? `小图：至多 ${block} 个格子的${reduce === "max" ? "最大值" : "平均值"}`
        : "小图：逐格显示",
  },
});

/** Height that the curve below and the rows above and below take. */
const CURVE = 490;
/** Width of a page up to which all stands in one column, as the style sheets have it. */
const NARROW = 1100;

type Spot = { site: number; head: number };

export default function HeadsGrid() {
  const words = { ...t.value.attention, ...say() };
  const { reduce } = selection.value;
  const query =
    runName.value !== null && step.value !== null
      ? ({
          what: "grid",
          run: runName.value,
          step: step.value,
          example: example.value?.index ?? 0,
          reduce,
        } as const)
      : null;
  const outcome = useAnswer(query);
  const tokens = example.value?.tokens ?? null;
  const grid = useMemo(
    () => outcome.answer && headGrid(outcome.answer, tokens),
    [outcome.answer, tokens],
  );
  return (
    <section class="grid" aria-busy={outcome.slow}>
      <h2>
        {title(grid)} <span class="sub">{words.axes}</span>
        {grid && (
          <PanelMenu
            name={title(grid)}
            table={() => gridTable(grid, selection.value.colour)}
            python={pythonOf(grid)}
          />
        )}
      </h2>
      {outcome.problem && <ProblemNotice problem={outcome.problem} />}
      {grid && <Thumbs grid={grid} />}
    </section>
  );
}

function pythonOf({ step: at, example: on, measures }: HeadGrid): string {
  const { colour } = selection.value;
  if (!measures.includes(colour)) {
    return `{site: run.weights(site, step=${at})[${on}] for site in run.sites}`;
  }
  return `run.measures(step=${at})[${JSON.stringify(colour)}].isel(example=${on})`;
}

function title(grid: HeadGrid | null): string {
  const words = { ...t.value.attention, ...say() };
  const counts = new Set(grid?.sites.map((gridSite) => gridSite.strip.heads));
  const [only = 0] = counts;
  if (!grid || counts.size !== 1) return words.sites(grid?.sites.length ?? 0);
  return words.sitesHeads(grid.sites.length, only);
}

/** Room that the heading of a group takes. */
const HEADING = 19;

function Thumbs({ grid: recorded }: { grid: HeadGrid }) {
  const words = { ...t.value.attention, ...say() };
  const { scale, reduce, colour } = selection.value;
  const chosen = chosenRange.value;
  const room = useSize<HTMLDivElement>();
  const [over, setOver] = useState<Spot | null>(null);
  const { grid, order } = useMemo(() => inOrder(recorded), [recorded, sites.value]);
  const left = useMemo(() => namesRoom(order.map(({ short }) => short)), [order]);
  const strips = useMemo(
    () => grid.sites.map(({ strip }) => ({ ...strip, range: chosen ?? strip.range ?? FULL })),
    [grid, chosen?.low, chosen?.high],
  );
  const rows = useMemo(
    () =>
      scale === "percentile"
        ? strips.map((strip) => ({ ...strip, rows: strip.heads * strip.rows }))
        : null,
    [strips, scale],
  );
  const ranks = useRanks(rows);
  const drawn = ranks
    ? strips.map((strip, at) => ({ ...strip, values: ranks[at] ?? strip.values }))
    : strips;
  const layout = useMemo(() => {
    const above = order.map(({ heading }) => (heading ? HEADING : 0));
    const column = window.innerWidth <= NARROW;
    const height = column ? Math.max(360, 0.6 * room.page) : Math.max(240, room.page - CURVE);
    return layOut(strips, Math.max(60, room.width - left), height, above);
  }, [strips, order, room.width, room.page, left]);
  const shown =
    strips[
      Math.max(
        0,
        order.findIndex((each) => each.site.name === site.value?.name),
      )
    ];
  const measured = useMemo(() => measuredOf(grid, colour), [grid, colour]);
  const marks = PALETTES[theme.value].marks;
  return (
    <div ref={room.ref}>
      {room.width > 0 && (
        <div class="thumbs" style={px({ "padding-left": left, height: layout.height + 18 })}>
          <SiteNames order={order} layout={layout} left={left} />
          <Canvas
            width={layout.width}
            height={layout.height}
            label={words.gridLabel(title(grid))}
            data-grid={colour}
            paint={(context, ratio) => {
              const { width, height } = context.canvas;
              const image = context.createImageData(width, height);
              const pixels = { data: new Uint32Array(image.data.buffer), width };
              if (measured) {
                paintMeasures(pixels, layout, ratio, measured, cividis, marks(ratio));
              } else if (ranks || scale !== "percentile") {
                paintMaps(pixels, layout, ratio, drawn, scale, reduce, viridis, marks(ratio));
              }
              context.putImageData(image, 0, 0);
            }}
            when={[strips, ranks, layout, measured, scale, reduce, marks]}
            onPointerMove={(event) => setOver(hit(layout, event.offsetX, event.offsetY))}
            onPointerLeave={() => setOver(null)}
            onClick={(event) => {
              const spot = hit(layout, event.offsetX, event.offsetY);
              const chosen = spot && grid.sites[spot.site];
              if (chosen) choose({ site: chosen.site, head: spot.head });
            }}
          />
          <Chosen grid={grid} layout={layout} left={left} />
        </div>
      )}
      <p class="sub under" style={px({ "padding-left": left })}>
        {over ? describe(grid, over) : measured ? "" : words.under(reduce, blockOf(grid))}
        {!over && !measured && !chosen && strips.length > 1 && scale !== "percentile" && (
          <> · {words.rangeOf(nameOf(order))}</>
        )}
      </p>
      {measured && (
        <Legend
          colour={(shaded) => css(at(cividis, shaded))}
          ticks={[0, 0.5, 1].map((shaded) => ({
            shade: shaded,
            text: short(measured.low + shaded * (measured.high - measured.low)),
          }))}
          meaning={`${wordsOf(colour).title}, ${words.unit(grid.units[colour] ?? "")}`}
          nan={measured.nan}
        />
      )}
      {!measured && shown && (
        <Legend
          colour={(shaded) => css(at(viridis, shaded))}
          ticks={ticks(scale, shown.range, LOG_FLOOR)}
          meaning={words.weightScale[scale]}
          nan={strips.some((strip) => strip.values.some(Number.isNaN))}
          allAllowed={!strips.some((strip) => strip.values.includes(NOT_ALLOWED))}
        />
      )}
    </div>
  );
}

/** The grid's sites as lists have them, and their names. */
function inOrder(grid: HeadGrid): { grid: HeadGrid; order: readonly Placed[] } {
  const byName = new Map(grid.sites.map((gridSite) => [gridSite.site, gridSite]));
  const order = placed(new Set(byName.keys()));
  const sites = order.flatMap((each) => byName.get(each.site.name) ?? []);
  return { grid: { ...grid, sites }, order };
}

function nameOf(order: readonly Placed[]): string {
  const each = order.find((other) => other.site.name === site.value?.name);
  return each ? middle(each.site.name, 30) : "";
}

function Chosen({ grid, layout, left }: { grid: HeadGrid; layout: Layout; left: number }) {
  const row = grid.sites.findIndex((gridSite) => gridSite.site === site.value?.name);
  const box = layout.boxes[row]?.[head.value];
  if (!box) return null;
  const style = px({
    left: left + box.x - 3,
    top: 18 + box.y - 3,
    width: box.width + 6,
    height: box.height + 6,
  });
  return <i class="frame-head" style={style} />;
}

function describe(grid: HeadGrid, spot: Spot): string {
  const words = { ...t.value.attention, ...say() };
  const gridSite = grid.sites[spot.site];
  const numbers = grid.measures.flatMap((name) => {
    const value = gridSite?.measures[name]?.[spot.head];
    return value === undefined ? [] : `${wordsOf(name).title} ${short(value)}`;
  });
  const broken = gridSite?.nanRows?.[spot.head] ?? 0;
  const rows = broken > 0 ? [words.nanRows(broken)] : [];
  return [`${gridSite?.site} · ${words.head(spot.head)}`, ...rows, ...numbers].join(" · ");
}

function blockOf(grid: HeadGrid): string | null {
  const most = grid.sites
    .map((gridSite) => gridSite.block)
    .reduce((a, b) => (a[0] * a[1] > b[0] * b[1] ? a : b), [1, 1]);
  return most[0] * most[1] > 1 ? `${most[0]} × ${most[1]}` : null;
}
