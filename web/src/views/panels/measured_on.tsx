/** What the study in view was measured on, and how; which one that is, where there are several. */
import { Field } from "../../controls/field.tsx";
import { short } from "../../controls/format.ts";
import { spoken } from "../../state/language.ts";
import { choose } from "../../state/run.ts";
import type { StudyFact } from "../../types.ts";
import { nOf, unitOf } from "../parts/head_words.ts";
import { ablationsOf, type Heads, useHeads } from "../parts/heads.ts";
import type { Panel } from "../parts/panel.ts";
import style from "./measured_on.css?inline";

export { style };

export const panel: Panel = { pages: ["heads"], where: "side", order: 2 };

const say = spoken({
  en: {
    title: "Measured on",
    study: "study",
    whole: (metric: string, value: string) => `${metric} of the whole model: ${value}`,
    state: {
      running: "It is running; intervals narrow as it goes on.",
      stopped: "It stopped. Called again with the same run, it goes on from there.",
      finished: "",
    },
    when: (settings: string, when: string) => `${settings}, ${when}`,
  },
  zh: {
    title: "测量于",
    study: "研究",
    whole: (metric, value) => `完整模型的 ${metric}：${value}`,
    state: {
      running: "正在进行；区间会逐渐变窄。",
      stopped: "已停止。用同一个运行再次调用，会从中断处继续。",
      finished: "",
    },
    when: (settings, when) => `${settings}，${when}`,
  },
});

export default function MeasuredOn() {
  const heads = useHeads();
  const words = say();
  const { ablation, asked } = heads;
  if (!asked) return null;
  const unit = unitOf(ablation);
  return (
    <section class="measured-on" data-state={asked.state}>
      <h3>
        {words.title}
        <span class="of">{ablation ? nOf(ablation) : ""}</span>
      </h3>
      <Which heads={heads} asked={asked} />
      {ablation && (
        <p class="sub">
          {words.whole(ablation.metric, `${short(ablation.baseline)} ${unit}`.trim())}
        </p>
      )}
      <p class="sub">{words.state[asked.state]}</p>
    </section>
  );
}

function Which({ heads, asked }: { heads: Heads; asked: StudyFact }) {
  const words = say();
  const all = ablationsOf(heads.list);
  if (all.length < 2) return null;
  const titled = all.map((fact) => {
    const { metric = "", replace = "" } = fact.settings;
    const when = new Date(1000 * fact.created).toLocaleString();
    return [fact.key, words.when([metric, replace].filter(Boolean).join(" · "), when)] as const;
  });
  return (
    <Field
      name={words.study}
      value={asked.key}
      options={titled}
      onChoose={(study) => choose({ study })}
    />
  );
}
