/** The chosen head as lines between two columns of names: the strongest weights of what is in view. */
import { useMemo } from "preact/hooks";
import { strongestOf } from "../../answers/strongest.ts";
import { tileOf } from "../../answers/tile.ts";
import type { Window } from "../../cells/pool.ts";
import { floorOf, shade, ticks } from "../../cells/scale.ts";
import { at, css, viridis } from "../../cells/tables.ts";
import { viewOf, written, zoomedAround } from "../../cells/tiles.ts";
import { Canvas, useSize } from "../../controls/canvas.tsx";
import { count } from "../../controls/format.ts";
import { Legend } from "../../controls/legend.tsx";
import { ProblemNotice } from "../../controls/notice.tsx";
import { useAnswer } from "../../controls/use_answer.ts";
import { type Chosen, drawLinks, linkPlot, nameUnder, writeSides } from "../../draw/links.ts";
import { ACCENT, PALETTES } from "../../draw/palette.ts";
import { t } from "../../state/language.ts";
import { choose, head } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { theme } from "../../state/theme.ts";
import type { Site } from "../../types.ts";
import { headQuery, positions, scaleOf, strongestQuery } from "../parts/long_head.ts";
import { LongReadout, percent } from "../parts/long_readout.tsx";
import { hover, pin, pointed } from "../parts/pointing.ts";

const STRONGEST = 2000;
/** So few that the view is hardly widened to whole ones. */
const CELLS = 256;
/** Positions of which names are fetched. */
const NAMED = 4096;

export function Links({ site }: { site: Site }) {
  const words = t.value.attention;
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
  const most = strongest?.weights[0] || 1;
  const floor = floorOf(site.keys);
  const spot = pointed.value;
  const chosen: Chosen | null = spot
    ? (query, key) => (spot.key === null ? query === spot.query : key === spot.key)
    : null;
  const shaded = (weight: number) => shade(weight, scale, most, floor);
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
            when={[strongest, view, room.height, scale, palette, spot, positions.value]}
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
      <Legend
        colour={(shaded) => css(at(viridis, shaded))}
        ticks={ticks(scale, most, floor)}
        meaning={words.weightScale[scale]}
      >
        {strongest && (
          <span class="key">
            {strongest.recorded
              ? words.massRecorded(count(strongest.count))
              : words.mass(count(strongest.count), percent(strongest.share))}
          </span>
        )}
      </Legend>
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
