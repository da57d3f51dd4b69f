/** The page of the model's parameters, whose tab reads "Weights": how is each distribution changing? */
import { CopyLine } from "../../controls/copy_line.tsx";
import { count } from "../../controls/format.ts";
import { Frame } from "../../controls/frame.tsx";
import { Notice } from "../../controls/notice.tsx";
import type { Page } from "../../controls/pages.ts";
import { spoken } from "../../state/language.ts";
import { choose, runCard } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { Panels } from "../panels.tsx";
import { chosenParameters, recordedParameters } from "../parts/chosen_parameters.ts";
import { python } from "../parts/parameter_rows.ts";
import style from "./parameters.css?inline";

export { style };

export const page: Page = {
  name: "parameters",
  order: 4,
  title: { en: "Weights", zh: "权重" },
  accepts: (run) => run.parameters,
};

const say = spoken({
  en: {
    heading: "Distribution of weights over steps",
    parts: (parameters: string, values: string) => `${parameters} parameters · ${values} values`,
    axis: "axis of weights",
    shared: "shared",
    own: "each its own",
    gone: (names: string) => `Not in this run: ${names}`,
    caution: "A histogram shows which values a layer holds, not where they sit or what they do.",
    none: "This run has no weights recorded",
    noneHow: "The callback records every trainable weight, with or without a probe:",
    noneLine: 'import limelight as ll\n\nmodel.fit(x, y, callbacks=[ll.KerasCallback("logs/run")])',
  },
  zh: {
    heading: "权重分布随训练步的变化",
    parts: (parameters, values) => `${parameters} 个参数 · ${values} 个数值`,
    axis: "权重轴",
    shared: "共用",
    own: "各自",
    gone: (names) => `此运行中没有：${names}`,
    caution: "直方图只说明一层里有哪些数值，不说明它们的位置和作用。",
    none: "这个运行没有记录权重",
    noneHow: "无论有没有探针，回调都会记录所有可训练的权重：",
    noneLine: 'import limelight as ll\n\nmodel.fit(x, y, callbacks=[ll.KerasCallback("logs/run")])',
  },
});

export default function Parameters() {
  return (
    <Frame side={<Panels page={page.name} where="side" />}>
      {runCard.value?.parameters ? <Distributions /> : <Unrecorded />}
    </Frame>
  );
}

function Unrecorded() {
  const words = say();
  return (
    <Notice title={words.none} code={words.noneLine}>
      {words.noneHow}
    </Notice>
  );
}

function Distributions() {
  const words = say();
  const parameters = recordedParameters();
  const chosen = chosenParameters();
  const gone = selection.value.parameters.filter((name) => !chosen.includes(name));
  return (
    <div class="parameters">
      <header>
        <h2>{words.heading}</h2>
        <span class="sub">
          {words.parts(
            count(parameters.length),
            count(parameters.reduce((sum, parameter) => sum + parameter.size, 0)),
          )}
        </span>
        <Axis />
      </header>
      {gone.length > 0 && <p class="sub">{words.gone(gone.join(", "))}</p>}
      <Panels page={page.name} where="main" />
      <footer>
        <span>{words.caution}</span>
        <CopyLine line={python(chosen)} />
      </footer>
    </div>
  );
}

function Axis() {
  const words = say();
  return (
    <fieldset class="switch">
      <legend>{words.axis}</legend>
      {(["shared", "own"] as const).map((axis) => (
        <button
          type="button"
          key={axis}
          class="pill"
          aria-pressed={selection.value.axis === axis}
          onClick={() => choose({ axis })}
        >
          {words[axis]}
        </button>
      ))}
    </fieldset>
  );
}
