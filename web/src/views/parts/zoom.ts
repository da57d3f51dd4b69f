/** Wheel and + − zoom, dragging pans, a double click or 0 shows everything; the address keeps it. */
import { useEffect, useMemo, useRef } from "preact/hooks";
import { cellAt, type Plot, stretched, windowOf, within, zoomed } from "../../cells/plot.ts";
import type { Window } from "../../cells/pool.ts";
import { onKey } from "../../controls/keys.ts";
import { choose } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { pinned } from "./pointing.ts";

/** Cells larger than this need no zoom. */
const CLEAR = 16;
const CLOSER = 0.8;

export function useZoom(whole: Window) {
  const grip = useRef<{ x: number; y: number; window: Window; moved: boolean } | null>(null);
  const { rows, columns } = selection.value;
  const window = useMemo(
    () => windowOf(rows, columns, whole),
    [rows, columns, whole.row, whole.column, whole.rows, whole.columns],
  );
  const show = (next: Window) => choose(stretched(next, whole));
  const press = (factor: number) => {
    const middle = { query: window.row + window.rows / 2, key: window.column + window.columns / 2 };
    const { query, key } = pinned.peek() ?? middle;
    const at = { query: Math.floor(query), key: Math.floor(key ?? middle.key) };
    show(zoomed(window, whole, at.query, at.key, factor));
  };
  useEffect(() => {
    const stops = [
      ...["+", "="].map((key) => onKey(key, () => press(CLOSER ** 2))),
      ...["-", "−", "_"].map((key) => onKey(key, () => press(1 / CLOSER ** 2))),
      onKey("0", () => show(whole)),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  });
  const zoomable = (plot: Plot) =>
    !same(window, whole) || Math.min(plot.cellWidth, plot.cellHeight) < CLEAR;
  return {
    window,
    zoomable,
    dragged: () => grip.current?.moved === true,
    handlers: (plot: Plot) => ({
      onWheel: (event: WheelEvent) => {
        const cell = cellAt(plot, event.offsetX, event.offsetY);
        if (!cell || !zoomable(plot)) return;
        const factor = event.deltaY < 0 ? CLOSER : 1 / CLOSER;
        const next = zoomed(window, whole, cell.query, cell.key, factor);
        if (same(next, window)) return;
        event.preventDefault();
        show(next);
      },
      onDblClick: () => show(whole),
      onPointerDown: (event: PointerEvent) => {
        grip.current = { x: event.offsetX, y: event.offsetY, window, moved: false };
      },
    }),
    /** Pan if a drag is under way; whether it is. */
    drag: (event: PointerEvent, plot: Plot): boolean => {
      const held = grip.current;
      if (!held || event.buttons !== 1 || same(window, whole)) return false;
      const columns = Math.round((held.x - event.offsetX) / plot.cellWidth);
      const rows = Math.round((held.y - event.offsetY) / plot.cellHeight);
      if (columns === 0 && rows === 0 && !held.moved) return true;
      held.moved = true;
      const { row, column } = held.window;
      const next = within({ ...held.window, row: row + rows, column: column + columns }, whole);
      if (!same(next, window)) show(next);
      return true;
    },
  };
}

function same(a: Window, b: Window): boolean {
  return a.row === b.row && a.column === b.column && a.rows === b.rows && a.columns === b.columns;
}
