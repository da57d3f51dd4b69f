/** What the matrix of heads is filled by. */
import { Field } from "../../controls/field.tsx";
import { spoken } from "../../state/language.ts";
import { choose } from "../../state/run.ts";
import { fillWords } from "../parts/head_words.ts";
import { fillShown, fillsOf, useHeads } from "../parts/heads.ts";
import type { Panel } from "../parts/panel.ts";

export const panel: Panel = { pages: ["heads"], where: "side", order: 3 };

const say = spoken({
  en: { title: "Grid", colour: "colour" },
  zh: { title: "网格", colour: "着色" },
});

export default function HeadsFill() {
  const heads = useHeads();
  const words = say();
  const fill = fillShown(heads);
  if (!heads.whole || !fill) return null;
  return (
    <section>
      <h3>{words.title}</h3>
      <Field
        name={words.colour}
        value={fill.name}
        options={fillsOf(heads).map(({ name }) => [name, fillWords(name, heads.ablation)])}
        onChoose={(chosen) => choose({ fill: chosen })}
      />
    </section>
  );
}
