/** The range of weights that a site's colours stand for at a step, as an answer says it. */
import { FULL, type Range } from "../cells/scale.ts";

/** `attrs`: of an answer about a map, or of a site's small pictures. */
export function rangeOf(attrs: Readonly<Record<string, unknown>>): Range {
  const [low, high] = (attrs.range as readonly number[] | undefined) ?? [];
  return low !== undefined && high !== undefined && low < high ? { low, high } : FULL;
}
