/** Every head of every site in one picture; one is chosen. */

import { useMemo, useState } from "preact/hooks";
import { type HeadGrid, headGrid, measuredOf, shortNames } from "../../answers/head_grid.ts";
import { at, cividis, css, viridis } from "../../cells/tables.ts";
import { hit, type Layout, layOut, paintMaps, paintMeasures } from "../../cells/thumbs.ts";
import { Canvas, useSize } from "../../controls/canvas.tsx";
import { short } from "../../controls/format.ts";
import { Legend } from "../../controls/legend.tsx";
import { ProblemNotice } from "../../controls/notice.tsx";
import { px } from "../../controls/px.ts";
import { useAnswer } from "../../controls/use_answer.ts";
import { PALETTES } from "../../draw/palette.ts";
import { spoken, t } from "../../state/language.ts";
import { choose, example, head, runName, site, step, wordsOf } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { theme } from "../../state/theme.ts";
import type { Panel } from "../parts/panel.ts";
import { namesRoom, SiteNames } from "../parts/site_names.tsx";
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
    under: (reduce: "max" | "mean", block: string | null) =>
      block ? `thumbnails: ${reduce} of up to ${block} cells` : "thumbnails: every cell",
  },
  zh: {
    sites: (sites) => `${sites} 处注意力`,
    sitesHeads: (sites, heads) => `${sites} 层 × ${heads} 个头`,
    axes: "键 → · 查询 ↓",
    gridLabel: (title) => `头的网格，${title}。方向键选择一个头。`,
    under: (reduce, block) =>
      block
        ? `小图：至多 ${block} 个格子的${reduce === "max" ? "最大值" : "平均值"}`
        : "小图：逐格显示",
  },
});

/** Height that the curve below and the rows above and below take. */
const CURVE = 410;

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
      </h2>
      {outcome.problem && <ProblemNotice problem={outcome.problem} />}
      {grid && <Thumbs grid={grid} />}
    </section>
  );
}

function title(grid: HeadGrid | null): string {
  const words = { ...t.value.attention, ...say() };
  const counts = new Set(grid?.sites.map((gridSite) => gridSite.strip.heads));
  const [only = 0] = counts;
  if (!grid || counts.size !== 1) return words.sites(grid?.sites.length ?? 0);
  return words.sitesHeads(grid.sites.length, only);
}

function Thumbs({ grid }: { grid: HeadGrid }) {
  const words = { ...t.value.attention, ...say() };
  const { scale, reduce, colour } = selection.value;
  const room = useSize<HTMLDivElement>();
  const [over, setOver] = useState<Spot | null>(null);
  const names = useMemo(() => shortNames(grid.sites.map((gridSite) => gridSite.site)), [grid]);
  const left = useMemo(() => namesRoom(names), [names]);
  const strips = useMemo(() => grid.sites.map((gridSite) => gridSite.strip), [grid]);
  const layout = useMemo(
    () =>
      layOut(strips, Math.max(60, room.width - left), Math.max(240, window.innerHeight - CURVE)),
    [strips, room.width, left],
  );
  const measured = useMemo(() => measuredOf(grid, colour), [grid, colour]);
  const marks = PALETTES[theme.value].marks;
  return (
    <div ref={room.ref}>
      {room.width > 0 && (
        <div class="thumbs" style={px({ "padding-left": left, height: layout.height + 18 })}>
          <SiteNames grid={grid} layout={layout} names={names} left={left} />
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
                paintMeasures(pixels, layout, ratio, measured.shades, cividis, marks(ratio));
              } else {
                paintMaps(pixels, layout, ratio, strips, scale, reduce, viridis, marks(ratio));
              }
              context.putImageData(image, 0, 0);
            }}
            when={[strips, layout, measured, scale, reduce, marks]}
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
    </div>
  );
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
  return [`${gridSite?.site} · ${words.head(spot.head)}`, ...numbers].join(" · ");
}

function blockOf(grid: HeadGrid): string | null {
  const most = grid.sites
    .map((gridSite) => gridSite.block)
    .reduce((a, b) => (a[0] * a[1] > b[0] * b[1] ? a : b), [1, 1]);
  return most[0] * most[1] > 1 ? `${most[0]} × ${most[1]}` : null;
}
