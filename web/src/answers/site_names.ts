/** Which sites stand together in a list, and what each is called there. */

/** What a group of sites has in common: the stack they are in, or how they attend. */
export type Heading = "encoder" | "decoder" | "cross" | "pooling" | "feature" | "self";

export interface Named {
  readonly name: string;
  readonly kind: string;
}

export interface Group {
  readonly heading: Heading;
  /** Indices of its sites, in the model's order. */
  readonly members: readonly number[];
}

const ORDER: readonly Heading[] = ["encoder", "decoder", "self", "cross", "pooling", "feature"];

/** Sites in groups: encoder, decoder, cross and the like; one group where all are alike. */
export function groupsOf(sites: readonly Named[]): Group[] {
  const headings = sites.map(headingOf);
  return ORDER.map((heading) => ({
    heading,
    members: headings.flatMap((other, index) => (other === heading ? index : [])),
  })).filter(({ members }) => members.length > 0);
}

function headingOf({ name, kind }: Named): Heading {
  if (kind === "cross" || kind === "pooling" || kind === "feature") return kind;
  // The innermost part of the path that says so: an encoder may lie in an encoder-decoder.
  for (const part of name.split("/").reverse()) {
    const [encodes, decodes] = [/encod/i.test(part), /decod/i.test(part)];
    if (encodes !== decodes) return encodes ? "encoder" : "decoder";
  }
  return "self";
}

/** Letters of a name that a list has room for. */
const LETTERS = 18;

/** Names of sites with what all of them share at both ends left out, and cut where they are alike. */
export function shortNames(names: readonly string[], letters = LETTERS): string[] {
  const split = names.map((name) => name.split("/"));
  const first = split[0] ?? [];
  if (names.length < 2) return split.map((parts) => middle(parts.at(-1) ?? "", letters));
  let start = 0;
  while (split.every((parts) => parts.length > start + 1 && parts[start] === first[start])) start++;
  let end = 0;
  while (
    split.every(
      (parts) => parts.length > start + end + 1 && parts.at(-1 - end) === first.at(-1 - end),
    )
  ) {
    end++;
  }
  return told(
    split.map((parts) => parts.slice(start, parts.length - end).join("/")),
    letters,
  );
}

/** Names no longer than so many letters that still differ. */
function told(names: readonly string[], letters: number): string[] {
  if (names.every((name) => [...name].length <= letters)) return [...names];
  const bare = names.map((name) => [...name]);
  const shared = (at: (letters: readonly string[], index: number) => string | undefined) => {
    let count = 0;
    while (
      bare.every((name) => name.length > count && at(name, count) === at(bare[0] ?? [], count))
    )
      count++;
    return count;
  };
  const start = Math.max(0, shared((name, index) => name[index]) - 2);
  const end = Math.max(0, shared((name, index) => name.at(-1 - index)) - 2);
  const cut = bare.map((name) => {
    const stop = Math.max(start + 1, name.length - end);
    const inner = name.slice(start, stop).join("");
    return `${start > 0 ? "…" : ""}${inner}${stop < name.length ? "…" : ""}`;
  });
  const short = cut.map((name) => middle(name, letters));
  return new Set(short).size === new Set(names).size ? short : cut;
}

/** A text cut in its middle, by letters as people count them. */
export function middle(text: string, letters: number): string {
  const all = [...text];
  if (all.length <= letters) return text;
  const tail = Math.floor((letters - 1) / 2);
  return `${all.slice(0, letters - 1 - tail).join("")}…${all.slice(-tail).join("")}`;
}
