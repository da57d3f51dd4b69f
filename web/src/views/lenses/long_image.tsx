/** A head over an image of many positions: one query's strongest weights, each on its place. */

import { useMemo } from "preact/hooks";
import { before } from "../../answers/head_map.ts";
import { pictureOf } from "../../answers/picture.ts";
import { rangeOf } from "../../answers/range.ts";
import { rowFrom, strongestOf } from "../../answers/strongest.ts";
import { shades } from "../../cells/scale.ts";
import { useSize } from "../../controls/canvas.tsx";
import { count } from "../../controls/format.ts";
import { ProblemNotice } from "../../controls/notice.tsx";
import { useAnswer } from "../../controls/use_answer.ts";
import { veilAt } from "../../draw/overlay.ts";
import { t } from "../../state/language.ts";
import { head } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import type { Lens, LensProps } from "../parts/lens.ts";
import {
  headQuery,
  isLong,
  positions,
  scaleOf,
  strongestQuery,
  useFirstQuery,
} from "../parts/long_head.ts";
import { LongReadout, percent } from "../parts/long_readout.tsx";
import { ImageOnly, ImageOverlay, spotUnder, useImage } from "../parts/overlay.tsx";
import { hovered, pinned } from "../parts/pointing.ts";
import { called, fills } from "../parts/positions.ts";
import { rangeShown } from "../parts/range.ts";
import { WeightLegend } from "../parts/weight_legend.tsx";

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
  const layout = site.key_layout ?? ([1, site.keys] as const);
  const known = positions.value;
  const names = Array.from({ length: before(layout, site.keys) }, (_, key) =>
    known ? called(known.key, key) : `[${key}]`,
  );
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
  const recorded = rangeOf(answer?.attrs ?? {});
  const range = rangeShown(recorded);
  const image = useMemo(() => answer && pictureOf(answer), [answer]);
  const { pixels, under, hue } = useImage(image);
  const row = useMemo(
    () => strongest && shades(rowFrom(strongest, at, site.keys), scale, range),
    [strongest, at, site, scale, range.low, range.high],
  );
  const hint = site.queries > 1 ? words.hoverQuery : words.hoverPixel;
  return (
    <>
      <div class="room" ref={room.ref}>
        {outcome.problem && <ProblemNotice problem={outcome.problem} />}
        {room.width > 0 && row && (
          <ImageOverlay
            layout={layout}
            room={room}
            image={image}
            pixels={pixels}
            under={under}
            hue={hue}
            shades={row}
            names={names}
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
      <WeightLegend colour={(shade) => veilAt(shade, hue)} scale={scale} recorded={recorded}>
        <ImageOnly />
        {strongest && (
          <span class="key">{words.mass(count(strongest.count), percent(strongest.share))}</span>
        )}
      </WeightLegend>
      <p class="sub">{hint}</p>
    </>
  );
}
