/** Weights laid over an image: the image in grey, the accent on top as strong as the weight. */
import type { Picture } from "../answers/head_map.ts";
import { NOT_ALLOWED } from "../cells/scale.ts";

/** The accent laid over images, red, green, blue. */
export const ACCENT_RGB = [255, 122, 0] as const;
/** How opaque the greatest weight is. */
const STRONGEST = 0.75;

/**
 * One pixel per position, red-green-blue-alpha. `shades` has one number per position; NaN is
 * painted magenta, what may not be attended stays the plain image.
 */
export function overlay(
  shades: Float32Array,
  rows: number,
  columns: number,
  image: Picture | null,
): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint8ClampedArray(4 * rows * columns);
  const grey = greys(image, rows, columns);
  for (let i = 0; i < rows * columns; i++) {
    const shade = shades[i] as number;
    const under = grey[i] as number;
    const cover = shade === NOT_ALLOWED ? 0 : STRONGEST * shade;
    for (let channel = 0; channel < 3; channel++) {
      const accent = ACCENT_RGB[channel] as number;
      out[4 * i + channel] = under + (accent - under) * cover;
    }
    if (Number.isNaN(shade)) out.set([255, 0, 160], 4 * i);
    out[4 * i + 3] = 255;
  }
  return out;
}

/** The image's values spread from dark to light grey, nearest where sizes differ. */
export function greys(image: Picture | null, rows: number, columns: number): Float32Array {
  const out = new Float32Array(rows * columns).fill(40);
  if (!image) return out;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of image.values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const spread = high > low ? high - low : 1;
  for (let row = 0; row < rows; row++) {
    const from = Math.floor((row * image.rows) / rows) * image.columns;
    for (let column = 0; column < columns; column++) {
      const at = from + Math.floor((column * image.columns) / columns);
      out[row * columns + column] = 28 + (195 * ((image.values[at] ?? low) - low)) / spread;
    }
  }
  return out;
}

/** A stretch of the same blend for a legend, over middle grey. */
export function overlayAt(shade: number): string {
  const under = 60;
  const mixed = ACCENT_RGB.map((accent) =>
    Math.round(under + (accent - under) * STRONGEST * shade),
  );
  return `rgb(${mixed.join(" ")})`;
}
