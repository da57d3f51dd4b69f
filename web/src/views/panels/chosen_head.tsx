/** The chosen head, through the lens that suits it or that was asked for. */

import { mapTable } from "../../answers/head_map.ts";
import { count } from "../../controls/format.ts";
import { Drawn } from "../../controls/late.tsx";
import { Notice, ProblemNotice } from "../../controls/notice.tsx";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { askOnce, useAnswer } from "../../controls/use_answer.ts";
import { language, spoken, t } from "../../state/language.ts";
import { type Absent, absent, choose, example, facts, head, site, step } from "../../state/run.ts";
import type { Query, RunFacts } from "../../types.ts";
import { lensesOf, lensOf, pythonLine } from "../lenses.ts";
import { headQuery, isLong, storedAs } from "../parts/long_head.ts";
import type { Panel } from "../parts/panel.ts";
import style from "./chosen_head.css?inline";

export { style };

export const panel: Panel = { pages: ["attention"], where: "head", order: 1 };

const say = spoken({
  en: {
    lens: "View",
    kinds: {
      self: "self attention",
      cross: "cross attention",
      pooling: "attention pooling",
      feature: "softmax over features",
    } as Readonly<Record<string, string>>,
    notThen: (step: string) => `The model has no such attention at step ${step}`,
    notThenHow: (step: string) => `Parts of a model may come and go. The nearest is of ${step}.`,
    goTo: (step: string) => `Go to ${step} →`,
    reading: "Read as:",
    stage: "Shown:",
    stored: (name: string, error: number) =>
      error === 0 ? name : `${name}, exact to ${error.toPrecision(1)}`,
  },
  zh: {
    lens: "视图",
    kinds: {
      self: "自注意力",
      cross: "交叉注意力",
      pooling: "注意力池化",
      feature: "对特征的 softmax",
    },
    notThen: (step) => `第 ${step} 步时，模型没有这处注意力`,
    notThenHow: (step) => `模型的部分可以增减。最近的在${step}。`,
    goTo: (step) => `转到${step} →`,
    reading: "读法：",
    stage: "所示：",
    stored: (name, error) => (error === 0 ? name : `${name}，精确到 ${error.toPrecision(1)}`),
  },
});

type Stored = RunFacts["precision"];

export default function ChosenHead() {
  if (absent.value) return <NotThen {...absent.value} />;
  return <Head />;
}

/** What is said of a site that the model has not at the step in view, with the way to one that has. */
function NotThen({ name, nearest }: Absent) {
  const words = say();
  const other = t.value.shell.step(count(nearest));
  return (
    <section class="chosen">
      <header>
        <h2>
          <bdi>{name}</bdi>
        </h2>
      </header>
      <Notice
        title={words.notThen(count(step.value ?? 0))}
        action={
          <button
            type="button"
            class="pill"
            onClick={() => choose({ site: name, step: nearest, follow: false })}
          >
            {words.goTo(other)}
          </button>
        }
      >
        {words.notThenHow(other)}
      </Notice>
    </section>
  );
}

function Head() {
  const words = { ...t.value.attention, ...say() };
  const lenses = lensesOf(site.value, example.value);
  const lens = lensOf(lenses);
  lens?.late.want(); // At once: its code and the answer it draws come at the same time.
  const { asks } = lens?.about ?? {};
  const query = headQuery.value;
  const single = useAnswer(asks === "example" ? query : null);
  const every = useAnswer(asks === "examples" && query ? everyExample(query) : null);
  const { answer, problem, slow } = asks === "examples" ? every : single;
  const attrs = answer?.attrs;
  const stored = isLong(site.value) ? storedAs.value : (attrs?.stored as Stored | undefined);
  return (
    <section class="chosen" aria-busy={slow}>
      <header>
        <h2>
          <bdi>{String(attrs?.site ?? site.value?.name ?? "")}</bdi>
          {" · "}
          {words.head(Number(attrs?.head ?? head.value))}
        </h2>
        <p class="sub">{about(stored === undefined ? facts.value?.precision : stored)}</p>
        <Notes />
        {lenses.length > 1 && (
          <fieldset class="lenses" aria-label={words.lens}>
            {lenses.map(({ about: { name, title } }) => (
              <button
                type="button"
                key={name}
                class="pill"
                aria-pressed={name === lens?.about.name}
                onClick={() => choose({ lens: name })}
              >
                {title[language.value]}
              </button>
            ))}
          </fieldset>
        )}
        <PanelMenu
          name={`${site.value?.name ?? ""} ${words.head(head.value)}`}
          table={async () => mapTable(answer ?? (await askOnce(query)))}
          python={pythonLine()}
        />
      </header>
      {problem && <ProblemNotice problem={problem} />}
      {lens && site.value && (!asks || answer) && (
        <Drawn key={lens.path} late={lens.late} props={{ site: site.value, answer }} />
      )}
    </section>
  );
}

function about(stored: Stored | null | undefined): string {
  const words = say();
  const shown = site.value;
  if (!shown) return "";
  const exact = stored && words.stored(stored.name, stored.max_error);
  return [words.kinds[shown.kind] ?? shown.kind, shown.module_class, exact]
    .filter(Boolean)
    .join(" · ");
}

/** What has to be known of a site: how its axes were read, and what is shown of its softmax. */
function Notes() {
  const words = say();
  const { reading, stage } = site.value ?? {};
  return (
    <>
      {stage && (
        <p class="note" data-note="stage">
          <b>{words.stage}</b> <bdi>{stage}</bdi>
        </p>
      )}
      {reading && (
        <p class="note" data-note="reading">
          <b>{words.reading}</b> <bdi>{reading}</bdi>
        </p>
      )}
    </>
  );
}

function everyExample({ example: _, ...query }: Query): Query {
  return query;
}
