/** The chosen head over the image it looks at: one query's weights, each on its own pixel. */
import { useMemo } from "preact/hooks";
import { type HeadMap, rowOf, sharpestRow } from "../../answers/head_map.ts";
import { shades, ticks } from "../../cells/scale.ts";
import { Canvas, useSize } from "../../controls/canvas.tsx";
import { Legend } from "../../controls/legend.tsx";
import { px } from "../../controls/px.ts";
import { overlay, overlayAt } from "../../draw/overlay.ts";
import { t } from "../../state/language.ts";
import { selection } from "../../state/selection.ts";
import type { Layout } from "../../types.ts";
import { hover, hovered, pin, pinned, type Spot } from "../parts/pointing.ts";
import { Readout } from "../parts/readout.tsx";

export function HeadImageLens({ map }: { map: HeadMap }) {
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

interface OverlayProps {
  layout: Layout;
  /** Units of the page that a position is wide and high. */
  side: number;
  pixels: Uint8ClampedArray<ArrayBuffer>;
  label: string;
  spotAt: (position: number) => Spot;
  /** The position that asks, and the one it is asked about. */
  query: number | null;
  at: number | null;
}

/** The positions of an image, to be pointed at. */
export function ImageOverlay({ layout, side, pixels, label, spotAt, query, at }: OverlayProps) {
  const [rows, columns] = layout;
  const under = (event: PointerEvent | MouseEvent): Spot => {
    const column = Math.min(columns - 1, Math.max(0, Math.floor(event.offsetX / side)));
    const row = Math.min(rows - 1, Math.max(0, Math.floor(event.offsetY / side)));
    return spotAt(row * columns + column);
  };
  const frames = [
    [query, "frame-query"],
    [at, "frame-cell"],
  ] as const;
  return (
    <div class="plot image" style={px({ width: side * columns, height: side * rows })}>
      <Canvas
        width={side * columns}
        height={side * rows}
        label={label}
        paint={(context) => enlarge(context, pixels, columns, side)}
        when={[pixels, side]}
        data-box={JSON.stringify({ x: 0, y: 0, side, rows, columns })}
        onPointerMove={(event) => hover(under(event))}
        onPointerLeave={() => hover(null)}
        onClick={(event) => pin(under(event))}
      />
      {frames.map(
        ([position, name]) =>
          position !== null && (
            <i
              key={name}
              class={name}
              style={px({
                left: (position % columns) * side,
                top: Math.floor(position / columns) * side,
                width: side,
                height: side,
              })}
            />
          ),
      )}
    </div>
  );
}

/** With one query a place on the image is a key; with many it is the query until one is pinned. */
export function spotUnder(
  map: { readonly queries: number; readonly queryLayout: Layout | null },
  position: number,
): Spot {
  if (map.queries === 1) return { query: 0, key: position };
  const held = pinned.peek();
  if (held || !map.queryLayout) return { query: held?.query ?? 0, key: position };
  return { query: position, key: null };
}

function spotOn(map: HeadMap): Spot | null {
  const spot = hovered.value ?? pinned.value;
  return spot && spot.query < map.queries && (spot.key ?? 0) < map.keys ? spot : null;
}

// Sharp squares, whatever the screen: each position is its own rectangle of one colour.
function enlarge(
  context: CanvasRenderingContext2D,
  pixels: Uint8ClampedArray<ArrayBuffer>,
  columns: number,
  side: number,
) {
  const rows = pixels.length / 4 / columns;
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d")?.putImageData(new ImageData(pixels, columns, rows), 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, columns * side, rows * side);
}
