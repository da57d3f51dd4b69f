/** Every example's tokens with one head's weights, from the answer to `what: "map"` for all. */
import { NOT_ALLOWED } from "../cells/scale.ts";
import { withMarks } from "./head_map.ts";
import type { Answer } from "./wire.ts";

export interface Word {
  readonly key: number;
  readonly token: string;
  /** As recorded; NOT_ALLOWED where it may not be attended. */
  readonly weight: number;
}

export interface Sentence {
  readonly example: number;
  readonly words: readonly Word[];
  readonly sum: number;
}

/** For a site with one query; padding is left out. */
export function sentencesOf(answer: Answer): Sentence[] {
  const { attrs, variables } = answer;
  const weights = variables.weights;
  if (!weights) return [];
  const [examples = 0, queries = 0, keys = 0] = weights.shape;
  const marked = withMarks(weights.data, variables.allowed?.data);
  const tokens = (attrs.key_token ?? []) as readonly (readonly string[] | null)[];
  return Array.from({ length: examples }, (_, example) => {
    const words: Word[] = [];
    let sum = 0;
    for (let key = 0; key < keys; key++) {
      const weight = marked[example * queries * keys + key] as number;
      // Padding is left out unless weight leaks into it.
      const valid = variables.key_valid?.data[example * keys + key] ?? 1;
      if (!valid && weight === NOT_ALLOWED) continue;
      if (weight !== NOT_ALLOWED) sum += weight;
      words.push({ key, token: tokens[example]?.[key] || "", weight });
    }
    return { example, words, sum };
  });
}
