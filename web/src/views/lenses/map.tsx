/** The chosen head as a heat map: queries down, keys across. */

import { useMemo, useState } from "preact/hooks";
import type { HeadMap } from "../../answers/head_map.ts";
import { headMap } from "../../answers/head_map.ts";
import { cellAt, fit, type Plot } from "../../cells/plot.ts";
import { at, css, viridis } from "../../cells/tables.ts";
import { Canvas, measure, useSize } from "../../controls/canvas.tsx";
import { px } from "../../controls/px.ts";
import { useRanks } from "../../controls/use_answer.ts";
import { labelRoom, paintMap, writeLabels } from "../../draw/map.ts";
import { PALETTES } from "../../draw/palette.ts";
import { spoken, t } from "../../state/language.ts";
import { selection } from "../../state/selection.ts";
import { theme } from "../../state/theme.ts";
import type { Lens, LensProps } from "../parts/lens.ts";
import { isLong } from "../parts/long_head.ts";
import { hover, pin, pointed } from "../parts/pointing.ts";
import { rangeShown } from "../parts/range.ts";
import { Readout } from "../parts/readout.tsx";
import { WeightLegend } from "../parts/weight_legend.tsx";
import { useZoom } from "../parts/zoom.ts";

export const lens: Lens = {
  name: "map",
  title: { en: "map", zh: "注意力图" },
  suits: (site) => (isLong(site) ? 0 : 2),
  asks: "example",
};

const say = spoken({
  en: {
    joined: { max: "zoomed out: max of the cells", mean: "zoomed out: mean of the cells" },
    zoomHow: "wheel zooms · drag moves · double click shows all",
  },
  zh: {
    joined: { max: "已缩小：格子的最大值", mean: "已缩小：格子的平均值" },
    zoomHow: "滚轮缩放 · 拖动平移 · 双击显示全部",
  },
});

export default function MapLens({ answer }: LensProps) {
  const map = useMemo(() => (answer ? headMap(answer) : null), [answer]);
  return map && <HeatMap map={map} />;
}

function HeatMap({ map }: { map: HeadMap }) {
  const words = { ...t.value.attention, ...say() };
  const { scale, reduce } = selection.value;
  const range = rangeShown(map.range);
  const room = useSize<HTMLDivElement>();
  const labels = useMemo(() => labelRoom(measure(), map), [map]);
  const zoom = useZoom(map.window);
  const [pooled, setPooled] = useState(false);
  const plot = useMemo(
    () => fit(zoom.window, room.width - labels.right, room.height, labels.left, labels.top),
    [zoom.window, room.width, room.height, labels],
  );
  const palette = PALETTES[theme.value];
  const marks = useMemo(() => marksIn(map), [map]);
  const ranked = useMemo(
    () =>
      scale === "percentile"
        ? [{ values: map.marked, rows: map.queries, columns: map.keys }]
        : null,
    [map, scale],
  );
  const ranks = useRanks(ranked)?.[0];
  const values = scale === "percentile" ? ranks : map.marked;
  return (
    <>
      <div class="room" ref={room.ref} aria-busy={!values}>
        {room.width > 0 && (
          <div class="plot" style={px({ width: plot.width + labels.right, height: plot.height })}>
            <Canvas
              width={plot.width + labels.right}
              height={plot.height}
              label={words.mapLabel(map.site, map.head, map.queries, map.keys)}
              paint={(context, ratio) => {
                const look = { scale, range, reduce, ratio, palette };
                if (values) setPooled(paintMap(context, { values, keys: map.keys }, plot, look));
                writeLabels(context, map, plot, palette);
              }}
              when={[map, values, plot, scale, range.low, range.high, reduce, palette]}
              data-box={JSON.stringify({ ...plot.box, ...plot.window })}
              {...zoom.handlers(plot)}
              onPointerLeave={() => hover(null)}
              onPointerMove={(event) => {
                if (!zoom.drag(event, plot)) hover(cellAt(plot, event.offsetX, event.offsetY));
              }}
              onClick={(event) => {
                const cell = cellAt(plot, event.offsetX, event.offsetY);
                if (cell && !zoom.dragged()) pin(cell);
              }}
            />
            <Outline plot={plot} />
          </div>
        )}
      </div>
      <div class="below" style={px({ top: Math.min(0, plot.height - room.height) })}>
        <Readout map={map} spot={pointed.value} hint={words.hoverRow} />
        <WeightLegend
          colour={(shade) => css(at(viridis, shade))}
          scale={scale}
          recorded={map.range}
          {...marks}
        >
          {pooled && <span class="key">{words.joined[reduce]}</span>}
          {zoom.zoomable(plot) && <span class="key">{words.zoomHow}</span>}
        </WeightLegend>
      </div>
    </>
  );
}

/** The row and cell pointed at, as two frames over the canvas. */
function Outline({ plot }: { plot: Plot }) {
  const spot = pointed.value;
  const { window, box, cellWidth, cellHeight } = plot;
  const row = spot ? spot.query - window.row : -1;
  if (!spot || row < 0 || row >= window.rows) return null;
  const top = box.y + row * cellHeight;
  const column = spot.key === null ? -1 : spot.key - window.column;
  return (
    <>
      <i class="frame-row" style={px({ left: box.x, top, width: box.width, height: cellHeight })} />
      {column >= 0 && column < window.columns && (
        <i
          class="frame-cell"
          style={px({
            left: box.x + column * cellWidth,
            top,
            width: Math.max(3, cellWidth),
            height: Math.max(3, cellHeight),
          })}
        />
      )}
    </>
  );
}

function marksIn(map: HeadMap): { allAllowed: boolean; nan: boolean } {
  const { row, rows, column, columns } = map.window;
  let allAllowed = true;
  let nan = false;
  for (let query = row; query < row + rows; query++) {
    for (let key = column; key < column + columns; key++) {
      const value = map.marked[query * map.keys + key] as number;
      if (value < 0) allAllowed = false;
      else if (Number.isNaN(value)) nan = true;
    }
  }
  return { allAllowed, nan };
}
