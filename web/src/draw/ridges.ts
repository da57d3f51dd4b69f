/** Ridges on a canvas: from back to front, each hiding what is behind it; marked ones in colour. */
import { share, shortest } from "../cells/axis.ts";
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

/** Colours of everything that is not data. */
export interface PagePalette {
  readonly ground: string;
  readonly line: string;
  readonly text: string;
  readonly muted: string;
  readonly accent: string;
  readonly bad: string;
}

export interface Sight {
  /** Row of the step in view, and of those where something goes wrong. */
  readonly chosen: number | null;
  readonly bad: readonly number[];
  /** Row of the step pointed at, elsewhere perhaps. */
  readonly beside: number | null;
  readonly pointed: Bin | null;
  /** Says that taller ridges are cut. */
  readonly cut: string;
}

const WHOLE = new Intl.NumberFormat("en-US");
const FONT =
  '11px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", sans-serif';

/** The palette that a page's style sheet sets for the theme it is in. */
export function paletteOf(element: Element): PagePalette {
  const style = getComputedStyle(element);
  const ink = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    ground: ink("ground"),
    line: ink("line"),
    text: ink("text"),
    muted: ink("muted"),
    accent: ink("accent"),
    bad: ink("bad"),
  };
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
  context.save();
  context.beginPath();
  context.rect(layout.left, 0, layout.right - layout.left, size.height);
  context.clip();
  for (const [row, ridge] of ridges.rows.entries()) {
    if (ridge.total === 0) continue;
    const [colour, wide] = strokeOf(row, sight, palette);
    trace(context, ridge, layout, baseline(layout, row, rows));
    context.globalAlpha = 0.78;
    context.fillStyle = palette.ground;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = wide;
    context.strokeStyle = colour;
    context.stroke();
  }
  if (sight.chosen !== null) outline(context, ridges, layout, sight.chosen, palette.accent);
  if (sight.pointed) block(context, ridges, layout, sight.pointed, palette);
  context.restore();
  tails(context, ridges, layout, palette);
}

function strokeOf(row: number, sight: Sight, palette: PagePalette): [string, number] {
  if (row === sight.chosen) return [palette.accent, 1.6];
  if (sight.bad.includes(row)) return [palette.bad, 1.6];
  return row === sight.beside ? [palette.text, 1.4] : [palette.muted, 0.9];
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

// Through the middle of each bin, and along the ground outside the outer ones.
function trace(
  context: CanvasRenderingContext2D,
  ridge: Ridge,
  layout: RidgeLayout,
  stands: number,
) {
  const held = (bin: number) => (ridge.counts[bin] as number) > 0;
  const bins = Array.from({ length: ridge.counts.length }, (_, bin) => bin);
  const [first = 0, last = 0] = [bins.find(held), bins.findLast(held)];
  const edgeAt = (bin: number) => placeOf(layout, ridge.edges[bin] as number);
  context.beginPath();
  context.moveTo(layout.left - 2, stands);
  context.lineTo(edgeAt(first), stands);
  for (let bin = first; bin <= last; bin++) {
    const middle = (edgeAt(bin) + edgeAt(bin + 1)) / 2;
    context.lineTo(middle, stands - lift(layout, ridge.density[bin] as number));
  }
  context.lineTo(edgeAt(last + 1), stands);
  context.lineTo(layout.right + 2, stands);
}

/** Where a value lies; what is far outside ends a little outside: lines have no endless ends. */
function placeOf(layout: RidgeLayout, value: number): number {
  const along = Math.max(-1, Math.min(2, share(layout.domain, value)));
  return layout.left + along * (layout.right - layout.left);
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
  const left = placeOf(layout, bin.low);
  const width = Math.max(2, placeOf(layout, bin.high) - left);
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
  const { front } = layout;
  context.lineWidth = 1;
  context.strokeStyle = palette.line;
  context.fillStyle = palette.muted;
  context.textBaseline = "top";
  context.textAlign = "center";
  const fits = (text: string) => context.measureText(text).width;
  for (const tick of apart(layout, fits)) {
    const x = Math.round(across(layout, tick.at)) + 0.5;
    line(context, x, 4, x, front + 3);
    context.fillText(shortest(tick.text), x, front + 6);
  }
  steps(context, ridges, layout, sight, palette);
  if (layout.cut === null) return;
  context.textAlign = "right";
  context.fillText(sight.cut, layout.right, 0);
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
  const marked = [...(sight.chosen === null ? [] : [sight.chosen]), ...sight.bad];
  for (const row of labelled(layout, rows, marked)) {
    const y = baseline(layout, row, rows);
    const [colour] = strokeOf(row, sight, palette);
    context.fillStyle = colour;
    context.fillText(compact(ridges.rows[row]?.step ?? 0), layout.left - 6, y);
  }
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
