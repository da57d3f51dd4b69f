/** The chosen head in numbers: each measure, its 95 % interval, and what uniform attention gives. */

import { brokenAt, pointOf, seriesTable } from "../../answers/series.ts";
import { count, short } from "../../controls/format.ts";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { spoken, t } from "../../state/language.ts";
import { head, site, step, wordsOf } from "../../state/run.ts";
import type { Panel } from "../parts/panel.ts";
import { useSeries } from "../parts/series.ts";
import style from "./this_head.css?inline";

export { style };

export const panel: Panel = { pages: ["attention"], where: "side", order: 4 };

const say = spoken({
  en: {
    thisHead: "This head",
    intervalWhat: (examples: number) => `95 % bootstrap interval over ${examples} examples`,
    nanRows: (rows: string, all: string, since: string) =>
      `${rows} of ${all} rows NaN since step ${since}; measured over the others`,
    uniformShort: "uniform",
    uniformWhat: "What the measure gives when every allowed key gets the same weight",
    meanOf: (examples: string) =>
      examples === "1" ? "of one example" : `mean of ${examples} examples, 95 % interval`,
  },
  zh: {
    thisHead: "这个头",
    intervalWhat: (examples) => `对 ${examples} 个样本自助抽样的 95% 区间`,
    nanRows: (rows, all, since) =>
      `自第 ${since} 步起，${all} 行中有 ${rows} 行为 NaN；度量只计其余各行`,
    uniformShort: "均匀",
    uniformWhat: "所有允许的键权重相同时的度量值",
    meanOf: (examples) => (examples === "1" ? "仅一个样本" : `${examples} 个样本的均值，95% 区间`),
  },
});

export default function ThisHead() {
  const words = { ...t.value.attention, ...say() };
  const { series, examples, broken } = useSeries();
  if (!site.value) return null;
  const nan = broken && brokenAt(broken, head.value, step.value ?? 0);
  return (
    <section class="this-head">
      <h3>
        {words.thisHead}
        <PanelMenu
          name={words.thisHead}
          table={() => seriesTable(series)}
          python={`run.measures(step=${step.value}).sel(site=${JSON.stringify(site.value.name)}, head=${head.value})`}
        />
      </h3>
      <dl>
        {series.map((measure) => {
          const point = pointOf(measure, head.value, step.value ?? 0);
          return (
            <div key={measure.name} data-measure={measure.name} data-value={point.value}>
              <dt title={wordsOf(measure.name).answers}>{wordsOf(measure.name).title}</dt>
              <dd>
                {short(point.value)} <span class="sub">{words.unit(measure.units)}</span>
              </dd>
              <dd class="sub">
                {Number.isFinite(point.low) && (
                  <span title={words.intervalWhat(examples)}>
                    {short(point.low)} – {short(point.high)}
                  </span>
                )}
                <span title={words.uniformWhat}>
                  {words.uniformShort} {short(point.uniform)}
                </span>
              </dd>
            </div>
          );
        })}
      </dl>
      <p class="sub">{words.meanOf(count(examples))}</p>
      {broken && nan?.since != null && (
        <p class="broken" data-nan-rows={nan.count}>
          {words.nanRows(count(nan.count), count(broken.rows), count(nan.since))}
        </p>
      )}
    </section>
  );
}
