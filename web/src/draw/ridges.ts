/** Ridges on a canvas: from back to front, coloured by step, the chosen and the pointed-at on top. */
import {
  across,
  apart,
  type Bin,
  baseline,
  beyond,
  labelled,
  lift,
  type Ridge,
  type RidgeLayout,
  type Ridges,
} from "../cells/ridges.ts";
import { at, css, viridis } from "../cells/tables.ts";

/** Colours of everything that is not data. */
export interface PagePalette {
  readonly ground: string;
  readonly line: string;
  readonly text: string;
  readonly muted: string;
  readonly accent: string;
  readonly dark: boolean;
}

export interface Sight {
  /** First and last step of the colour scale. */
  readonly first: number;
  readonly last: number;
  /** Row of the step in view. */
  readonly chosen: number | null;
  readonly pointed: Bin | null;
  /** Words for the two axes. */
  readonly weight: string;
  readonly step: string;
  readonly density: string;
  /** Says that taller ridges are cut, and how tall they are. */
  readonly cut: (density: string) => string;
}

const WHOLE = new Intl.NumberFormat("en-US");
const FONT =
  '11px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", sans-serif';

/** The palette that a page's style sheet sets for the theme it is in. */
export function paletteOf(element: Element, dark: boolean): PagePalette {
  const style = getComputedStyle(element);
  const ink = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    ground: ink("ground"),
    line: ink("line"),
    text: ink("text"),
    muted: ink("muted"),
    accent: ink("accent"),
    dark,
  };
}

/** The colour of a step: the newer, the further from the ground it stands on. */
export function stepColour(step: number, first: number, last: number, dark: boolean): string {
  const share = last > first ? (step - first) / (last - first) : 1;
  return css(at(viridis, dark ? 0.22 + 0.7 * share : 0.9 - 0.75 * share));
}

/** Paint one panel. The context's units are those of the layout. */
export function paintRidges(
  context: CanvasRenderingContext2D,
  size: { readonly width: number; readonly height: number },
  ridges: Ridges,
  layout: RidgeLayout,
  sight: Sight,
  palette: PagePalette,
): void {
  context.clearRect(0, 0, size.width, size.height);
  context.font = FONT;
  context.lineJoin = "round";
  axes(context, ridges, layout, sight, palette);
  const rows = ridges.rows.length;
  // Lines between ridges that stand a few pixels apart would leave nothing of the ridges.
  const apart = (layout.front - layout.back) / Math.max(1, rows - 1);
  const firm = rows < 2 ? 1 : Math.min(1, Math.max(0.25, (apart - 1) / 5));
  context.save();
  context.beginPath();
  context.rect(layout.left, 0, layout.right - layout.left, size.height);
  context.clip();
  for (const [row, ridge] of ridges.rows.entries()) {
    if (ridge.total === 0) continue;
    const colour = stepColour(ridge.step, sight.first, sight.last, palette.dark);
    const inView = row === sight.chosen;
    trace(context, ridge, layout, baseline(layout, row, rows));
    context.fillStyle = inView ? palette.accent : colour;
    context.fill();
    context.globalAlpha = firm;
    context.lineWidth = 0.4 + 0.5 * firm;
    context.strokeStyle = palette.ground;
    context.stroke();
    context.globalAlpha = 1;
  }
  if (sight.chosen !== null) outline(context, ridges, layout, sight.chosen, palette.accent);
  if (sight.pointed) block(context, ridges, layout, sight.pointed, palette);
  context.restore();
  tails(context, ridges, layout, palette);
}

/** An arrow at the foot of each ridge that goes on beyond the axis. */
function tails(
  context: CanvasRenderingContext2D,
  ridges: Ridges,
  layout: RidgeLayout,
  palette: PagePalette,
) {
  const { rows } = beyond(ridges, layout.domain);
  context.fillStyle = palette.accent;
  for (const [end, x, way] of [
    ["low", layout.left, -1],
    ["high", layout.right, 1],
  ] as const) {
    for (const row of rows[end]) {
      const y = baseline(layout, row, ridges.rows.length);
      context.beginPath();
      context.moveTo(x + 6 * way, y - 3);
      context.lineTo(x, y - 6.5);
      context.lineTo(x, y + 0.5);
      context.fill();
    }
  }
}

// Through the middle of each bin, and down to nothing half a bin outside the outer ones.
function trace(
  context: CanvasRenderingContext2D,
  ridge: Ridge,
  layout: RidgeLayout,
  stands: number,
) {
  const first = ridge.density.findIndex((value) => value > 0);
  const last = ridge.density.findLastIndex((value) => value > 0);
  // What lies outside is cut off by the clip, a little outside by this: lines have no endless ends.
  const spare = layout.right - layout.left;
  const middle = (bin: number) =>
    Math.min(
      layout.right + spare,
      Math.max(layout.left - spare, across(layout, ridge.low + (bin + 0.5) * ridge.bin)),
    );
  context.beginPath();
  context.moveTo(middle(first - 1), stands);
  for (let bin = first; bin <= last; bin++) {
    context.lineTo(middle(bin), stands - lift(layout, ridge.density[bin] as number));
  }
  context.lineTo(middle(last + 1), stands);
}

// Ridges in front may hide the chosen one; its line shines through.
function outline(
  context: CanvasRenderingContext2D,
  ridges: Ridges,
  layout: RidgeLayout,
  row: number,
  colour: string,
) {
  const ridge = ridges.rows[row];
  if (!ridge || ridge.total === 0) return;
  trace(context, ridge, layout, baseline(layout, row, ridges.rows.length));
  context.lineWidth = 1.4;
  context.strokeStyle = colour;
  context.stroke();
}

function block(
  context: CanvasRenderingContext2D,
  ridges: Ridges,
  layout: RidgeLayout,
  bin: Bin,
  palette: PagePalette,
) {
  const ridge = ridges.rows[bin.row] as Ridge;
  const stands = baseline(layout, bin.row, ridges.rows.length);
  outline(context, ridges, layout, bin.row, palette.text);
  const left = across(layout, bin.low);
  const width = Math.max(2, across(layout, bin.high) - left);
  const height = Math.max(2, lift(layout, ridge.density[bin.bin] as number));
  context.fillStyle = palette.text;
  context.globalAlpha = 0.85;
  context.fillRect(left, stands - height, width, height);
  context.globalAlpha = 1;
}

function axes(
  context: CanvasRenderingContext2D,
  ridges: Ridges,
  layout: RidgeLayout,
  sight: Sight,
  palette: PagePalette,
) {
  const { left, right, front } = layout;
  context.lineWidth = 1;
  context.strokeStyle = palette.line;
  context.fillStyle = palette.muted;
  context.textBaseline = "top";
  context.textAlign = "center";
  const fits = (text: string) => context.measureText(text).width;
  for (const tick of apart(layout, fits)) {
    const x = Math.round(across(layout, tick.at)) + 0.5;
    line(context, x, layout.back, x, front + 4);
    context.fillText(tick.text, x, front + 6);
  }
  context.fillText(sight.weight, (left + right) / 2, front + 20);
  steps(context, ridges, layout, sight, palette);
  height(context, layout, sight, palette);
}

function steps(
  context: CanvasRenderingContext2D,
  ridges: Ridges,
  layout: RidgeLayout,
  sight: Sight,
  palette: PagePalette,
) {
  const rows = ridges.rows.length;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const row of labelled(layout, rows, sight.chosen)) {
    const y = baseline(layout, row, rows);
    context.fillStyle = row === sight.chosen ? palette.text : palette.muted;
    context.fillText(compact(ridges.rows[row]?.step ?? 0), layout.left - 7, y);
    line(context, layout.left - 4, Math.round(y) + 0.5, layout.left, Math.round(y) + 0.5);
  }
  context.fillStyle = palette.muted;
  context.textBaseline = "bottom";
  context.textAlign = "left";
  if (layout.back > 26) context.fillText(sight.step, 2, layout.back - 9);
}

/** The scale of the heights: a bar as tall as the tallest ridge, with its density. */
function height(
  context: CanvasRenderingContext2D,
  layout: RidgeLayout,
  sight: Sight,
  palette: PagePalette,
) {
  const x = Math.round(layout.right) + 8.5;
  const top = layout.front - layout.rise;
  line(context, x, top, x, layout.front);
  line(context, x, Math.round(top) + 0.5, x + 4, Math.round(top) + 0.5);
  line(context, x, Math.round(layout.front) - 0.5, x + 4, Math.round(layout.front) - 0.5);
  context.fillStyle = palette.muted;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(tall(layout.peak), x + 7, top);
  context.fillText("0", x + 7, layout.front);
  if (layout.cut !== null) {
    context.textAlign = "right";
    context.fillText(sight.cut(tall(layout.cut)), x + 36, 7);
    context.textAlign = "left";
  }
  context.save();
  context.translate(x + 13, (top + layout.front) / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.fillText(sight.density, 0, 0);
  context.restore();
}

function line(context: CanvasRenderingContext2D, x: number, y: number, toX: number, toY: number) {
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(toX, toY);
  context.stroke();
}

function compact(step: number): string {
  if (step < 1e5) return WHOLE.format(step);
  return step < 1e6 ? `${+(step / 1e3).toFixed(1)}k` : `${+(step / 1e6).toFixed(2)}M`;
}

function tall(density: number): string {
  return density >= 1e4 || (density > 0 && density < 0.01)
    ? density.toExponential(0).replace("+", "")
    : String(+density.toPrecision(3));
}
