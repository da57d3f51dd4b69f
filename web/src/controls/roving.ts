/**
 * One stop of the Tab key for a whole list of buttons: within it, arrow keys move, if Tab led there.
 * After a click they are the page's own, as everywhere.
 */

let tabbed = false;
if (typeof document !== "undefined") {
  document.addEventListener("pointerdown", () => (tabbed = false), true);
  document.addEventListener("keydown", ({ key }) => (tabbed ||= key === "Tab"), true);
}

const MOVES: Readonly<Record<string, number>> = { ArrowUp: -1, ArrowDown: 1 };

/** For `onKeyDown` of the list; its buttons but the pressed one have `tabIndex` -1. */
export function rove(event: KeyboardEvent): void {
  const by = MOVES[event.key];
  const list = event.currentTarget as HTMLElement;
  if (by === undefined || event.shiftKey || !tabbed) return;
  const buttons = [...list.querySelectorAll<HTMLElement>("button:not([disabled]), input")];
  const at = buttons.indexOf(document.activeElement as HTMLElement);
  const next = buttons[Math.max(0, Math.min(buttons.length - 1, at + by))];
  if (at < 0 || !next) return;
  event.preventDefault();
  next.focus();
}
