/** The chosen head over the image it looks at: one query's weights, each on its own pixel. */

import { useMemo } from "preact/hooks";
import { before, type HeadMap, headMap, sharpestRow } from "../../answers/head_map.ts";
import { percentiles, shades } from "../../cells/scale.ts";
import { useSize } from "../../controls/canvas.tsx";
import { keyName } from "../../draw/map.ts";
import { veilAt } from "../../draw/overlay.ts";
import { t } from "../../state/language.ts";
import { selection } from "../../state/selection.ts";
import type { Lens, LensProps } from "../parts/lens.ts";
import { isLong } from "../parts/long_head.ts";
import { ImageOnly, ImageOverlay, spotUnder, useImage } from "../parts/overlay.tsx";
import { hovered, pinned, type Spot } from "../parts/pointing.ts";
import { fills } from "../parts/positions.ts";
import { rangeShown } from "../parts/range.ts";
import { Readout } from "../parts/readout.tsx";
import { WeightLegend } from "../parts/weight_legend.tsx";

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
  const layout = map.keyLayout ?? ([1, map.keys] as const);
  const names = useMemo(
    () => Array.from({ length: before(layout, map.keys) }, (_, key) => keyName(map, key)),
    [map],
  );
  const range = rangeShown(map.range);
  const { pixels, under, hue } = useImage(map.image);
  const spot = spotOn(map);
  const sharpest = useMemo(() => sharpestRow(map), [map]);
  const query = Math.min(spot?.query ?? sharpest, map.queries - 1);
  const row = useMemo(() => {
    const part = map.marked.slice(query * map.keys, (query + 1) * map.keys);
    return scale === "percentile" ? percentiles(part, 1, map.keys) : shades(part, scale, range);
  }, [map, query, scale, range.low, range.high]);
  return (
    <>
      <div class="room" ref={room.ref}>
        {room.width > 0 && (
          <ImageOverlay
            layout={layout}
            room={room}
            image={map.image}
            pixels={pixels}
            under={under}
            hue={hue}
            shades={row}
            names={names}
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
      <WeightLegend colour={(shade) => veilAt(shade, hue)} scale={scale} recorded={map.range}>
        <ImageOnly />
      </WeightLegend>
    </>
  );
}

function spotOn(map: HeadMap): Spot | null {
  const spot = hovered.value ?? pinned.value;
  return spot && spot.query < map.queries && (spot.key ?? 0) < map.keys ? spot : null;
}
