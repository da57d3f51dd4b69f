/** Labels cut in their middle, where they are alike least often, to the room that they have. */
import { middle } from "../answers/site_names.ts";

const cuts = new Map<string, string>();
/** Labels whose cuts are remembered. */
const MOST = 20_000;

/** A label no wider than so many units of the page, in the context's font. */
export function fitted(context: CanvasRenderingContext2D, text: string, width: number): string {
  const name = `${width}|${text}`;
  const known = cuts.get(name);
  if (known !== undefined) return known;
  let cut = text;
  for (let letters = [...text].length; letters > 3; ) {
    if (context.measureText(cut).width <= width) break;
    letters = Math.max(3, Math.floor(letters * 0.9));
    cut = middle(text, letters);
  }
  if (cuts.size > MOST) cuts.clear();
  cuts.set(name, cut);
  return cut;
}
