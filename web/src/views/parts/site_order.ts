/** The run's sites in the order that lists and arrow keys have them, and what they are called. */
import { computed } from "@preact/signals";
import { groupsOf, type Heading, shortNames } from "../../answers/site_names.ts";
import { spoken } from "../../state/language.ts";
import { sites } from "../../state/run.ts";
import type { Site } from "../../types.ts";

/** What groups of sites are called. */
export const headings = spoken<Readonly<Record<Heading, string>>>({
  en: {
    encoder: "encoder",
    decoder: "decoder",
    self: "self attention",
    cross: "cross",
    pooling: "pooling",
    feature: "over features",
  },
  zh: {
    encoder: "编码器",
    decoder: "解码器",
    self: "自注意力",
    cross: "交叉",
    pooling: "池化",
    feature: "特征上",
  },
});

export interface Placed {
  readonly site: Site;
  /** Its name among those of its group. */
  readonly short: string;
  /** Of its group, on the group's first site; null on others, and where there is one group. */
  readonly heading: Heading | null;
  readonly group: Heading;
}

/** Sites of some names, or all, in order. */
export function placed(names: ReadonlySet<string> | null = null): readonly Placed[] {
  const shown = sites.value.filter(({ name }) => !names || names.has(name));
  const groups = groupsOf(shown);
  return groups.flatMap(({ heading, members }) => {
    const own = members.flatMap((index) => shown[index] ?? []);
    const short = shortNames(own.map(({ name }) => name));
    return own.map((site, at) => ({
      site,
      short: short[at] ?? site.name,
      heading: at === 0 && groups.length > 1 ? heading : null,
      group: heading,
    }));
  });
}

export const siteOrder = computed(() => placed());
