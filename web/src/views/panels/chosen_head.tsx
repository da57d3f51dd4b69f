/** The chosen head, through the lens that suits it or that was asked for. */
import { useMemo } from "preact/hooks";
import { headMap } from "../../answers/head_map.ts";
import { ProblemNotice } from "../../controls/notice.tsx";
import { useAnswer } from "../../controls/use_answer.ts";
import { t } from "../../state/language.ts";
import { choose, example, facts, head, site, step } from "../../state/run.ts";
import { type Lens, selection } from "../../state/selection.ts";
import type { Example, Query, RunFacts, Site } from "../../types.ts";
import { HeadImageLens } from "../lenses/image.tsx";
import { Links } from "../lenses/links.tsx";
import { LongImage } from "../lenses/long_image.tsx";
import { LongMap } from "../lenses/long_map.tsx";
import { LongTokens } from "../lenses/long_tokens.tsx";
import { HeadMapLens } from "../lenses/map.tsx";
import { HeadTokensLens } from "../lenses/tokens.tsx";
import { headQuery, isLong, storedAs } from "../parts/long_head.ts";

export function ChosenHead() {
  const words = t.value.attention;
  const lenses = lensesOf(site.value, example.value);
  const lens = lensOf(lenses);
  const long = isLong(site.value);
  // These lenses ask for themselves, for no more than they show.
  const question = long || lens === "links" ? null : headQuery.value;
  const one = useAnswer(lens === "tokens" ? null : question);
  const all = useAnswer(lens === "tokens" && question ? everyExample(question) : null);
  const { answer, problem, slow } = lens === "tokens" ? all : one;
  const map = useMemo(() => (one.answer ? headMap(one.answer) : null), [one.answer]);
  const attrs = answer?.attrs;
  return (
    <section class="chosen" aria-busy={slow}>
      <header>
        <h2>
          <bdi>{String(attrs?.site ?? site.value?.name ?? "")}</bdi>
          {" · "}
          {words.head(Number(attrs?.head ?? head.value))}
        </h2>
        <p class="sub">{about(long ? storedAs.value : (map?.stored ?? facts.value?.precision))}</p>
        {lenses.length > 1 && (
          <fieldset class="lenses" aria-label={words.lens}>
            {lenses.map((name) => (
              <button
                type="button"
                key={name}
                class="pill"
                aria-pressed={name === lens}
                onClick={() => choose({ lens: name })}
              >
                {words.lenses[name]}
              </button>
            ))}
          </fieldset>
        )}
      </header>
      {problem && <ProblemNotice problem={problem} />}
      {lens === "links" && site.value && <Links site={site.value} />}
      {long && site.value && <LongLens lens={lens} site={site.value} />}
      {lens === "tokens" && all.answer && <HeadTokensLens answer={all.answer} />}
      {lens === "image" && map && <HeadImageLens map={map} />}
      {lens === "map" && map && <HeadMapLens map={map} />}
    </section>
  );
}

function LongLens({ lens, site: one }: { lens: Lens; site: Site }) {
  if (lens === "tokens") return <LongTokens site={one} />;
  if (lens === "image") return <LongImage site={one} />;
  if (lens === "links") return null;
  return <LongMap key={`${one.queries} ${one.keys}`} site={one} />;
}

function about(stored: RunFacts["precision"] | null | undefined): string {
  const words = t.value.attention;
  const one = site.value;
  if (!one) return "";
  const exact = stored && words.stored(stored.name, stored.max_error);
  return [words.kinds[one.kind], one.module_class, exact].filter(Boolean).join(" · ");
}

/** The lenses that make sense, the one that suits best first. */
export function lensesOf(one: Site | null, shown: Example | null): Lens[] {
  const lenses: Lens[] = ["map"];
  if (!one) return lenses;
  const [rows, columns] = one.key_layout ?? [0, 0];
  if (one.queries === 1 && shown?.tokens) lenses.unshift("tokens");
  else if (isLong(one) && shown?.tokens) lenses.push("tokens");
  if (rows * columns === one.keys) lenses.unshift("image");
  if (one.queries > 1) lenses.push("links");
  return lenses;
}

export function lensOf(lenses: readonly Lens[]): Lens {
  const asked = selection.value.lens;
  return asked && lenses.includes(asked) ? asked : (lenses[0] ?? "map");
}

function everyExample({ example: _, ...query }: Query): Query {
  return query;
}

/** The Python that gives the array in view. */
export function pythonLine(): string {
  const one = site.value;
  if (!one) return "";
  const lens = lensOf(lensesOf(one, example.value));
  const which = lens === "tokens" && !isLong(one) ? ":" : String(example.value?.index ?? 0);
  return `run.weights(${JSON.stringify(one.name)}, step=${step.value})[${which}, ${head.value}]`;
}
