/** What each run is called in a list that has no room for its whole name: what tells it apart. */

/** Letters of a name that a list shows, beginning and end, when it cuts the middle. */
const BEGINNING = 6;
const END = 12;
/** Letters of the word that all of a family begin with. */
const FAMILY = 8;

/**
 * A name for each run, by its name: the whole one, unless cut in its middle it would look like
 * another's. Those leave out the words that all of their family have: names of as many parts that
 * begin with the same word, such as the runs of a sweep.
 */
export function runNames(names: readonly string[]): ReadonlyMap<string, string> {
  const result = new Map(names.map((name) => [name, name]));
  const looks = new Map<string, number>();
  for (const name of names) looks.set(look(name), (looks.get(look(name)) ?? 0) + 1);
  const families = new Map<string, string[]>();
  for (const name of names) {
    const family = `${wordsOf(name)[0]} ${name.split("/").length}`;
    families.set(family, [...(families.get(family) ?? []), name]);
  }
  for (const family of families.values()) {
    if (!family.some((name) => (looks.get(look(name)) ?? 0) > 1)) continue;
    const short = apart(family);
    if (new Set(short).size < family.length) continue;
    for (const [index, name] of family.entries()) result.set(name, short[index] ?? name);
  }
  return result;
}

/** A name as it is seen when its middle is cut. */
function look(name: string): string {
  const letters = [...name];
  if (letters.length <= BEGINNING + END) return name;
  return `${letters.slice(0, BEGINNING).join("")}…${letters.slice(-END).join("")}`;
}

/** Words with what sets them apart; a number's own sign or point is part of it. */
function wordsOf(text: string): string[] {
  return text.match(/(?:\d[eE]-(?=\d)|[^/_=,\s-])+|[/_=,\s-]/g) ?? [];
}

/** Names of as many parts, without the words that all of them share. */
function apart(names: readonly string[]): string[] {
  const first = wordsOf(names[0] ?? "")[0] ?? "";
  const family = [...first].length > FAMILY ? `${[...first].slice(0, FAMILY).join("")}…` : first;
  const split = names.map((name) => name.slice(first.length).split("/"));
  const parts = (split[0] ?? []).map((_, at) => different(split.map((each) => each[at] ?? "")));
  return names.map((_, index) =>
    `${family}${parts.map((part) => part[index]).join("/")}`.replace(/…(?:\/?…)+/g, "…"),
  );
}

/** One part of each name with the words that all share left out. */
function different(parts: readonly string[]): string[] {
  const words = parts.map(wordsOf);
  const counts = words.map(({ length }) => length);
  const fewest = Math.min(...counts);
  const shared = (at: number) => words.every((each) => each.at(at) === words[0]?.at(at));
  if (fewest === Math.max(...counts)) {
    const same = words[0]?.map((_, at) => shared(at)) ?? [];
    return words.map((each) => joined(each, same));
  }
  let start = 0;
  while (start < fewest && shared(start)) start++;
  let end = 0;
  while (start + end < fewest && shared(-1 - end)) end++;
  return words.map((each) =>
    joined(
      each,
      each.map((_, at) => at < start || at >= each.length - end),
    ),
  );
}

/** Words with those that are shared as one sign; what only sets apart stays between two that do not. */
function joined(words: readonly string[], same: readonly boolean[]): string {
  let text = "";
  for (const [at, word] of words.entries()) {
    const between = /^[_=,\s-]$/.test(word) && at > 0 && !same[at - 1] && same[at + 1] === false;
    if (!same[at] || between) text += word;
    else if (!text.endsWith("…")) text += "…";
  }
  return text;
}
