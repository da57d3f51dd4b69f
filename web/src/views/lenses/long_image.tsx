/** A head over an image of many positions: one query's strongest weights, each on its place. */

import { useMemo } from "preact/hooks";
import type { Picture } from "../../answers/head_map.ts";
import { rowFrom, strongestOf } from "../../answers/strongest.ts";
import type { Answer } from "../../answers/wire.ts";
import { shades, ticks } from "../../cells/scale.ts";
import { useSize } from "../../controls/canvas.tsx";
import { count } from "../../controls/format.ts";
import { Legend } from "../../controls/legend.tsx";
import { ProblemNotice } from "../../controls/notice.tsx";
import { useAnswer } from "../../controls/use_answer.ts";
import { overlay, overlayAt } from "../../draw/overlay.ts";
import { t } from "../../state/language.ts";
import { head } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import type { Lens, LensProps } from "../parts/lens.ts";
import { headQuery, isLong, scaleOf, strongestQuery, useFirstQuery } from "../parts/long_head.ts";
import { LongReadout, percent } from "../parts/long_readout.tsx";
import { ImageOverlay, spotUnder } from "../parts/overlay.tsx";
import { hovered, pinned } from "../parts/pointing.ts";

import { fills } from "../parts/positions.ts";

export const lens: Lens = {
  name: "image",
  title: { en: "image", zh: "图像" },
  suits: (site) => (isLong(site) && fills(site.key_layout, site.keys) ? 4 : 0),
};

/** Weights fetched of a query's row, the strongest. */
const STRONGEST = 5000;

export default function LongImage({ site }: LensProps) {
  const words = t.value.attention;
  const room = useSize<HTMLDivElement>();
  const scale = scaleOf(selection.value.scale);
  const [rows, columns] = site.key_layout ?? [1, site.keys];
  const side = Math.max(1, Math.floor(Math.min(room.width / columns, room.height / rows)));
  const spot = hovered.value ?? pinned.value;
  const query = useFirstQuery(site, spot?.query);
  const base = headQuery.value;
  const outcome = useAnswer(
    base && query !== null
      ? strongestQuery(
          base,
          { row: query, rows: 1, column: 0, columns: site.keys },
          Math.min(STRONGEST, site.keys),
        )
      : null,
  );
  const { answer } = outcome;
  const strongest = useMemo(() => (answer ? strongestOf(answer) : null), [answer]);
  const at = outcome.query?.rows?.[0] ?? query ?? 0;
  const most = strongest?.weights[0] || 1;
  const pixels = useMemo(() => {
    if (!strongest || !answer) return null;
    const row = rowFrom(strongest, at, site.keys);
    return overlay(shades(row, scale, most), rows, columns, pictureOf(answer));
  }, [strongest, answer, at, site, scale, most, rows, columns]);
  const hint = site.queries > 1 ? words.hoverQuery : words.hoverPixel;
  return (
    <>
      <div class="room" ref={room.ref}>
        {outcome.problem && <ProblemNotice problem={outcome.problem} />}
        {room.width > 0 && pixels && (
          <ImageOverlay
            layout={[rows, columns]}
            side={side}
            pixels={pixels}
            label={words.imageLabel(site.name, head.value)}
            spotAt={(position) =>
              spotUnder({ queries: site.queries, queryLayout: site.query_layout }, position)
            }
            query={site.query_layout ? query : null}
            at={spot?.key ?? null}
          />
        )}
      </div>
      <LongReadout
        site={site}
        spot={spot ?? (query === null ? null : { query, key: null })}
        hint={hint}
        drawn={() => null}
      />
      <Legend colour={overlayAt} ticks={ticks(scale, most)} meaning={words.weightScale[scale]}>
        {strongest && (
          <span class="key">{words.mass(count(strongest.count), percent(strongest.share))}</span>
        )}
      </Legend>
      <p class="sub">{hint}</p>
    </>
  );
}

function pictureOf(answer: Answer): Picture | null {
  const image = answer.variables.image;
  if (!image) return null;
  return { values: image.data, rows: image.shape[0] ?? 0, columns: image.shape[1] ?? 0 };
}
