/** Weights over an image, on a canvas: its positions can be pointed at, those beside it too. */
import { signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { HeadMap } from "../../answers/head_map.ts";
import { type Picture, pixelsOf } from "../../answers/picture.ts";
import { Canvas } from "../../controls/canvas.tsx";
import { onKey } from "../../controls/keys.ts";
import { px } from "../../controls/px.ts";
import { below, type Hue, hueOver, veil, veilAt } from "../../draw/overlay.ts";
import { spoken } from "../../state/language.ts";
import type { Layout } from "../../types.ts";
import { hover, pin, pinned, type Spot } from "./pointing.ts";

const say = spoken({
  en: { only: "image only", onlyHow: "Show the image without weights (hold I)" },
  zh: { only: "仅图像", onlyHow: "只显示图像，不显示权重（按住 I）" },
});

/** Whether the image is shown without weights: as long as a key is held, or till a button is. */
const plain = signal(false);

/** The pixels of an image and the hue of what lies over it. */
export function useImage(image: Picture | null): {
  pixels: Uint8ClampedArray<ArrayBuffer> | null;
  under: Uint8ClampedArray<ArrayBuffer> | null;
  hue: Hue;
} {
  return useMemo(() => {
    const pixels = image && pixelsOf(image);
    return { pixels, under: pixels && below(pixels), hue: hueOver(pixels) };
  }, [image]);
}

interface OverlayProps {
  layout: Layout;
  /** Room that there is, in units of the page. */
  room: { readonly width: number; readonly height: number };
  image: Picture | null;
  /** The image itself, what of it lies below weights, and their hue. */
  pixels: Uint8ClampedArray<ArrayBuffer> | null;
  under: Uint8ClampedArray<ArrayBuffer> | null;
  hue: Hue;
  /** One number per position: those beside the image first. */
  shades: Float32Array;
  /** Names of the positions beside the image. */
  names: readonly string[];
  label: string;
  spotAt: (position: number) => Spot;
  /** The position that asks, and the one it is asked about. */
  query: number | null;
  at: number | null;
}

/** Height of the row of positions beside the image. */
const BESIDE = 30;
/** Least side of a patch that lines are drawn around. */
const LINED = 6;

/** The positions of an image, to be pointed at. */
export function ImageOverlay(props: OverlayProps) {
  const { layout, room, image, pixels, under, hue, shades, names, label, spotAt, query, at } =
    props;
  const [rows, columns] = layout;
  const first = names.length;
  const height = room.height - (first > 0 ? BESIDE : 0);
  const side = Math.max(1, Math.floor(Math.min(room.width / columns, height / rows)));
  const top = first > 0 ? BESIDE : 0;
  const spotOf = (event: PointerEvent | MouseEvent): Spot => {
    const column = Math.min(columns - 1, Math.max(0, Math.floor(event.offsetX / side)));
    const row = Math.min(rows - 1, Math.max(0, Math.floor(event.offsetY / side)));
    return spotAt(first + row * columns + column);
  };
  usePlainKey();
  const bare = plain.value;
  const frames = [
    [query, "frame-query"],
    [at, "frame-cell"],
  ] as const;
  return (
    <>
      {first > 0 && (
        <p class="beside">
          {names.map((name, position) => (
            // biome-ignore lint/a11y/noStaticElementInteractions: Shift and the arrow keys do the same
            // biome-ignore lint/a11y/useKeyWithClickEvents: Shift and the arrow keys do the same
            <bdi
              key={position}
              class={position === query || position === at ? "word pointed" : "word"}
              data-position={position}
              style={{ background: veilAt(Math.max(0, shades[position] ?? 0), hue) }}
              onPointerEnter={() => hover(spotAt(position))}
              onPointerLeave={() => hover(null)}
              onClick={() => pin(spotAt(position))}
            >
              {name}
            </bdi>
          ))}
        </p>
      )}
      <div class="plot image" style={px({ top, width: side * columns, height: side * rows })}>
        <Canvas
          width={side * columns}
          height={side * rows}
          label={label}
          paint={(context, ratio) => {
            const size = { width: side * columns, height: side * rows };
            context.fillStyle = "#2a2a2a";
            context.fillRect(0, 0, size.width, size.height);
            const shown = bare ? pixels : under;
            if (image && shown) place(context, shown, image.columns, size, ratio);
            if (bare) return;
            place(context, veil(shades.subarray(first), hue), columns, size, ratio);
            if (side >= LINED) rule(context, side, rows, columns);
          }}
          when={[pixels, shades, hue, side, bare]}
          data-box={JSON.stringify({ x: 0, y: 0, side, rows, columns })}
          onPointerMove={(event) => hover(spotOf(event))}
          onPointerLeave={() => hover(null)}
          onClick={(event) => pin(spotOf(event))}
        />
        {frames.map(
          ([position, name]) =>
            position !== null &&
            position >= first && (
              <i
                key={name}
                class={name}
                style={px({
                  left: ((position - first) % columns) * side,
                  top: Math.floor((position - first) / columns) * side,
                  width: side,
                  height: side,
                })}
              />
            ),
        )}
      </div>
    </>
  );
}

/** The switch that takes the weights off the image. */
export function ImageOnly() {
  const words = say();
  return (
    <button
      type="button"
      class="pill only"
      title={words.onlyHow}
      aria-pressed={plain.value}
      onClick={() => (plain.value = !plain.value)}
    >
      {words.only}
    </button>
  );
}

function usePlainKey() {
  useEffect(() => {
    const up = (event: KeyboardEvent) => {
      if (event.key === "i" || event.key === "I") plain.value = false;
    };
    const stops = ["i", "I"].map((key) => onKey(key, () => (plain.value = true)));
    document.addEventListener("keyup", up);
    return () => {
      for (const stop of stops) stop();
      document.removeEventListener("keyup", up);
    };
  }, []);
}

/** With one query a place on the image is a key; with many it is the query until one is pinned. */
export function spotUnder(map: Pick<HeadMap, "queries" | "queryLayout">, position: number): Spot {
  if (map.queries === 1) return { query: 0, key: position };
  const held = pinned.peek();
  if (held || !map.queryLayout) return { query: held?.query ?? 0, key: position };
  return { query: position, key: null };
}

/** Enlarge as sharp squares, whatever the screen; a picture larger than its room is smoothed. */
function place(
  context: CanvasRenderingContext2D,
  pixels: Uint8ClampedArray<ArrayBuffer>,
  columns: number,
  size: { readonly width: number; readonly height: number },
  ratio: number,
) {
  const rows = pixels.length / 4 / columns;
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d")?.putImageData(new ImageData(pixels, columns, rows), 0, 0);
  context.imageSmoothingEnabled = columns > size.width * ratio;
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, size.width, size.height);
}

/** Lines between patches, thin and seen on dark and on light. */
function rule(context: CanvasRenderingContext2D, side: number, rows: number, columns: number) {
  context.beginPath();
  for (let column = 1; column < columns; column++) {
    context.moveTo(column * side, 0);
    context.lineTo(column * side, rows * side);
  }
  for (let row = 1; row < rows; row++) {
    context.moveTo(0, row * side);
    context.lineTo(columns * side, row * side);
  }
  context.lineWidth = 1;
  context.strokeStyle = "rgb(128 128 128 / 45%)";
  context.stroke();
}
