/** Wheel zooms, dragging pans, a double click shows everything again. */
import { useMemo, useRef, useState } from "preact/hooks";
import { cellAt, type Plot, within, zoomed } from "../../cells/plot.ts";
import type { Window } from "../../cells/pool.ts";

/** Cells larger than this need no zoom. */
const CLEAR = 16;

export function useZoom(whole: Window) {
  const [chosen, choose] = useState<{ window: Window; whole: Window } | null>(null);
  const grip = useRef<{ x: number; y: number; window: Window; moved: boolean } | null>(null);
  // Another map of the same size keeps the view; one of another size starts whole.
  const window = useMemo(
    () => (chosen && same(chosen.whole, whole) ? chosen.window : whole),
    [chosen, whole.row, whole.column, whole.rows, whole.columns],
  );
  const show = (next: Window) => choose({ window: next, whole });
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
        const next = zoomed(window, whole, cell.query, cell.key, event.deltaY < 0 ? 0.8 : 1.25);
        if (same(next, window)) return;
        event.preventDefault();
        show(next);
      },
      onDblClick: () => choose(null),
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
