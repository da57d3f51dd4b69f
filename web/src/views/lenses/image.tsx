/** The chosen head over the image it looks at: one query's weights, each on its own pixel. */

import { useMemo } from "preact/hooks";
import { type HeadMap, headMap, rowOf, sharpestRow } from "../../answers/head_map.ts";
import { shades, ticks } from "../../cells/scale.ts";
import { useSize } from "../../controls/canvas.tsx";
import { Legend } from "../../controls/legend.tsx";
import { overlay, overlayAt } from "../../draw/overlay.ts";
import { t } from "../../state/language.ts";
import { selection } from "../../state/selection.ts";
import type { Lens, LensProps } from "../parts/lens.ts";
import { isLong } from "../parts/long_head.ts";
import { ImageOverlay, spotUnder } from "../parts/overlay.tsx";
import { hovered, pinned, type Spot } from "../parts/pointing.ts";
import { fills } from "../parts/positions.ts";
import { Readout } from "../parts/readout.tsx";

export const lens: Lens = {
  name: "image",
  title: { en: "image", zh: "图像" },
  suits: (site) => (!isLong(site) && fills(site.key_layout, site.keys) ? 4 : 0),
  asks: "example",
};

export default function ImageLens({ answer }: LensProps) {
  const map = useMemo(() => (answer ? headMap(answer) : null), [answer]);
  return map && <OverImage map={map} />;
}

function OverImage({ map }: { map: HeadMap }) {
  const words = t.value.attention;
  const room = useSize<HTMLDivElement>();
  const { scale } = selection.value;
  const [rows, columns] = map.keyLayout ?? [1, map.keys];
  const side = Math.max(1, Math.floor(Math.min(room.width / columns, room.height / rows)));
  const spot = spotOn(map);
  const sharpest = useMemo(() => sharpestRow(map), [map]);
  const query = Math.min(spot?.query ?? sharpest, map.queries - 1);
  // So many pixels share a row that the strongest of them, not 1, has to be the end of the scale.
  const most = rowOf(map, query, 1).top[0]?.weight || 1;
  const pixels = useMemo(() => {
    const source = scale === "percentile" ? map.percentiles() : map.marked;
    const row = source.slice(query * map.keys, (query + 1) * map.keys);
    return overlay(shades(row, scale, most), rows, columns, map.image);
  }, [map, query, scale, most, rows, columns]);
  return (
    <>
      <div class="room" ref={room.ref}>
        {room.width > 0 && (
          <ImageOverlay
            layout={[rows, columns]}
            side={side}
            pixels={pixels}
            label={words.imageLabel(map.site, map.head)}
            spotAt={(position) => spotUnder(map, position)}
            query={map.queryLayout ? query : null}
            at={spot?.key ?? null}
          />
        )}
      </div>
      <Readout
        map={map}
        spot={spot ?? { query, key: null }}
        hint={map.queries > 1 ? words.hoverQuery : words.hoverPixel}
      />
      <Legend colour={overlayAt} ticks={ticks(scale, most)} meaning={words.weightScale[scale]}>
        <span class="key">{map.queries > 1 ? words.hoverQuery : words.hoverPixel}</span>
      </Legend>
    </>
  );
}

function spotOn(map: HeadMap): Spot | null {
  const spot = hovered.value ?? pinned.value;
  return spot && spot.query < map.queries && (spot.key ?? 0) < map.keys ? spot : null;
}
