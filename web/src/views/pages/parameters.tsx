/** The page of the model's tensors, whose tab reads "Weights": how is each layer changing, and is something wrong? */
import { useEffect } from "preact/hooks";
import { CopyLine } from "../../controls/copy_line.tsx";
import { Frame } from "../../controls/frame.tsx";
import { Limits } from "../../controls/limits.tsx";
import { EmptyPage } from "../../controls/missing.tsx";
import { Notice } from "../../controls/notice.tsx";
import type { Page } from "../../controls/pages.ts";
import { ticks } from "../../controls/runs.tsx";
import { spoken } from "../../state/language.ts";
import { choose, runCard } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { Panels } from "../panels.tsx";
import { python } from "../parts/tensor_rows.ts";
import { chosenTensors, kindShown, members, useRecorded } from "../parts/tensors.ts";
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
    gone: (names: string) => `Not in this run: ${names}`,
    caution: "A histogram shows which values a layer holds, not where they sit or what they do.",
    none: "This run has no weights recorded",
    noneHow: "The callback records every trainable weight, with or without a probe:",
    noneLine: 'import limelight as ll\n\nmodel.fit(x, y, callbacks=[ll.KerasCallback("logs/run")])',
    kind: (kind: string) => `This run has no ${kind}s recorded`,
    kindHow: "They are recorded beside weights by",
    weights: "See its weights",
    facts: (shape: string, values: string) => `[${shape}], ${values} values`,
  },
  zh: {
    gone: (names) => `此运行中没有：${names}`,
    caution: "直方图只说明一层里有哪些数值，不说明它们的位置和作用。",
    none: "这个运行没有记录权重",
    noneHow: "无论有没有探针，回调都会记录所有可训练的权重：",
    noneLine: 'import limelight as ll\n\nmodel.fit(x, y, callbacks=[ll.KerasCallback("logs/run")])',
    kind: (kind) => `这个运行没有记录${KINDS[kind] ?? ` ${kind}`}`,
    kindHow: "与权重一同记录的方法：",
    weights: "查看它的权重",
    facts: (shape, values) => `[${shape}]，${values} 个数值`,
  },
});

/** Kinds of tensors in Chinese. */
const KINDS: Readonly<Record<string, string>> = {
  gradient: "梯度",
  update: "更新",
  activation: "激活",
};

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
    <EmptyPage page={page} title={words.none} code={words.noneLine}>
      {words.noneHow}
    </EmptyPage>
  );
}

/** What another run may have, and a link may ask for, but this one has not. */
function Lacking({ kind }: { kind: string }) {
  const words = say();
  return (
    <Notice
      title={words.kind(kind)}
      code={`callbacks=[ll.KerasCallback("logs/run", ${kind}s=True)]\nll.Recorder("logs/run", model, ${kind}s=True)`}
    >
      {words.kindHow}{" "}
      <button type="button" class="pill" onClick={() => choose({ kind: "parameter", curve: null })}>
        {words.weights}
      </button>
    </Notice>
  );
}

function Distributions() {
  const words = say();
  useEffect(() => {
    ticks.value = true;
    return () => {
      ticks.value = false;
    };
  }, []);
  const recorded = useRecorded();
  const chosen = chosenTensors(recorded);
  const known = new Set(members(recorded).map(({ name }) => name));
  const gone = recorded.shown ? selection.value.parameters.filter((name) => !known.has(name)) : [];
  return (
    <div class="parameters">
      <Panels page={page.name} where="answer" />
      {gone.length > 0 && <p class="sub">{words.gone(gone.join(", "))}</p>}
      <div class="with-rail">
        {recorded.kinds.includes(kindShown()) ? (
          <div class="pictures">
            <Panels page={page.name} where="table" />
            {chosen.length === 1 && <Heading name={chosen[0] as string} />}
            <div class="panels">
              <Panels page={page.name} where="below" />
            </div>
          </div>
        ) : (
          <Lacking kind={kindShown()} />
        )}
        <Panels page={page.name} where="alerts" />
      </div>
      <footer>
        <span>
          {words.caution} <Limits />
        </span>
        <CopyLine line={python(kindShown(), chosen)} />
      </footer>
    </div>
  );
}

/** Which tensor the pictures below are of. */
function Heading({ name }: { name: string }) {
  const fact = members(useRecorded()).find((each) => each.name === name);
  return (
    <h2 class="which-tensor">
      <bdi>{name}</bdi>{" "}
      {fact && (
        <span class="sub">
          {say().facts(fact.shape.replaceAll("×", ", "), fact.size.toLocaleString("en-US"))}
        </span>
      )}
    </h2>
  );
}
