/** Which runs a list shows, in which order, and their colours. */
import type { Theme } from "../draw/palette.ts";
import type { RunCard } from "../types.ts";

/** TensorBoard's own colours of runs, by rank: a run has one colour in all its tabs. */
const COLOURS = ["#425066", "#12b5cb", "#e52592", "#f9ab00", "#9334e6", "#7cb342", "#e8710a"];
/** The one of them that TensorBoard lightens on dark. */
const ON_DARK: Readonly<Record<string, string>> = { "#425066": "#8e98a3" };

export function colourOf(run: RunCard, theme: Theme): string {
  const colour = COLOURS[run.order % COLOURS.length] as string;
  return theme === "dark" ? (ON_DARK[colour] ?? colour) : colour;
}

/** Runs by name, which no new step changes; those that hold every word, and the one in view. */
export function filtered(
  runs: readonly RunCard[],
  wanted: string,
  chosen: string | null,
): readonly RunCard[] {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (name: string) => words.every((word) => name.toLowerCase().includes(word));
  return runs
    .filter(({ name }) => name === chosen || fits(name))
    .sort(
      (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }) || (a.name < b.name ? -1 : 1),
    );
}
