/** What the distribution column and the pictures show: of which tensors, on which axis, beside what. */

import { STRETCHES, type Stretch } from "../../cells/axis.ts";
import { Field } from "../../controls/field.tsx";
import { spoken } from "../../state/language.ts";
import { choose } from "../../state/run.ts";
import type { Axis, Beside, Extent, Shown } from "../../state/selection.ts";
import { selection } from "../../state/selection.ts";
import type { Panel } from "../parts/panel.ts";
import { usualShown } from "../parts/tensor_rows.ts";
import { kindShown, members, useRecorded } from "../parts/tensors.ts";
import style from "./tensor_kinds.css?inline";

export { style };

export const panel: Panel = { pages: ["parameters"], where: "side", order: 2 };

const say = spoken({
  en: {
    of: "Distribution of",
    kinds: {
      parameter: "weights",
      gradient: "gradients",
      update: "updates",
      activation: "activations",
    } as Readonly<Record<string, string>>,
    lacking: (argument: string) => `Not recorded; it is with ${argument}`,
    draw: "Draw",
    axis: "axis",
    stretches: { linear: "linear", symlog: "symlog", log: "log" },
    extent: "reach",
    extents: { robust: "0.1 – 99.9 %", whole: "all values" },
    extentWhat: "What lies beyond the axis is marked by an arrow",
    ridges: "ridges",
    axes: { shared: "one axis", own: "each its own" },
    beside: "beside",
    besides: { first: "untrained", nothing: "nothing" },
    tensors: "tensors",
    shown: { matrices: "matrices", all: "all", folded: "by layer" },
  },
  zh: {
    of: "分布对象",
    kinds: { parameter: "权重", gradient: "梯度", update: "更新", activation: "激活" },
    lacking: (argument) => `没有记录；用 ${argument} 记录`,
    draw: "绘制",
    axis: "轴",
    stretches: { linear: "线性", symlog: "对称对数", log: "对数" },
    extent: "范围",
    extents: { robust: "0.1 – 99.9 %", whole: "全部数值" },
    extentWhat: "超出轴的部分以箭头标出",
    ridges: "山脊图",
    axes: { shared: "共用一轴", own: "各自" },
    beside: "对照",
    besides: { first: "未训练", nothing: "无" },
    tensors: "张量",
    shown: { matrices: "矩阵", all: "全部", folded: "按层" },
  },
});

const KINDS = ["parameter", "gradient", "update", "activation"] as const;

export default function TensorKinds() {
  const words = say();
  const recorded = useRecorded();
  const kind = kindShown();
  const { stretch, extent, axis, beside, tensors } = selection.value;
  const known = members(recorded);
  const options = <T extends string>(texts: Readonly<Record<T, string>>) =>
    Object.entries(texts) as [T, string][];
  return (
    <>
      <section>
        <h3>{words.of}</h3>
        <div class="pills">
          {KINDS.map((each) => (
            <button
              key={each}
              type="button"
              class="pill"
              aria-pressed={each === kind}
              disabled={each !== kind && !recorded.kinds.includes(each)}
              title={recorded.kinds.includes(each) ? undefined : words.lacking(`${each}s=True`)}
              onClick={() => choose({ kind: each, curve: null, statistics: [], sort: null })}
            >
              {words.kinds[each]}
            </button>
          ))}
        </div>
      </section>
      <section>
        <h3>{words.draw}</h3>
        <Field
          name={words.axis}
          value={stretch}
          options={STRETCHES.map((each): [Stretch, string] => [each, words.stretches[each]])}
          onChoose={(next) => choose({ stretch: next })}
        />
        <Field
          name={words.extent}
          hint={words.extentWhat}
          value={extent}
          options={options<Extent>(words.extents)}
          onChoose={(next) => choose({ extent: next })}
        />
        <Field
          name={words.beside}
          value={beside}
          options={options<Beside>(words.besides)}
          onChoose={(next) => choose({ beside: next })}
        />
        <Field
          name={words.ridges}
          value={axis}
          options={options<Axis>(words.axes)}
          onChoose={(next) => choose({ axis: next })}
        />
        <Field
          name={words.tensors}
          value={tensors ?? usualShown(known)}
          options={options<Shown>(words.shown)}
          onChoose={(next) => choose({ tensors: next })}
        />
      </section>
    </>
  );
}
