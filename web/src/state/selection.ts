/**
 * One selection for every view: what is looked at, and how. It lives in the address of the page
 * around us as `p.limelight.*`, so that a copied link opens the same view.
 */
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { STRETCHES, type Stretch } from "../cells/axis.ts";
import type { Scale } from "../cells/scale.ts";
import type { Reduce } from "../contract.ts";
import type { Theme } from "../draw/palette.ts";
import { settled } from "../ready.ts";

export type Language = "en" | "zh";
export type Axis = "shared" | "own";
export type Extent = "robust" | "whole";
export type Beside = "first" | "nothing";
export type Shown = "matrices" | "all" | "folded";

export interface Selection {
  readonly page: string;
  /** null: the newest run, whichever that is. */
  readonly run: string | null;
  /** null: not chosen; the newest while `follow`, else the nearest recorded step. */
  readonly step: number | null;
  readonly follow: boolean;
  readonly example: number;
  readonly site: string | null;
  readonly head: number;
  /** The pinned row and cell. */
  readonly query: number | null;
  readonly key: number | null;
  /** The part of a long map in view, "from:to"; null: all of it. */
  readonly rows: string | null;
  readonly columns: string | null;
  readonly parameters: readonly string[];
  /** Of which tensors distributions are shown: parameters, gradients and so on. */
  readonly kind: string;
  /** Whether all histograms have one axis of weights, so that widths compare. */
  readonly axis: Axis;
  /** How that axis is stretched, and whether it leaves out the tails. */
  readonly stretch: Stretch;
  readonly extent: Extent;
  /** What a distribution is drawn beside. */
  readonly beside: Beside;
  /** Which tensors the table shows; null: as suits how many there are. */
  readonly tensors: Shown | null;
  /** What names of tensors have to hold; `*` matches anything. */
  readonly match: string;
  /** The column rows are sorted by, "std:down"; null: the model's order. */
  readonly sort: string | null;
  /** The columns of the table; none: the usual ones. */
  readonly statistics: readonly string[];
  /** The number whose curve is drawn; null: gradient and update. */
  readonly curve: string | null;
  /** Runs drawn beside the one in view, and what tells those of one group apart. */
  readonly overlay: readonly string[];
  readonly group: string;
  readonly scale: Scale;
  /** The weights that colours run between, "from:to"; null: each site's own. */
  readonly range: string | null;
  readonly reduce: Reduce;
  /** What the heads grid's colour means: "map", or the name of a measure. */
  readonly colour: string;
  /** What the matrix of Heads is filled by; null: what was measured by taking heads away. */
  readonly fill: string | null;
  /** The key of the study shown; null: the newest. */
  readonly study: string | null;
  /** The name of the lens that the chosen head is seen through; null: the one that suits best. */
  readonly lens: string | null;
  /** null: as TensorBoard's. */
  readonly theme: Theme | null;
  /** null: as remembered, else as the browser's. */
  readonly language: Language | null;
}

export const DEFAULTS: Selection = {
  page: "attention",
  run: null,
  step: null,
  follow: true,
  example: 0,
  site: null,
  head: 0,
  query: null,
  key: null,
  rows: null,
  columns: null,
  parameters: [],
  kind: "parameter",
  axis: "shared",
  stretch: "linear",
  extent: "robust",
  beside: "first",
  tensors: null,
  match: "",
  sort: null,
  statistics: [],
  curve: null,
  overlay: [],
  group: "",
  scale: "sqrt",
  range: null,
  reduce: "max",
  colour: "map",
  fill: null,
  study: null,
  lens: null,
  theme: null,
  language: null,
};

const CHOICES: Readonly<Record<string, readonly string[]>> = {
  scale: ["linear", "sqrt", "log", "percentile"],
  reduce: ["max", "mean"],
  axis: ["shared", "own"],
  stretch: STRETCHES,
  extent: ["robust", "whole"],
  beside: ["first", "nothing"],
  tensors: ["matrices", "all", "folded"],
  theme: ["light", "dark"],
  language: ["en", "zh"],
};
const LISTS = new Set(["parameters", "statistics", "overlay"]);
const RANGES = new Set(["rows", "columns"]);
const WEIGHTS = /^[\d.]+(e-\d+)?:[\d.]+(e-\d+)?$/;
const NUMBERS = new Set(["step", "example", "head", "query", "key"]);
/** Pages that links of before called otherwise; they still open. */
const RENAMED: ReadonlyMap<string, string> = new Map([["weights", "parameters"]]);
const PREFIX = "p.limelight.";
const TAB = "limelight";

const current = signal<Selection>(DEFAULTS);

export const selection: ReadonlySignal<Selection> = current;

/** Change part of the selection. */
export function select(change: Partial<Selection>): void {
  const next = { ...current.value, ...change };
  if (same(next, current.value)) return;
  settled();
  current.value = next;
}

/** A selection as text for a URL's hash, beside whatever else the hash holds. */
export function write(chosen: Selection, hash: string): string {
  const others = parts(hash).filter((part) => !part.startsWith(PREFIX));
  const ours: string[] = [];
  for (const name of Object.keys(DEFAULTS) as (keyof Selection)[]) {
    const value = chosen[name];
    if (value === null || String(value) === String(DEFAULTS[name])) continue;
    const list = Array.isArray(value) ? value : [value];
    for (const element of list)
      ours.push(`${PREFIX}${name}=${encodeURIComponent(String(element))}`);
  }
  return `#${[...(others.length ? others : [TAB]), ...ours].join("&")}`;
}

/** The selection a URL's hash holds; what it lacks or garbles keeps its default. */
export function read(hash: string): Selection {
  const result: Record<string, unknown> = { ...DEFAULTS };
  const lists: Record<string, string[]> = {};
  for (const name of LISTS) lists[name] = [];
  for (const part of parts(hash)) {
    if (!part.startsWith(PREFIX)) continue;
    const at = part.indexOf("=");
    const name = part.slice(PREFIX.length, at);
    const value = text(part.slice(at + 1));
    if (at < 0 || value === null || !(name in DEFAULTS)) continue;
    if (name === "page") result[name] = RENAMED.get(value) ?? value;
    else if (LISTS.has(name)) lists[name]?.push(value);
    else if (NUMBERS.has(name)) result[name] = whole(value) ?? result[name];
    else if (RANGES.has(name)) result[name] = /^\d{1,10}:\d{1,10}$/.test(value) ? value : null;
    else if (name === "range") result[name] = WEIGHTS.test(value) ? value : null;
    else if (name === "follow") result[name] = value === "true";
    else if (!CHOICES[name] || CHOICES[name].includes(value)) result[name] = value;
  }
  return { ...(result as unknown as Selection), ...lists };
}

function parts(hash: string): string[] {
  return hash.replace(/^#/, "").split("&").filter(Boolean);
}

function whole(value: string): number | null {
  return /^\d{1,15}$/.test(value) ? Number(value) : null;
}

function text(value: string): string | null {
  try {
    return decodeURIComponent(value);
  } catch {
    return null;
  }
}

function same(a: Selection, b: Selection): boolean {
  return (Object.keys(DEFAULTS) as (keyof Selection)[]).every(
    (name) =>
      a[name] === b[name] || (Array.isArray(a[name]) && String(a[name]) === String(b[name])),
  );
}

/** The window whose address is seen: TensorBoard's around us, or our own. */
export function outer(): Window {
  try {
    void window.parent.location.hash; // throws when the page around us is of another origin
    return window.parent;
  } catch {
    return window;
  }
}

/** What is a place to come back to: with the browser's Back one returns to the one before. */
const PLACES: readonly (keyof Selection)[] = ["page", "run", "site", "head", "example", "lens"];

/** Milliseconds within which a walk by keys through many heads counts as one deed. */
const WALK = 700;

/** Read the address now, keep it up to date from now on, and heed links pasted into it, and Back. */
export function bindAddress(): void {
  const host = outer();
  current.value = read(host.location.hash);
  let shown = current.value;
  let moved = Number.NEGATIVE_INFINITY;
  const put = (chosen: Selection) => {
    const first = parts(host.location.hash)[0];
    // Another tab's address is not ours to write; ours comes back when its tab does.
    if (first !== undefined && first !== TAB && host !== window) return;
    const hash = write(chosen, host.location.hash);
    // That a run is named which was in view anyway is no other place.
    const placed = PLACES.some(
      (name) => chosen[name] !== shown[name] && !(name === "run" && shown.run === null),
    );
    shown = chosen;
    if (hash === host.location.hash) return;
    const now = performance.now();
    const state = { ...host.history.state, [TAB]: true };
    if (placed && now - moved > WALK) host.history.pushState(state, "", hash);
    else host.history.replaceState(state, "", hash);
    if (placed) moved = now;
  };
  effect(() => put(current.value));
  const heed = () => {
    const hash = host.location.hash;
    if (parts(hash)[0] !== TAB && host !== window) return;
    // A bare address is the one that TensorBoard's own tabs lead to, unless we wrote it.
    if (hash.includes(PREFIX) || host.history.state?.[TAB]) {
      const next = read(hash);
      shown = next;
      select(next);
    } else put(current.value);
  };
  host.addEventListener("hashchange", heed);
}
