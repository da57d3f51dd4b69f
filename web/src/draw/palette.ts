/** The colours of light and dark that pixels need; CSS holds the same ones for the page. */

import type { Marks } from "../cells/paint.ts";
import { pixel } from "../cells/tables.ts";

export type Theme = "light" | "dark";

/** Marks what is pointed at, on light and dark alike. */
export const ACCENT = "#e8710a";

export interface Palette {
  readonly text: string;
  readonly ground: string;
  readonly marks: (ratio: number) => Marks;
}

function palette(
  text: string,
  colours: { ground: string; notAllowed: string; line: string; nan: string; cross: string },
): Palette {
  return {
    text,
    ground: colours.ground,
    marks: (ratio) => ({
      ground: pixel(colours.ground),
      notAllowed: pixel(colours.notAllowed),
      notAllowedLine: pixel(colours.line),
      nan: pixel(colours.nan),
      nanLine: pixel(colours.cross),
      pitch: Math.max(4, Math.round(5 * ratio)),
    }),
  };
}

export const PALETTES: Readonly<Record<Theme, Palette>> = {
  light: palette("#1b1f24", {
    ground: "#ffffff",
    notAllowed: "#f1f2f4",
    line: "#d9dce1",
    nan: "#ffffff",
    cross: "#d1247a",
  }),
  dark: palette("#eceef0", {
    ground: "#1e1e1e",
    notAllowed: "#292b2e",
    line: "#3d4045",
    nan: "#1e1e1e",
    cross: "#ff5fa8",
  }),
};
