/** The strongest weights as lines from queries, left, to keys, right. */
import type { Strongest } from "../answers/strongest.ts";
import type { Box } from "../cells/paint.ts";
import type { Window } from "../cells/pool.ts";
import { FONT, LABEL_WIDTH, labelled, type Name, tokenOr } from "./long_map.ts";
import { fitted } from "./text.ts";

/** Room for the names on both sides. */
const SIDES = 112;
const MARGIN = 12;

export interface LinkPlot {
  readonly view: Window;
  /** Between the two columns of names. */
  readonly box: Box;
  /** Units of the page per query and per key. */
  readonly down: number;
  readonly up: number;
}

export function linkPlot(view: Window, width: number, height: number): LinkPlot {
  const box = {
    x: SIDES,
    y: MARGIN,
    width: Math.max(40, width - 2 * SIDES),
    height: Math.max(40, height - 2 * MARGIN),
  };
  return { view, box, down: box.height / view.rows, up: box.height / view.columns };
}

/** The query or key whose name is at a place: left of the lines, or right of them. */
export function nameUnder(
  plot: LinkPlot,
  x: number,
  y: number,
): { query: number } | { key: number } | null {
  const { box, view } = plot;
  const part = (y - box.y) / box.height;
  if (part < 0 || part >= 1) return null;
  if (x < box.x + box.width / 4) return { query: Math.floor(view.row + part * view.rows) };
  if (x > box.x + (3 * box.width) / 4) {
    return { key: Math.floor(view.column + part * view.columns) };
  }
  return null;
}

/** Whether a line belongs to what is pointed at. */
export type Chosen = (query: number, key: number) => boolean;

/** Draw the lines, the strongest on top; those chosen in the accent, above all others. */
export function drawLinks(
  context: CanvasRenderingContext2D,
  plot: LinkPlot,
  strongest: Strongest,
  colour: (weight: number) => string,
  shade: (weight: number) => number,
  chosen: Chosen | null,
  accent: string,
): void {
  const { box, view } = plot;
  const [left, right] = [box.x, box.x + box.width];
  for (const lit of chosen ? [false, true] : [false]) {
    for (let at = strongest.count - 1; at >= 0; at--) {
      const query = strongest.queries[at] as number;
      const key = strongest.keys[at] as number;
      if (chosen && chosen(query, key) !== lit) continue;
      const from = box.y + (query + 0.5 - view.row) * plot.down;
      const to = box.y + (key + 0.5 - view.column) * plot.up;
      if (Math.min(from, to) < box.y || Math.max(from, to) > box.y + box.height) continue;
      const strength = shade(strongest.weights[at] as number);
      context.globalAlpha = chosen && !lit ? 0.08 : Math.max(0.12, strength);
      context.strokeStyle = lit ? accent : colour(strongest.weights[at] as number);
      context.lineWidth = 0.7 + 1.8 * strength;
      context.beginPath();
      context.moveTo(left, from);
      const bend = (right - left) / 3;
      context.bezierCurveTo(left + bend, from, right - bend, to, right, to);
      context.stroke();
    }
  }
  context.globalAlpha = 1;
}

/** Write queries on the left and keys on the right. */
export function writeSides(
  context: CanvasRenderingContext2D,
  plot: LinkPlot,
  whole: Window,
  names: { query: Name; key: Name },
  ink: string,
): void {
  const { box, view } = plot;
  context.font = FONT;
  context.fillStyle = ink;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const query of labelled(view.row, view.rows, plot.down, whole.rows)) {
    const y = box.y + (query + 0.5 - view.row) * plot.down;
    context.fillText(
      fitted(context, tokenOr(names.query, query, plot.down), LABEL_WIDTH),
      box.x - 8,
      y,
    );
  }
  context.textAlign = "left";
  for (const key of labelled(view.column, view.columns, plot.up, whole.columns)) {
    const y = box.y + (key + 0.5 - view.column) * plot.up;
    context.fillText(
      fitted(context, tokenOr(names.key, key, plot.up), LABEL_WIDTH),
      box.x + box.width + 8,
      y,
    );
  }
}
