/** A sentence of one's own for the live model; there only where one is served beside the page. */
import { useSignal } from "@preact/signals";
import { spoken } from "../../state/language.ts";
import { model, running, runOn, runProblem, token } from "../../state/model.ts";
import type { Panel } from "../parts/panel.ts";
import style from "./typed.css?inline";

export { style };

export const panel: Panel = { pages: ["attention", "heads"], where: "side", order: 0 };

const say = spoken({
  en: {
    title: "Run the model",
    text: "Type a sentence; Enter runs it",
    ids: "Type ids: 101, 2023, 102",
    run: "run",
    running: "running …",
    example: "or an example",
    noToken:
      "Open the address that limelight show printed: it carries what lets you run the model.",
  },
  zh: {
    title: "运行模型",
    text: "输入一句话，按回车运行",
    ids: "输入编号：101, 2023, 102",
    run: "运行",
    running: "正在运行 …",
    example: "或选一个样本",
    noToken: "请打开 limelight show 打印的地址：其中带有运行模型所需的凭证。",
  },
});

export default function Typed() {
  const words = say();
  const text = useSignal("");
  if (!model) return null;
  if (!token)
    return (
      <section class="typed">
        <h3>{words.title}</h3>
        <p class="sub">{words.noToken}</p>
      </section>
    );
  const go = () => {
    if (text.value.trim() !== "") void runOn({ text: text.value });
  };
  const problem = runProblem.value;
  return (
    <section class="typed" aria-busy={running.value}>
      <h3>{words.title}</h3>
      <textarea
        rows={3}
        aria-label={words[model.asks]}
        placeholder={words[model.asks]}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          runProblem.value = null;
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          go();
        }}
      />
      <p class="deeds">
        {model.examples.length > 0 && (
          <select
            aria-label={words.example}
            value=""
            onChange={(event) => {
              const { value } = event.currentTarget;
              if (value !== "") void runOn({ example: Number(value) });
              event.currentTarget.value = "";
            }}
          >
            <option value="">{words.example}</option>
            {model.examples.map((title, at) => (
              <option key={`${at} ${title}`} value={at}>
                {title}
              </option>
            ))}
          </select>
        )}
        <button type="button" class="pill" disabled={running.value} onClick={go}>
          {running.value ? words.running : words.run}
        </button>
      </p>
      {problem && (
        <p class="trouble" role="alert" data-code={problem.code}>
          {problem.came} <span class="sub">{problem.fix}</span>
        </p>
      )}
    </section>
  );
}
