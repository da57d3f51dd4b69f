/** The chosen head, through the lens that suits it or that was asked for. */
import { useMemo } from "preact/hooks";
import { type HeadMap, headMap } from "../answers/head_map.ts";
import { ProblemNotice } from "../controls/notice.tsx";
import { useAnswer } from "../controls/use_answer.ts";
import { t } from "../language.ts";
import { choose, example, head, runName, site, step } from "../run.ts";
import { type Lens, selection } from "../state.ts";
import type { Example, Query, Site } from "../types.ts";
import { HeadImageLens } from "./head_image.tsx";
import { HeadMapLens } from "./head_map.tsx";
import { HeadTokensLens } from "./head_tokens.tsx";

export function ChosenHead() {
  const words = t.value.attention;
  const lenses = lensesOf(site.value, example.value);
  const lens = lensOf(lenses);
  const question = mapQuery();
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
        <p class="sub">{about(map)}</p>
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
      {lens === "tokens" && all.answer && <HeadTokensLens answer={all.answer} />}
      {lens === "image" && map && <HeadImageLens map={map} />}
      {lens === "map" && map && <HeadMapLens map={map} />}
    </section>
  );
}

function about(map: HeadMap | null): string {
  const words = t.value.attention;
  const one = site.value;
  if (!one) return "";
  const exact = map && words.stored(map.stored.name, map.stored.max_error);
  return [words.kinds[one.kind], one.module_class, exact].filter(Boolean).join(" · ");
}

/** The lenses that make sense, the one that suits best first. */
export function lensesOf(one: Site | null, shown: Example | null): Lens[] {
  const lenses: Lens[] = ["map"];
  if (!one) return lenses;
  const [rows, columns] = one.key_layout ?? [0, 0];
  if (one.queries === 1 && shown?.tokens) lenses.unshift("tokens");
  if (rows * columns === one.keys) lenses.unshift("image");
  return lenses;
}

export function lensOf(lenses: readonly Lens[]): Lens {
  const asked = selection.value.lens;
  return asked && lenses.includes(asked) ? asked : (lenses[0] ?? "map");
}

function mapQuery(): Query | null {
  if (runName.value === null || step.value === null || !site.value) return null;
  return {
    what: "map",
    run: runName.value,
    step: step.value,
    site: site.value.name,
    head: head.value,
    example: example.value?.index ?? 0,
  };
}

function everyExample({ example: _, ...query }: Query): Query {
  return query;
}

/** The Python that gives the array in view. */
export function pythonLine(): string {
  const one = site.value;
  if (!one) return "";
  const lens = lensOf(lensesOf(one, example.value));
  const which = lens === "tokens" ? ":" : String(example.value?.index ?? 0);
  return `run.weights(${JSON.stringify(one.name)}, step=${step.value})[${which}, ${head.value}]`;
}
