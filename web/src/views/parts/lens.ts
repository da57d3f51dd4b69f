/** What a file in `views/lenses/` says of itself, as `lens`, and what its drawing is given. */
import type { Answer } from "../../answers/wire.ts";
import type { Example, Site } from "../../types.ts";

export interface Lens {
  /** Its name in the address. Lenses of one name never suit the same site. */
  readonly name: string;
  readonly title: { readonly en: string; readonly zh: string };
  /** How well it suits a site's heads on an example; 0: not at all. The greatest is shown first. */
  readonly suits: (site: Site, example: Example | null) => number;
  /** What is asked for it: the head's map, or those of every example; else it asks for itself. */
  readonly asks?: "example" | "examples";
}

export interface LensProps {
  readonly site: Site;
  /** The answer to what is asked for it, and null where it asks for itself. */
  readonly answer: Answer | null;
}
