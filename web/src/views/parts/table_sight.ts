/** Which part of the table of tensors is seen: the size of its box, how far it is scrolled, and what it scrolls to. */
import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Line } from "./tensor_rows.ts";

/** Height of a line in pixels; the style sheet holds the same. */
export const LINE = 21;
/** Height of the head, which stays where it is. */
const HEAD = 38;

/** The size of the table's box, and how far it is scrolled. */
export function useSight() {
  const box = useRef<HTMLDivElement>(null);
  const [at, set] = useState({ top: 0, height: 600, width: 0 });
  const see = () => {
    const element = box.current;
    if (!element || element.clientWidth === 0) return; // a hidden tab's frame
    const { scrollTop: top, clientHeight: height, clientWidth: width } = element;
    set((old) =>
      old.top === top && old.height === height && old.width === width
        ? old
        : { top, height, width },
    );
  };
  useLayoutEffect(() => {
    see();
    const watcher = new ResizeObserver(see);
    if (box.current) watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  return { box, ...at, onScroll: see };
}

/** Scroll to the tensor looked at when another is, as after a click on an alert; clicked rows are seen. */
export function useChosenInSight(
  box: RefObject<HTMLDivElement | null>,
  lines: readonly Line[],
  chosen: readonly string[],
  height: number,
) {
  const at = lines.findIndex(({ row, hidden }) => hidden === 0 && row.name === chosen[0]);
  const before = useRef<{ name: string | undefined; top: number }>({ name: undefined, top: 0 });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || at < 0) return;
    const { scrollTop, clientHeight } = element;
    // Whoever has scrolled meanwhile looks at something else.
    if (before.current.name === chosen[0] && before.current.top !== scrollTop) return;
    const [top, bottom] = [at * LINE, (at + 1) * LINE + HEAD];
    if (top < scrollTop || bottom > scrollTop + clientHeight)
      element.scrollTop = Math.max(0, top - (clientHeight - HEAD) / 2);
    before.current = { name: chosen[0], top: element.scrollTop };
  }, [chosen[0], at < 0, height]);
}
