/** Weights over an image, on a canvas: its positions can be pointed at. */
import { Canvas } from "../../controls/canvas.tsx";
import { px } from "../../controls/px.ts";
import type { Layout } from "../../types.ts";
import { hover, pin, pinned, type Spot } from "./pointing.ts";

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
