/** What stands over a picture of a tensor: its name where several stand side by side, and a few words. */
import type { ComponentChildren } from "preact";
import { Cut } from "../../controls/cut.tsx";
import { spoken } from "../../state/language.ts";
import { look, type Recorded } from "./tensors.ts";

const say = spoken({
  en: { remove: (name: string) => `Remove ${name}` },
  zh: { remove: (name) => `移除 ${name}` },
});

interface CaptionProps {
  recorded: Recorded;
  /** null: the name stands above all pictures. */
  name: string | null;
  text: string;
  hint?: string;
  /** Of its line in the picture of all. */
  colour?: string | null;
  children?: ComponentChildren;
}

export function TensorCaption({ recorded, name, text, hint, colour, children }: CaptionProps) {
  const words = say();
  return (
    <figcaption>
      {colour && <i class="swatch" style={{ background: colour }} aria-hidden="true" />}
      {name !== null && (
        <b title={name}>
          <Cut text={name} />
        </b>
      )}
      {text && (
        <span class="sub" title={hint}>
          {text}
        </span>
      )}
      {children}
      {name !== null && (
        <button
          type="button"
          class="plain"
          aria-label={words.remove(name)}
          title={words.remove(name)}
          onClick={() => look(recorded, name, true)}
        >
          ×
        </button>
      )}
    </figcaption>
  );
}
