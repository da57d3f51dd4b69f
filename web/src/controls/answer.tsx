/** The sentence a page opens with: made from a template of messages, with what matters in bold. */
import type { ComponentChildren } from "preact";

/** A part of a sentence that stands out. */
export interface Strong {
  readonly strong: string;
}

/** A sentence of a message table, in its parts. */
export type Said = readonly (string | Strong)[];

export const strong = (text: string): Strong => ({ strong: text });

/** At most two lines; a longer one is whole in its title. */
export function AnswerLine({ said, children }: { said: Said; children?: ComponentChildren }) {
  const text = said.map((part) => (typeof part === "string" ? part : part.strong)).join("");
  return (
    <p class="answer" title={text}>
      {said.map((part, at) =>
        typeof part === "string" ? part : <b key={`${at} ${part.strong}`}>{part.strong}</b>,
      )}
      {children}
    </p>
  );
}
