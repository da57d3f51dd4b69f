/** The chosen head as lines between two columns of names: the strongest weights of what is in view. */

import { useMemo } from "preact/hooks";
import { rangeOf } from "../../answers/range.ts";
import { strongestOf } from "../../answers/strongest.ts";
import { tileOf } from "../../answers/tile.ts";
import type { Window } from "../../cells/pool.ts";
import { floorOf, shade } from "../../cells/scale.ts";
import { at, css, viridis } from "../../cells/tables.ts";
import { viewOf, written, zoomedAround } from "../../cells/tiles.ts";
import { Canvas, useSize } from "../../controls/canvas.tsx";
import { count } from "../../controls/format.ts";
import { ProblemNotice } from "../../controls/notice.tsx";
import { useAnswer } from "../../controls/use_answer.ts";
import { type Chosen, drawLinks, linkPlot, nameUnder, writeSides } from "../../draw/links.ts";
import { ACCENT, PALETTES } from "../../draw/palette.ts";
import { spoken, t } from "../../state/language.ts";
import { choose, head } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { theme } from "../../state/theme.ts";
import type { Lens, LensProps } from "../parts/lens.ts";
import { headQuery, positions, scaleOf, strongestQuery } from "../parts/long_head.ts";
import { LongReadout, percent } from "../parts/long_readout.tsx";
import { hover, pin, pointed } from "../parts/pointing.ts";
import { rangeShown } from "../parts/range.ts";
import { WeightLegend } from "../parts/weight_legend.tsx";

export const lens: Lens = {
  name: "links",
  title: { en: "links", zh: "连线" },
  suits: (site) => (site.queries > 1 ? 1 : 0),
};

const say = spoken({
  en: {
    linksLabel: (site: string, head: number) =>
      `Strongest weights of ${site}, head ${head}, as lines from queries, left, to keys, right`,
    hoverLink: "Point at a query on the left or a key on the right for its lines; click to pin it.",
    massRecorded: (weights: string) => `${weights} of the strongest weights of the whole map`,
  },
  zh: {
    linksLabel: (site, head) => `${site} 头 ${head} 最强的权重，从左侧的查询连到右侧的键`,
    hoverLink: "指向左侧的查询或右侧的键可看到它的连线；点击固定。",
    massRecorded: (weights) => `整张图最强的权重中的 ${weights} 个`,
  },
});

const STRONGEST = 2000;
/** So few that the view is hardly widened to whole ones. */
const CELLS = 256;
/** Positions of which names are fetched. */
const NAMED = 4096;

export default function Links({ site }: LensProps) {
  const words = { ...t.value.attention, ...say() };
  const room = useSize<HTMLDivElement>();
  const scale = scaleOf(selection.value.scale);
  const { rows, columns } = selection.value;
  const whole = useMemo(
    () => ({ row: 0, column: 0, rows: site.queries, columns: site.keys }),
    [site.queries, site.keys],
  );
  const view = useMemo(() => viewOf(rows, columns, whole), [rows, columns, whole]);
  const base = headQuery.value;
  const outcome = useAnswer(base && strongestQuery(base, view, STRONGEST, CELLS));
  const { answer } = outcome;
  const strongest = useMemo(() => (answer ? strongestOf(answer) : null), [answer]);
  useMemo(() => {
    const near = Math.max(view.rows, view.columns) <= NAMED;
    if (answer && near) positions.peek()?.learn(tileOf(answer));
  }, [answer, view]);
  const plot = linkPlot(view, room.width, room.height);
  const palette = PALETTES[theme.value];
  const recorded = rangeOf(answer?.attrs ?? {});
  const range = rangeShown(recorded);
  const floor = floorOf(site.keys);
  const spot = pointed.value;
  const chosen: Chosen | null = spot
    ? (query, key) => (spot.key === null ? query === spot.query : key === spot.key)
    : null;
  const shaded = (weight: number) => shade(weight, scale, range, floor);
  return (
    <>
      <div class="room" ref={room.ref}>
        {outcome.problem && <ProblemNotice problem={outcome.problem} />}
        {room.width > 0 && (
          <Canvas
            class="long"
            width={room.width}
            height={room.height}
            label={words.linksLabel(site.name, head.value)}
            data-links={strongest?.count}
            when={[
              strongest,
              view,
              room.height,
              scale,
              range.low,
              range.high,
              palette,
              spot,
              positions.value,
            ]}
            paint={(context) => {
              if (strongest) {
                const colour = (weight: number) => css(at(viridis, shaded(weight)));
                drawLinks(context, plot, strongest, colour, shaded, chosen, ACCENT);
              }
              if (positions.value) writeSides(context, plot, whole, positions.value, palette.text);
            }}
            onPointerMove={(event) => hover(spotOf(nameUnder(plot, event.offsetX, event.offsetY)))}
            onPointerLeave={() => hover(null)}
            onClick={(event) => {
              const spot = spotOf(nameUnder(plot, event.offsetX, event.offsetY));
              if (spot) pin(spot);
            }}
            onDblClick={() => choose({ rows: null, columns: null })}
            onWheel={(event) => {
              event.preventDefault();
              const part = (event.offsetY - plot.box.y) / plot.box.height;
              choose(written(zoomed(view, whole, part, event.deltaY), whole));
            }}
          />
        )}
      </div>
      <LongReadout site={site} spot={spot} hint={words.hoverLink} drawn={() => null} />
      <WeightLegend
        colour={(shaded) => css(at(viridis, shaded))}
        scale={scale}
        recorded={recorded}
        floor={floor}
      >
        {strongest && (
          <span class="key">
            {strongest.recorded
              ? words.massRecorded(count(strongest.count))
              : words.mass(count(strongest.count), percent(strongest.share))}
          </span>
        )}
      </WeightLegend>
    </>
  );
}

function zoomed(view: Window, whole: Window, part: number, turned: number): Window {
  const row = view.row + part * view.rows;
  const column = view.column + part * view.columns;
  return zoomedAround(view, whole, row, column, turned < 0 ? 0.7 : 1 / 0.7);
}

/** On the right a key is pointed at, of which every query's line is shown. */
function spotOf(name: ReturnType<typeof nameUnder>) {
  if (!name) return null;
  if ("query" in name) return { query: name.query, key: null };
  return { query: pointed.peek()?.query ?? 0, key: name.key };
}
