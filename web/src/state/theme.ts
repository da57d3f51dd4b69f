/** Light or dark, as TensorBoard is. */
import { effect, signal } from "@preact/signals";
import type { Theme } from "../draw/palette.ts";
import { selection } from "./selection.ts";

const around = signal<Theme>("light");

export const theme = {
  get value(): Theme {
    return selection.value.theme ?? around.value;
  },
};

/** Follow TensorBoard's switch, or the system's where there is no TensorBoard around us. */
export function bindTheme(): void {
  try {
    if (window.parent === window) throw new Error("no page around us");
    const body = window.parent.document.body;
    const look = () => {
      around.value = body.classList.contains("dark-mode") ? "dark" : "light";
    };
    new MutationObserver(look).observe(body, { attributes: true, attributeFilter: ["class"] });
    look();
  } catch {
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const look = () => {
      around.value = dark.matches ? "dark" : "light";
    };
    dark.addEventListener("change", look);
    look();
  }
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
  });
}
