/** How wide the table of tensors draws its columns, and how many there is room for beside names and values. */
import type { Column } from "./columns.ts";
import type { Row } from "./tensor_rows.ts";

/** Of the mark of an alert; and the least that values and names need to say anything. */
const FLAG = 22;
const VALUES = 150;
const NAMES = 130;
/** What values should have before names get more than nearly half of what both share. */
const VALUES_WANTED = 190;
const HALF = 0.48;
/** On both sides of values. */
const PADDING = 24;
/** Between a layer and the rest of a name, and after it. */
const GAP = 8;

/** A small line and its number; a heading may need more. */
export function widthOf(column: Column): number {
  return column.usual ? 106 : 88;
}

function sum(columns: readonly Column[]): number {
  return columns.reduce((all, column) => all + widthOf(column), 0);
}

/** The first of some columns, as many as a table of a width in pixels has room for; at least one. */
export function fitting(columns: readonly Column[], room: number): readonly Column[] {
  const left = room - FLAG - VALUES - NAMES;
  const fits = columns.filter((_, at) => at === 0 || sum(columns.slice(0, at + 1)) <= left);
  return room > 0 ? fits : columns;
}

/** Pixels of the two parts of names, and what the table needs at least. */
export interface Widths {
  readonly layer: number;
  readonly rest: number;
  /** Pixels of the axis of values. */
  readonly values: number;
  /** What the table needs, or it scrolls. */
  readonly least: number;
}

/** Names get what they need of a table's room; where that is too much, layers give way first. */
export function widths(
  room: number,
  needed: { readonly layer: number; readonly rest: number },
  columns: readonly Column[],
): Widths {
  const fixed = FLAG + sum(columns);
  const both = room - fixed;
  const share = Math.min(Math.floor(HALF * both), both - VALUES);
  const most = Math.max(NAMES, both - VALUES_WANTED, share) - GAP;
  const layer = needed.layer > 0 ? Math.ceil(needed.layer) + 1 + GAP : 0;
  const rest = Math.ceil(needed.rest) + 1 + GAP;
  const narrow = Math.round(Math.min(layer, Math.max(0.4 * most, most - rest)));
  const kept = layer + rest <= most ? layer : narrow;
  const left = Math.max(NAMES - GAP - kept, Math.min(rest, most - kept));
  const least = fixed + NAMES + VALUES;
  const values = Math.max(room, least) - fixed - kept - left - GAP - PADDING;
  return { layer: kept, rest: left, values, least };
}

/** What stands around a name where it stands for a fold: a mark, and how many it hides. */
const FOLD = 84;

/** The widest texts of some rows, in pixels; a context to measure with is handed over. */
export function textsOf(rows: readonly Row[], context: CanvasRenderingContext2D, folded: boolean) {
  const page = document.getElementById("limelight") ?? document.body;
  context.font = `12px ${getComputedStyle(page).fontFamily}`;
  const wide = (texts: ReadonlySet<string>) =>
    [...texts].reduce((most, text) => Math.max(most, context.measureText(text).width), 0);
  return {
    layer: wide(new Set(rows.map(({ called }) => called))),
    rest: wide(new Set(rows.map(({ rest }) => rest))) + (folded ? FOLD : 0),
  };
}
