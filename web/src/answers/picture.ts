/** The image that positions lie on, at its own resolution, from the answer to `what: "map"`. */
import type { Answer, Numbers } from "./wire.ts";

export interface Picture {
  /** [row, column, channel]: bytes, or numbers of any range. */
  readonly values: Numbers;
  readonly rows: number;
  readonly columns: number;
  /** 1: grey; 3: red, green, blue. Any other count is drawn as the grey of its mean. */
  readonly channels: number;
}

export function pictureOf(answer: Answer): Picture | null {
  const image = answer.variables.image;
  if (!image) return null;
  const [rows = 0, columns = 0, channels = 1] = image.shape;
  return { values: image.data, rows, columns, channels };
}

/** Red, green, blue and alpha of each pixel; numbers that are no bytes are spread over them. */
export function pixelsOf(picture: Picture): Uint8ClampedArray<ArrayBuffer> {
  const { values, rows, columns, channels } = picture;
  const [low, spread] = values instanceof Uint8Array ? [0, 255] : extent(values);
  const out = new Uint8ClampedArray(4 * rows * columns);
  const byte = (at: number) => (255 * ((values[at] as number) - low)) / spread;
  for (let pixel = 0; pixel < rows * columns; pixel++) {
    const at = pixel * channels;
    if (channels >= 3 && channels <= 4) {
      for (let channel = 0; channel < 3; channel++) out[4 * pixel + channel] = byte(at + channel);
    } else {
      let sum = 0;
      for (let channel = 0; channel < channels; channel++) sum += byte(at + channel);
      out.fill(sum / channels, 4 * pixel, 4 * pixel + 3);
    }
    out[4 * pixel + 3] = 255;
  }
  return out;
}

function extent(values: Numbers): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high > low ? high - low : 1];
}
