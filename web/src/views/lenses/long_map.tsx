/** The chosen head's map at any length: from all of it to any cell, at the screen's resolution. */

import { effect } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Window } from "../../cells/pool.ts";
import type { Scale } from "../../cells/scale.ts";
import { floorOf } from "../../cells/scale.ts";
import { at, css, viridis } from "../../cells/tables.ts";
import { inside, revealing } from "../../cells/tiles.ts";
import { useSize } from "../../controls/canvas.tsx";
import { onKey } from "../../controls/keys.ts";
import { ProblemNotice } from "../../controls/notice.tsx";
import { problemOf, useAnswer } from "../../controls/use_answer.ts";
import { cellUnder } from "../../draw/long_map.ts";
import { PALETTES } from "../../draw/palette.ts";
import { spoken, t } from "../../state/language.ts";
import { head } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { theme } from "../../state/theme.ts";
import type { Site } from "../../types.ts";
import { Camera } from "../parts/camera.ts";
import type { Lens, LensProps } from "../parts/lens.ts";
import { headQuery, isLong, scaleOf, strongestQuery, useSubject } from "../parts/long_head.ts";
import { LongReadout } from "../parts/long_readout.tsx";
import { Stage } from "../parts/long_stage.ts";
import { hover, pin, pinned, pointed } from "../parts/pointing.ts";
import { chosenRange } from "../parts/range.ts";
import { WeightLegend } from "../parts/weight_legend.tsx";

export const lens: Lens = {
  name: "map",
  title: { en: "map", zh: "注意力图" },
  suits: (site) => (isLong(site) ? 2 : 0),
};

const say = spoken({
  en: {
    zoomKeys: "wheel, drag, + − and 0 zoom · double click goes to the cells and back",
    joinedCells: (reduce: "max" | "mean", down: number, across: number) =>
      `each cell: ${reduce} of ${down} × ${across} weights`,
    everyCell: "each cell: one weight",
    noPercentiles: "row percentile needs the whole row: log instead",
  },
  zh: {
    zoomKeys: "滚轮、拖动、+ − 和 0 缩放 · 双击到达格子，再双击返回",
    joinedCells: (reduce, down, across) =>
      `每格：${down} × ${across} 个权重的${reduce === "max" ? "最大值" : "平均值"}`,
    everyCell: "每格：一个权重",
    noPercentiles: "行内百分位需要整行，此处改用对数",
  },
});

/** Weights a side that a double click comes down to. */
const CLOSE = 48;

export default function LongMap({ site }: LensProps) {
  return <Zoomable key={`${site.queries} ${site.keys}`} site={site} />;
}

function Zoomable({ site }: { site: Site }) {
  const words = { ...t.value.attention, ...say() };
  const room = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const moving = useStage(canvas, site);
  const stage = moving?.stage;
  const camera = moving?.camera;
  const { reduce, rows, columns } = selection.value;
  const scale = scaleOf(selection.value.scale);
  const palette = PALETTES[theme.value];
  const range = chosenRange.value;
  const now = useSubject();
  const comeClose = useApproach(camera, site);
  useLayoutEffect(() => {
    if (!now || !stage || !camera || room.width === 0) return;
    camera.heed(now.whole, rows, columns);
    const style = { scale, range, reduce, palette, width: room.width, height: room.height };
    stage.show(now, style, camera.view);
  }, [stage, camera, now, scale, range, reduce, palette, room.width, room.height, rows, columns]);
  useMoves(camera);
  return (
    <>
      <div class="room" ref={room.ref} aria-busy={stage?.shown.value.slow}>
        <canvas
          ref={canvas}
          class="long"
          role="img"
          tabIndex={0}
          aria-label={words.mapLabel(site.name, head.value, site.queries, site.keys)}
          style={{ width: `${room.width}px`, height: `${room.height}px` }}
          onWheel={(event) => {
            const plot = stage?.plot;
            if (plot) camera?.wheel(event, plot);
          }}
          onPointerDown={(event) => camera?.down(event)}
          onPointerUp={(event) => camera?.up(event)}
          onPointerCancel={(event) => camera?.up(event)}
          onPointerLeave={() => hover(null)}
          onPointerMove={(event) => {
            const plot = stage?.plot;
            if (!plot || camera?.drag(event, plot)) return;
            hover(cellUnder(plot, event.offsetX, event.offsetY));
          }}
          onClick={(event) => {
            const plot = stage?.plot;
            const cell = plot && cellUnder(plot, event.offsetX, event.offsetY);
            if (cell && event.detail === 1 && !camera?.dragged) pin(cell);
          }}
          onDblClick={(event) => {
            const plot = stage?.plot;
            const cell = plot && cellUnder(plot, event.offsetX, event.offsetY);
            if (cell && stage) comeClose(cell, stage.coarse(cell.query, cell.key));
          }}
          onKeyDown={(event) => move(event, camera)}
        />
      </div>
      <Below stage={stage} scale={scale} site={site} />
    </>
  );
}

/** The stage and camera of a canvas; both live as long as the canvas does. */
function useStage(canvas: { readonly current: HTMLCanvasElement | null }, site: Site) {
  const [made, keep] = useState<{ stage: Stage; camera: Camera } | null>(null);
  const whole = useMemo(
    () => ({ row: 0, column: 0, rows: site.queries, columns: site.keys }),
    [site.queries, site.keys],
  );
  useLayoutEffect(() => {
    if (!canvas.current) return undefined;
    const stage = new Stage(canvas.current);
    const camera = new Camera(whole, () => stage.look(camera.view));
    keep({ stage, camera });
    let seen = "";
    const stops = [
      effect(() => stage.point(pointed.value)),
      // A cell pinned by keys, or by a link, is brought into sight.
      effect(() => {
        const spot = pinned.value;
        const name = JSON.stringify(spot);
        if (name === seen || spot?.key == null) return;
        seen = name;
        const view = revealing(camera.view, whole, spot.query, spot.key);
        if (view !== camera.view) camera.go(view);
      }),
    ];
    return () => {
      for (const stop of stops) stop();
      stage.stop();
      camera.stop();
    };
  }, [whole]);
  return made;
}

function useMoves(camera: Camera | undefined): void {
  useEffect(() => {
    const stops = [
      ...["+", "="].map((key) => onKey(key, () => camera?.press(1))),
      ...["-", "−", "_"].map((key) => onKey(key, () => camera?.press(-1))),
      onKey("0", () => camera?.all()),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, [camera]);
}

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

/** On the map itself arrows move the view; elsewhere they choose another head. */
function move(event: KeyboardEvent, camera: Camera | undefined): void {
  const arrow = ARROWS[event.key];
  if (!arrow || !camera || event.shiftKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  camera.stride(...arrow);
}

type Cell = { query: number; key: number };

/**
 * Go to the strongest weight of the cell pointed at; from there, back to the whole map. Where that
 * weight cannot be had, the cell pointed at will do.
 */
function useApproach(camera: Camera | undefined, site: Site) {
  const [aim, aimAt] = useState<{ cell: Cell; part: Window } | null>(null);
  const base = headQuery.value;
  const { answer, stale, problem } = useAnswer(
    aim && base ? strongestQuery(base, aim.part, 1, 3) : null,
  );
  useEffect(() => {
    if (!aim || !camera || stale || !(answer || problem)) return;
    const query = answer?.variables.strong_query?.data[0] ?? aim.cell.query;
    const key = answer?.variables.strong_key?.data[0] ?? aim.cell.key;
    camera.go({
      row: query + 0.5 - CLOSE / 2,
      column: key + 0.5 - CLOSE / 2,
      rows: Math.min(CLOSE, site.queries),
      columns: Math.min(CLOSE, site.keys),
    });
    aimAt(null);
  }, [aim, camera, answer, stale, problem, site]);
  return (cell: Cell, coarse: ReturnType<Stage["coarse"]>) => {
    if (coarse && Math.max(coarse.down, coarse.across) === 1) {
      camera?.all();
      return;
    }
    const { down = 1, across = 1 } = coarse ?? {};
    // What stands alone is drawn larger than its cell, and nobody points at single pixels.
    const row = Math.floor(cell.query / down - 1) * down;
    const column = Math.floor(cell.key / across - 1) * across;
    const whole = { row: 0, column: 0, rows: site.queries, columns: site.keys };
    const part = inside({ row, column, rows: 3 * down, columns: 3 * across }, whole);
    aimAt({ cell, part });
  };
}

function Below({ stage, scale, site }: { stage: Stage | undefined; scale: Scale; site: Site }) {
  const words = { ...t.value.attention, ...say() };
  const { reduce } = selection.value;
  const shown = stage?.shown.value;
  if (!stage || !shown) return <div class="readout" data-readout="" />;
  const { stride } = shown;
  const joined = Math.max(stride.down, stride.across) > 1;
  return (
    <>
      {shown.problem !== null && <ProblemNotice problem={problemOf(shown.problem)} />}
      <LongReadout
        site={site}
        spot={pointed.value}
        hint={words.hoverRow}
        drawn={(query, key) => stage.coarse(query, key)}
      />
      <WeightLegend
        colour={(shaded) => css(at(viridis, shaded))}
        scale={scale}
        recorded={shown.recorded}
        floor={floorOf(site.keys)}
        allAllowed={shown.allAllowed}
        nan={shown.nan}
      >
        <span class="key" data-joined={`${stride.down}x${stride.across}`}>
          {joined ? words.joinedCells(reduce, stride.down, stride.across) : words.everyCell}
        </span>
        {selection.value.scale === "percentile" && <span class="key">{words.noPercentiles}</span>}
      </WeightLegend>
      <p class="sub">{words.zoomKeys}</p>
    </>
  );
}
