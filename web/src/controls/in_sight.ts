/** Keeps what is chosen within sight in a list that scrolls. */
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** Give the ref to the list; whenever `chosen` changes, its pressed row is scrolled to. */
export function useInSight<E extends HTMLElement>(chosen: unknown): RefObject<E | null> {
  const list = useRef<E>(null);
  useEffect(() => {
    const row = list.current?.querySelector<HTMLElement>("[aria-pressed=true]");
    if (chosen !== null) row?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  return list;
}
