/** Weights laid over an image: flat patches of a hue that the image lacks, as opaque as the weight. */
import { NOT_ALLOWED } from "../cells/scale.ts";

/** Red, green and blue of what is laid over an image. */
export type Hue = readonly [number, number, number];

/** Hues to choose from, far from each other; the first where an image has none of its own. */
const HUES: readonly Hue[] = [
  [255, 122, 0],
  [0, 190, 255],
  [255, 0, 200],
  [60, 230, 0],
];
/** How opaque the greatest weight is. */
const STRONGEST = 0.85;
/** What is left of the contrast of a grey image below weights. */
const FAINT = 0.4;
const NAN = [255, 0, 160, 255] as const;

/** The hue that an image, as red-green-blue-alpha bytes, has least of. */
export function hueOver(image: ArrayLike<number> | null): Hue {
  const has = HUES.map(() => 0);
  const step = 4 * Math.max(1, Math.floor((image?.length ?? 0) / 4 / 4096));
  for (let at = 0; image && at < image.length; at += step) {
    const colour = unit(image[at] as number, image[at + 1] as number, image[at + 2] as number);
    for (const [index, hue] of HUES.entries()) {
      const [red, green, blue] = unit(...hue);
      const along = colour[0] * red + colour[1] * green + colour[2] * blue;
      has[index] = (has[index] as number) + Math.max(0, along);
    }
  }
  return HUES[has.indexOf(Math.min(...has))] as Hue;
}

/**
 * What lies below the weights: the image, a grey one with less contrast. Its light parts under an
 * even veil would else be taken for greater weights.
 */
export function below(image: Uint8ClampedArray<ArrayBuffer>): Uint8ClampedArray<ArrayBuffer> {
  for (let at = 0; at < image.length; at += 4) {
    const spread = unit(image[at] as number, image[at + 1] as number, image[at + 2] as number);
    if (spread.some((part) => Math.abs(part) > 4)) return image;
  }
  return image.map((value, at) => (at % 4 === 3 ? value : 110 + FAINT * (value - 128)));
}

// A colour without its grey: its direction is the hue, its length how much of it there is.
function unit(red: number, green: number, blue: number): [number, number, number] {
  const grey = (red + green + blue) / 3;
  return [red - grey, green - grey, blue - grey];
}

/**
 * One pixel per position, red-green-blue-alpha. `shades` has one number per position; NaN is
 * magenta, what may not be attended stays the plain image.
 */
export function veil(shades: ArrayLike<number>, hue: Hue): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint8ClampedArray(4 * shades.length);
  for (let at = 0; at < shades.length; at++) {
    const shade = shades[at] as number;
    const cover = shade === NOT_ALLOWED ? 0 : 255 * STRONGEST * shade;
    out.set(Number.isNaN(shade) ? NAN : [...hue, cover], 4 * at);
  }
  return out;
}

/** The same for a legend, over what lies below it. */
export function veilAt(shade: number, hue: Hue): string {
  return `rgb(${hue.join(" ")} / ${(STRONGEST * shade).toFixed(3)})`;
}
