/** The lenses there are: every file in lenses/, each loaded when it is first shown. */
import { type Drawing, type Part, partsIn } from "../controls/late.tsx";
import { example, head, site, step } from "../state/run.ts";
import { selection } from "../state/selection.ts";
import type { Example, Site } from "../types.ts";
import type { Lens, LensProps } from "./parts/lens.ts";

export const lenses = partsIn<Lens, LensProps>(
  import.meta.glob<Lens>("./lenses/*.tsx", { query: "?about", import: "lens", eager: true }),
  import.meta.glob<Drawing<LensProps>>("./lenses/*.tsx"),
);

/** The lenses that suit a site, the one that suits best first. */
export function lensesOf(shown: Site | null, on: Example | null): Part<Lens, LensProps>[] {
  if (!shown) return [];
  const fitting = lenses.map((lens) => ({ lens, fit: lens.about.suits(shown, on) }));
  return fitting
    .filter(({ fit }) => fit > 0)
    .sort((a, b) => b.fit - a.fit)
    .map(({ lens }) => lens);
}

/** The lens asked for, if it suits, else the one that suits best. */
export function lensOf(fitting: readonly Part<Lens, LensProps>[]) {
  return fitting.find(({ about }) => about.name === selection.value.lens) ?? fitting[0] ?? null;
}

/** The Python that gives the array in view. */
export function pythonLine(): string {
  const shown = site.value;
  if (!shown) return "";
  const lens = lensOf(lensesOf(shown, example.value));
  const which = lens?.about.asks === "examples" ? ":" : String(example.value?.index ?? 0);
  return `run.weights(${JSON.stringify(shown.name)}, step=${step.value})[${which}, ${head.value}]`;
}
