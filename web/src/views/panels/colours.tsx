/** What colours mean: what the heads grid shows, on which scale, and how cells are joined. */
import type { Scale } from "../../cells/scale.ts";
import type { Reduce } from "../../contract.ts";
import { Field } from "../../controls/field.tsx";
import { spoken, t } from "../../state/language.ts";
import { choose, wordsOf } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import type { Panel } from "../parts/panel.ts";
import { useSeries } from "../parts/series.ts";

export const panel: Panel = { pages: ["attention"], where: "side", order: 3 };

const say = spoken({
  en: {
    colours: "Colours",
    colour: "show",
    colourWhat: "What a head's picture shows: its map in small, or one measure",
    map: "map",
    scale: "scale",
    scaleWhat:
      "How weights become colours; one key that takes most hides the rest on a linear scale",
    scales: { linear: "linear", sqrt: "√", log: "log", percentile: "row percentile" },
    range: "range",
    rangeWhat:
      "The weights that colours run between: each layer's own at this step, which 99.9 % of its cells lie in, or the same for all",
    ranges: { own: "each layer's own", full: "0 – 1" },
    reduce: "zoomed out",
    reduceWhat: "What a cell shows that stands for several",
    reduces: { max: "max", mean: "mean" },
  },
  zh: {
    colours: "颜色",
    colour: "显示",
    colourWhat: "每个头的小图显示什么：缩小的注意力图，或一项度量",
    map: "注意力图",
    scale: "标度",
    scaleWhat: "权重如何变成颜色；在线性标度上，一个占去大部分的键会掩盖其余的键",
    scales: { linear: "线性", sqrt: "√", log: "对数", percentile: "行内百分位" },
    range: "范围",
    rangeWhat: "颜色对应的权重范围：每层在当前步自己的范围（包含其 99.9% 的格子），或所有层相同",
    ranges: { own: "各层自己的", full: "0 – 1" },
    reduce: "缩小时",
    reduceWhat: "一个格子代表多个时显示什么",
    reduces: { max: "最大值", mean: "平均值" },
  },
});

const OWN = "own";
const FULL = "0:1";

export default function Colours() {
  const { series } = useSeries();
  const words = { ...t.value.attention, ...say() };
  const { colour, scale, range, reduce } = selection.value;
  const measures = series.map((measure) => [measure.name, wordsOf(measure.name).title] as const);
  return (
    <section>
      <h3>{words.colours}</h3>
      <Field
        name={words.colour}
        hint={words.colourWhat}
        value={colour}
        options={[["map", words.map], ...measures]}
        onChoose={(value) => choose({ colour: value })}
      />
      <Field<Scale>
        name={words.scale}
        hint={words.scaleWhat}
        value={scale}
        options={(["linear", "sqrt", "log", "percentile"] as const).map((scale) => [
          scale,
          words.scales[scale],
        ])}
        onChoose={(value) => choose({ scale: value })}
      />
      <Field
        name={words.range}
        hint={words.rangeWhat}
        value={range ?? OWN}
        options={[
          [OWN, words.ranges.own],
          [FULL, words.ranges.full],
          ...(range === null || range === FULL
            ? []
            : [[range, range.replace(":", " – ")] as const]),
        ]}
        onChoose={(value) => choose({ range: value === OWN ? null : value })}
      />
      <Field<Reduce>
        name={words.reduce}
        hint={words.reduceWhat}
        value={reduce}
        options={(["max", "mean"] as const).map((reduce) => [reduce, words.reduces[reduce]])}
        onChoose={(value) => choose({ reduce: value })}
      />
    </section>
  );
}
