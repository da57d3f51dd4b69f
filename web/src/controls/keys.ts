/** Keys pressed anywhere on the page, unless they are meant for a control that has the focus. */

type Deed = (event: KeyboardEvent) => void;
const deeds = new Map<string, Deed[]>();
let bound = false;

/**
 * Do `deed` whenever `key` is pressed ("Shift+" before an arrow); returns how to stop. The newest
 * deed of a key wins.
 */
export function onKey(key: string, deed: Deed): () => void {
  if (!bound) document.addEventListener("keydown", dispatch);
  bound = true;
  deeds.set(key, [...(deeds.get(key) ?? []), deed]);
  return () => {
    deeds.set(
      key,
      (deeds.get(key) ?? []).filter((other) => other !== deed),
    );
  };
}

function dispatch(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.target as HTMLElement | null;
  const control = target?.closest("input, select, textarea, dialog");
  const closes = event.key === "Escape" || (event.key === "?" && control?.tagName === "DIALOG");
  if (control && !closes) return;
  if (event.key === " " && target?.closest("button")) return; // it presses the button
  const name = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
  const deed = deeds.get(name)?.at(-1);
  if (!deed) return;
  event.preventDefault();
  deed(event);
}
