/** Moves a long map's view: wheel, drag, two fingers, double click, keys. The address keeps it. */

import type { Window } from "../../cells/pool.ts";
import { inside, viewOf, written, zoomedAround } from "../../cells/tiles.ts";
import { cellUnder, type LongPlot } from "../../draw/long_map.ts";
import { busy } from "../../ready.ts";
import { choose } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";

/** Milliseconds without a move after which the address is written. */
const STILL = 250;
/** One press of + or −, and one notch of a wheel. */
const PRESS = 0.6;
const NOTCH = 0.0016;
/** Part of the view that an arrow key moves by. */
const STRIDE = 1 / 6;
/** A pointer that moves less than this, in units of the page, clicks. */
const STEADY = 4;

export class Camera {
  view: Window;
  private whole: Window;
  private readonly moved: () => void;
  private readonly fingers = new Map<number, { x: number; y: number }>();
  private travelled = 0;
  private stretches: { rows: string | null; columns: string | null };
  private timer: ReturnType<typeof setTimeout> | undefined;
  private done: (() => void) | null = null;

  /** `moved` is called whenever the view is another one. */
  constructor(whole: Window, moved: () => void) {
    const { rows, columns } = selection.peek();
    this.whole = whole;
    this.moved = moved;
    this.stretches = { rows, columns };
    this.view = viewOf(rows, columns, whole);
  }

  /** Heed another map, or an address that asks for another part of it. */
  heed(whole: Window, rows: string | null, columns: string | null): void {
    const sized = whole.rows === this.whole.rows && whole.columns === this.whole.columns;
    if (sized && rows === this.stretches.rows && columns === this.stretches.columns) return;
    this.whole = whole;
    this.stretches = { rows, columns };
    this.view = viewOf(rows, columns, whole);
  }

  /** Whether what the pointer did since it went down was more than a click. */
  get dragged(): boolean {
    return this.travelled > STEADY;
  }

  go(view: Window): void {
    this.view = inside(view, this.whole);
    this.moved();
    this.done ??= busy();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(), STILL);
  }

  all(): void {
    this.go(this.whole);
  }

  zoom(factor: number, row?: number, column?: number): void {
    const { view, whole } = this;
    const middle = { row: view.row + view.rows / 2, column: view.column + view.columns / 2 };
    this.go(zoomedAround(view, whole, row ?? middle.row, column ?? middle.column, factor));
  }

  press(by: 1 | -1): void {
    this.zoom(by > 0 ? PRESS : 1 / PRESS);
  }

  stride(down: number, across: number): void {
    const { view } = this;
    this.go({
      ...view,
      row: view.row + down * view.rows * STRIDE,
      column: view.column + across * view.columns * STRIDE,
    });
  }

  wheel(event: WheelEvent, plot: LongPlot): void {
    if (!cellUnder(plot, event.offsetX, event.offsetY)) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 33 : 1;
    // Two fingers spread on a touchpad come as a wheel with Ctrl, in smaller steps.
    const rate = event.ctrlKey ? 6 * NOTCH : NOTCH;
    const { row, column } = positionAt(plot, event.offsetX, event.offsetY);
    this.zoom(Math.exp(event.deltaY * lines * rate), row, column);
  }

  down(event: PointerEvent): void {
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    this.travelled = 0;
  }

  up(event: PointerEvent): void {
    this.fingers.delete(event.pointerId);
  }

  /** Drag with one pointer, pinch with two; whether either is under way. */
  drag(event: PointerEvent, plot: LongPlot): boolean {
    const before = this.fingers.get(event.pointerId);
    if (!before || event.buttons === 0) return false;
    const now = { x: event.offsetX, y: event.offsetY };
    this.fingers.set(event.pointerId, now);
    this.travelled += Math.hypot(now.x - before.x, now.y - before.y);
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const wide = (finger: typeof now) =>
        Math.max(1, Math.hypot(finger.x - other.x, finger.y - other.y));
      const { row, column } = positionAt(plot, (now.x + other.x) / 2, (now.y + other.y) / 2);
      this.zoom(wide(before) / wide(now), row, column);
      return true;
    }
    if (!this.dragged) return true;
    const { view } = this;
    this.go({
      ...view,
      row: view.row - (now.y - before.y) / plot.down,
      column: view.column - (now.x - before.x) / plot.across,
    });
    return true;
  }

  stop(): void {
    clearTimeout(this.timer);
    this.done?.();
  }

  private tell(): void {
    this.stretches = written(this.view, this.whole);
    choose(this.stretches);
    this.done?.();
    this.done = null;
  }
}

function positionAt(plot: LongPlot, x: number, y: number): { row: number; column: number } {
  return {
    row: plot.view.row + (y - plot.box.y) / plot.down,
    column: plot.view.column + (x - plot.box.x) / plot.across,
  };
}
