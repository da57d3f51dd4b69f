/** Colours of one number a cell: from the page's ground to dark, or apart from it on both sides. */
import type { Theme } from "./palette.ts";

type Colour = readonly [number, number, number];

/** Blue below 0, brown above; safe for colour-blind eyes, with 0 the page's ground. */
const APART: Readonly<Record<Theme, readonly Colour[]>> = {
  light: [
    [33, 88, 152],
    [84, 138, 196],
    [154, 190, 226],
    [214, 228, 243],
    [255, 255, 255],
    [252, 226, 198],
    [244, 180, 114],
    [216, 122, 38],
    [150, 72, 4],
  ],
  dark: [
    [126, 178, 240],
    [78, 128, 190],
    [52, 82, 120],
    [38, 50, 66],
    [30, 30, 30],
    [72, 50, 32],
    [128, 80, 36],
    [200, 118, 44],
    [255, 172, 92],
  ],
};

const ALONG: Readonly<Record<Theme, readonly Colour[]>> = {
  light: [
    [246, 247, 249],
    [214, 230, 236],
    [168, 208, 218],
    [108, 176, 192],
    [56, 136, 164],
    [32, 96, 132],
    [20, 54, 92],
  ],
  dark: [
    [36, 38, 41],
    [40, 62, 82],
    [44, 92, 120],
    [62, 128, 150],
    [104, 168, 176],
    [168, 212, 206],
    [232, 246, 232],
  ],
};

/** From −1 to 1. */
export function apart(shade: number, theme: Theme): string {
  return css(between(APART[theme], (shade + 1) / 2));
}

/** From 0 to 1. */
export function along(shade: number, theme: Theme): string {
  return css(between(ALONG[theme], shade));
}

/** The text's colour that is read on a ground, of the two. */
export function inkOn(ground: string): string {
  const parts = (ground.match(/\d+/g) ?? []).map((part) => {
    const share = Number(part) / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const [red = 0, green = 0, blue = 0] = parts;
  const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return 1.05 / (light + 0.05) > (light + 0.05) / 0.054 ? "#ffffff" : "#0b0d10";
}

function between(colours: readonly Colour[], share: number): Colour {
  const at = Math.max(0, Math.min(1, share)) * (colours.length - 1);
  const from = Math.min(colours.length - 2, Math.floor(at));
  const [low, high] = [colours[from] as Colour, colours[from + 1] as Colour];
  const mix = (part: 0 | 1 | 2) => Math.round(low[part] + (high[part] - low[part]) * (at - from));
  return [mix(0), mix(1), mix(2)];
}

const css = ([red, green, blue]: Colour) => `rgb(${red}, ${green}, ${blue})`;
