/**
 * A long map's view as it moves: which tiles it wants, what is drawn meanwhile, and one picture per
 * frame. Nothing here renders components; they are told of changes through signals.
 */
import { signal } from "@preact/signals";
import { bytesOf, type Tile } from "../../answers/tile.ts";
import { ByteLRU } from "../../cells/byte_lru.ts";
import type { Window } from "../../cells/pool.ts";
import { FULL, floorOf, type Range, type Scale } from "../../cells/scale.ts";
import { css, viridis } from "../../cells/tables.ts";
import {
  type Levels,
  levelsOf,
  type Stride,
  spotName,
  strideName,
  type TileSpot,
} from "../../cells/tiles.ts";
import type { Reduce } from "../../contract.ts";
import {
  framePoint,
  type LongPlot,
  type Look,
  layOut,
  type Name,
  placePeaks,
  placeTile,
  ruleCells,
  writeAxes,
} from "../../draw/long_map.ts";
import type { Palette } from "../../draw/palette.ts";
import { ACCENT } from "../../draw/palette.ts";
import { type Held, hatching, pictured } from "../../draw/pictures.ts";
import { busy } from "../../ready.ts";
import { Fetching } from "./fetching.ts";
import type { Spot } from "./pointing.ts";

/** What is asked about: everything that tells one map from another. */
export interface Subject {
  readonly name: string;
  readonly whole: Window;
  readonly load: (spot: TileSpot, signal: AbortSignal) => Promise<Tile>;
  readonly names: { query: Name; key: Name };
  readonly learn: (tile: Tile) => void;
}

export interface Style {
  readonly scale: Scale;
  /** The range of weights chosen; null: the site's own. */
  readonly range: Range | null;
  readonly reduce: Reduce;
  readonly palette: Palette;
  readonly width: number;
  readonly height: number;
}

/** What the words below the picture need to know. */
export interface Shown {
  readonly stride: Stride;
  /** The range that the site has at this step, and the one that is drawn. */
  readonly recorded: Range;
  readonly range: Range;
  readonly allAllowed: boolean;
  readonly nan: boolean;
  readonly slow: boolean;
  readonly problem: unknown;
}

const MOST_BYTES = 192 * 2 ** 20;
/** Fetches at a time; more only queue up at the server. */
const LANES = 4;
/** Milliseconds that a moving view gathers wishes before they are asked for. */
const STILL = 70;

const cache = new ByteLRU<Held>(MOST_BYTES);

export class Stage {
  readonly shown = signal<Shown>({
    stride: { down: 1, across: 1 },
    recorded: FULL,
    range: FULL,
    allAllowed: true,
    nan: false,
    slow: false,
    problem: null,
  });
  plot: LongPlot | null = null;
  private readonly canvas: HTMLCanvasElement;
  private readonly fetching = new Fetching(LANES, () => this.draw());
  private subject: Subject | null = null;
  private style: Style | null = null;
  private view: Window | null = null;
  private spot: Spot | null = null;
  private coarser = new Map<string, Stride>();
  /** Names of the tiles last asked for. */
  private asked = "";
  private frame = 0;
  private asking: ReturnType<typeof setTimeout> | undefined;
  private slow: ReturnType<typeof setTimeout> | undefined;
  private done: (() => void) | null = null;

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
  }

  show(subject: Subject, style: Style, view: Window): void {
    if (this.subject?.name !== subject.name) {
      this.coarser = new Map();
      this.asked = "";
    }
    this.subject = subject;
    this.style = style;
    this.view = view;
    this.draw();
  }

  look(view: Window): void {
    this.view = view;
    this.draw();
  }

  point(spot: Spot | null): void {
    this.spot = spot;
    this.draw();
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.asking);
    clearTimeout(this.slow);
    this.fetching.stop();
    this.rest();
  }

  /** What the picture shows at a cell now: a value that may stand for several cells. */
  coarse(query: number, key: number): { value: number; down: number; across: number } | null {
    for (const level of [...(this.levels()?.all ?? [])].reverse()) {
      for (const spot of level) {
        const tile = this.held(spot)?.tile;
        if (!tile) continue;
        const row = Math.floor((query - tile.row) / tile.down);
        const column = Math.floor((key - tile.column) / tile.across);
        if (row < 0 || column < 0 || row >= tile.tall || column >= tile.wide) continue;
        const value = tile.values[row * tile.wide + column] as number;
        return { value, down: tile.down, across: tile.across };
      }
    }
    return null;
  }

  /** Draw in the next frame, and then ask for what is missing. */
  draw(): void {
    this.done ??= busy();
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint());
  }

  private levels(): Levels | null {
    const { subject, view, plot } = this;
    if (!subject || !view || !plot) return null;
    const ratio = window.devicePixelRatio || 1;
    const pixels = { width: plot.box.width * ratio, height: plot.box.height * ratio };
    return levelsOf(view, subject.whole, pixels, (stride) => this.coarser.get(strideName(stride)));
  }

  private held(spot: TileSpot): Held | undefined {
    return cache.get(`${this.subject?.name}|${spotName(spot)}`);
  }

  private missing(levels: Levels): TileSpot[] {
    const wanted = new Map(
      [...levels.root, ...levels.target].map((spot) => [spotName(spot), spot]),
    );
    return [...wanted.values()].filter((spot) => !this.held(spot));
  }

  private ask(): void {
    this.asking = undefined;
    const levels = this.levels();
    const { subject } = this;
    if (!levels || !subject) return;
    const missing = this.missing(levels);
    this.asked = missing.map(spotName).join();
    this.fetching.want(
      missing.map((spot) => ({
        name: `${subject.name}|${spotName(spot)}`,
        load: (signal) => this.load(subject, spot, signal),
      })),
    );
    this.draw();
  }

  private async load(subject: Subject, spot: TileSpot, signal: AbortSignal): Promise<void> {
    const tile = await subject.load(spot, signal);
    subject.learn(tile);
    const stride = { down: tile.down, across: tile.across };
    const coarser = stride.down > spot.down || stride.across > spot.across;
    if (coarser && subject.name === this.subject?.name) this.coarser.set(strideName(spot), stride);
    const held = { tile, picture: null, painted: "" };
    cache.put(`${subject.name}|${spotName(spot)}`, held, bytesOf(tile));
  }

  private paint(): void {
    const { subject, style, view, canvas } = this;
    const context = canvas.getContext("2d");
    if (!subject || !style || !view || !context) {
      this.rest();
      return;
    }
    const plot = layOut(view, subject.whole, style.width, style.height);
    this.plot = plot;
    const levels = this.levels() as Levels;
    const ready = levels.target.every((spot) => this.held(spot));
    const shown = ready ? [levels.target] : levels.all;
    const held = shown.flatMap((level) => level.flatMap((spot) => this.held(spot) ?? []));
    const tops = levels.target.flatMap((spot) => this.held(spot) ?? []);
    const look = this.lookOf(style, tops.length ? tops : held);
    const late = pictured(held, look);
    // Until something of another map is there, the one before stays.
    if (held.length) this.paintOn(context, plot, held, tops.length ? tops : held, look);
    this.tell(levels, tops, look);
    this.settle(levels, late);
  }

  private lookOf(style: Style, tops: readonly Held[]): Look {
    return {
      scale: style.scale,
      range: style.range ?? tops[0]?.tile.range ?? this.shown.peek().range,
      floor: floorOf(this.subject?.whole.columns ?? 1),
      table: viridis,
      palette: style.palette,
      ratio: window.devicePixelRatio || 1,
    };
  }

  private paintOn(
    context: CanvasRenderingContext2D,
    plot: LongPlot,
    held: readonly Held[],
    tops: readonly Held[],
    look: Look,
  ): void {
    const { style, canvas, subject, spot } = this;
    if (!style || !subject) return;
    const { ratio, palette } = look;
    const width = Math.round(style.width * ratio);
    const height = Math.round(style.height * ratio);
    if (canvas.width !== width || canvas.height !== height)
      Object.assign(canvas, { width, height });
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, style.width, style.height);
    const { box } = plot;
    context.save();
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    context.imageSmoothingEnabled = false;
    const hatch = hatching(context, palette, ratio);
    for (const entry of held) {
      if (entry.picture) placeTile(context, plot, entry.tile, entry.picture, hatch, ratio);
    }
    for (const entry of tops) if (entry.picture) placePeaks(context, plot, entry.tile, look);
    ruleCells(context, plot, css(palette.marks(ratio).ground));
    if (spot) framePoint(context, plot, spot, ACCENT);
    context.restore();
    writeAxes(context, plot, subject.whole, subject.names, palette.text);
    canvas.dataset.box = JSON.stringify({ ...box, ...plot.view });
  }

  private tell(levels: Levels, tops: readonly Held[], look: Look): void {
    const finest = tops[0]?.tile;
    const next: Shown = {
      stride: finest ? { down: finest.down, across: finest.across } : levels.stride,
      recorded: finest?.range ?? this.shown.peek().recorded,
      range: look.range,
      allAllowed: tops.every((entry) => entry.tile.allAllowed),
      nan: tops.some((entry) => entry.tile.nan),
      slow: this.shown.peek().slow && this.fetching.pending,
      problem: this.fetching.problem,
    };
    const old = this.shown.peek();
    const same = JSON.stringify({ ...next, problem: 0 }) === JSON.stringify({ ...old, problem: 0 });
    if (!same || next.problem !== old.problem) this.shown.value = next;
  }

  /** Go on with what is missing: pictures in the next frame, tiles a little later, all at once. */
  private settle(levels: Levels, late: boolean): void {
    if (late) {
      this.draw();
      return;
    }
    if (this.missing(levels).map(spotName).join() !== this.asked) {
      this.asking ??= setTimeout(() => this.ask(), this.asked === "" ? 0 : STILL);
    }
    if (this.fetching.pending) {
      this.slow ??= setTimeout(() => {
        if (this.fetching.pending) this.shown.value = { ...this.shown.peek(), slow: true };
      }, 100);
      return;
    }
    clearTimeout(this.slow);
    this.slow = undefined;
    if (this.asking === undefined) this.rest();
  }

  private rest(): void {
    this.done?.();
    this.done = null;
  }
}
