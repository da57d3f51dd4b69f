/** The probe's examples; one is in view. */

import { useInSight } from "../../controls/in_sight.ts";
import { rove } from "../../controls/roving.ts";
import { spoken } from "../../state/language.ts";
import { choose, example, facts } from "../../state/run.ts";
import type { Panel } from "../parts/panel.ts";

export const panel: Panel = { pages: ["attention"], where: "side", order: 2 };

const say = spoken({
  en: {
    examples: "Examples",
  },
  zh: {
    examples: "样本",
  },
});

export default function Examples() {
  const words = say();
  const list = useInSight<HTMLUListElement>(example.value?.index ?? null);
  const examples = facts.value?.examples ?? [];
  return (
    <section class="grow">
      <h3 id="examples">{words.examples}</h3>
      <ul ref={list} class="list" aria-labelledby="examples" onKeyDown={rove}>
        {examples.map((each) => (
          <li key={each.index}>
            <button
              type="button"
              class="row"
              tabIndex={each.index === example.value?.index ? 0 : -1}
              aria-pressed={each.index === example.value?.index}
              title={each.title}
              onClick={() => choose({ example: each.index, query: null, key: null })}
            >
              <span class="number">{each.index}</span>
              <bdi>{each.title}</bdi>
              {each.label !== null && <span class="label">{each.label}</span>}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
