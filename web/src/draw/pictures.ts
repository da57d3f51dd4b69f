/** Pictures of tiles, one pixel per cell, and of what may not be attended. */
import type { Tile } from "../answers/tile.ts";
import { css, pixel } from "../cells/tables.ts";
import { type Look, pixelsOf } from "./long_map.ts";
import type { Palette } from "./palette.ts";

/** Milliseconds a frame may spend on pictures of tiles; the rest waits for the next. */
const BUDGET = 10;

/** A tile at hand, and its picture in some look. */
export interface Held {
  readonly tile: Tile;
  picture: OffscreenCanvas | null;
  painted: string;
}

/** Make the pictures that are missing, for as long as a frame allows; whether some still are. */
export function pictured(held: readonly Held[], look: Look): boolean {
  const name = [look.scale, look.range.low, look.range.high, look.floor, look.palette.text].join();
  const until = performance.now() + BUDGET;
  let late = false;
  for (const entry of held) {
    if (entry.painted === name) continue;
    if (performance.now() > until) {
      late = true;
      continue;
    }
    const { wide, tall } = entry.tile;
    entry.picture ??= new OffscreenCanvas(Math.max(1, wide), Math.max(1, tall));
    const pixels = pixelsOf(entry.tile, look, look.palette.marks(look.ratio));
    const image = new ImageData(new Uint8ClampedArray(pixels.buffer), wide, tall);
    entry.picture.getContext("2d")?.putImageData(image, 0, 0);
    entry.painted = name;
  }
  return late;
}

let hatched: { palette: Palette; ratio: number; pattern: CanvasPattern | null } | null = null;

/** The marks of what may not be attended, as a pattern that stays with the screen. */
export function hatching(
  context: CanvasRenderingContext2D,
  palette: Palette,
  ratio: number,
): CanvasPattern | string {
  if (hatched?.palette !== palette || hatched.ratio !== ratio) {
    const marks = palette.marks(ratio);
    const side = marks.pitch;
    const small = new OffscreenCanvas(side, side);
    const data = new Uint32Array(side * side);
    for (let i = 0; i < data.length; i++) {
      const line = ((i % side) + Math.floor(i / side)) % side < Math.max(1, Math.floor(side / 5));
      data[i] = line ? marks.notAllowedLine : marks.notAllowed;
    }
    const image = new ImageData(new Uint8ClampedArray(data.buffer), side, side);
    small.getContext("2d")?.putImageData(image, 0, 0);
    const pattern = context.createPattern(small, "repeat");
    pattern?.setTransform(new DOMMatrix().scale(1 / ratio));
    hatched = { palette, ratio, pattern };
  }
  return hatched.pattern ?? css(pixel("#888888"));
}
