/** Loss on training and on validation data over steps, of this run and those ticked, and the gap. */

import { groupOf, margin } from "../../answers/groups.ts";
import { lineOf, linesTable, type Tensors, tensorsOf } from "../../answers/tensors.ts";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { useAnswer } from "../../controls/use_answer.ts";
import { axisOver } from "../../draw/trend.ts";
import { spoken } from "../../state/language.ts";
import { choose, runName } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { Chart } from "../parts/chart.tsx";
import type { ChartArea, ChartLine } from "../parts/chart_marks.tsx";
import { compact } from "../parts/columns.ts";
import { lossNames, MEASURED_AT } from "../parts/loss_names.ts";
import type { Panel } from "../parts/panel.ts";
import { coloured, useBeside } from "../parts/runs_beside.ts";
import { useRecorded } from "../parts/tensors.ts";
import style from "./losses.css?inline";

export { style };

export const panel: Panel = { pages: ["parameters"], where: "side", order: 3 };

const say = spoken({
  en: {
    loss: "Loss",
    of: "Loss on training and validation data over steps",
    none: "Not recorded. Callbacks record what their loops log; in a loop of your own:",
    train: "training",
    validation: "validation",
    gap: (gap: string) => `gap ${gap}`,
    one: "one run, no interval",
    interval: (half: string, n: number) => `± ${half} (95 %, n = ${n} runs)`,
    group: "one line for runs alike but for",
    pattern: "seed-*",
    hint: "What tells runs of one group apart; * matches anything up to the next /. Groups of ticked runs become one line: their mean, its 95 % interval, n",
    log: "log",
  },
  zh: {
    loss: "损失",
    of: "训练和验证数据上的损失随步变化",
    none: "没有记录。回调会记录训练循环所报告的数值；在自己的循环中：",
    train: "训练",
    validation: "验证",
    gap: (gap) => `差距 ${gap}`,
    one: "只有一次运行，没有区间",
    interval: (half, n) => `± ${half}（95 %，n = ${n} 次运行）`,
    group: "合并只差这一点的运行",
    pattern: "seed-*",
    hint: "同组运行之间的不同之处；* 匹配到下一个 / 为止。勾选的同组运行合为一条线：均值、95 % 区间和 n",
    log: "对数",
  },
});

const HEIGHT = 74;
const LINE = 'recorder.record(step, metrics={"loss": loss, "val_loss": …})';

export default function Losses() {
  const run = runName.value ?? ".";
  const recorded = useRecorded();
  const there = recorded.kinds.includes("training");
  const { answer } = useAnswer(
    there ? { what: "tensors", run, kind: "training", steps: 200 } : null,
  );
  const beside = useBeside("training", []);
  const bad = recorded.alerts.alerts.map(({ since }) => since);
  const ticked = selection.value.overlay.length > 0;
  const own = answer ? tensorsOf(answer) : null;
  const others = beside.map(([name, each]) => [name, tensorsOf(each)] as const);
  const names = own ? lossNames(Object.keys(own.numbers)) : {};
  const drawn = own && (names.train ?? names.validation) !== undefined;
  if (!recorded.shown || (there && !own)) return null;
  return (
    <section class="losses">
      {drawn ? <Drawn own={own} run={run} others={others} bad={bad} /> : <Unrecorded />}
      {ticked && <Group />}
    </section>
  );
}

function Unrecorded() {
  const words = say();
  return (
    <>
      <h3>{words.loss}</h3>
      <p class="sub">
        {words.none} <code>{LINE}</code>
      </p>
    </>
  );
}

interface DrawnProps {
  own: Tensors;
  run: string;
  others: readonly (readonly [string, Tensors])[];
  bad: readonly number[];
}

function Drawn({ own, run, others, bad }: DrawnProps) {
  const words = say();
  const all = [[run, own] as const, ...others];
  const lines: ChartLine[] = [];
  const areas: ChartArea[] = [];
  for (const which of ["train", "validation"] as const) {
    const found = all.flatMap(([name, tensors]) => {
      const number = lossNames(Object.keys(tensors.numbers))[which];
      if (number === undefined) return [];
      return { run: name, ...measured(tensors, number) };
    });
    for (const line of coloured(found)) {
      const { steps, values, low, high } = line;
      const colour =
        others.length > 0 ? line.colour : which === "train" ? "var(--faint)" : "var(--text)";
      const called = others.length > 0 ? `${words[which]}, ${line.name}` : words[which];
      const wide = which === "train" ? 1 : line.main ? 1.8 : 1.3;
      lines.push({ name: called, steps, values, colour, wide });
      if (low && high) areas.push({ steps, low, high, colour, opacity: 0.14 });
    }
  }
  const values = lines.map((line) => line.values);
  const log = values.every((list) => Array.from(list).every((value) => !(value <= 0)));
  const domain = axisOver(values, false);
  const positive = log && domain && domain.low > -domain.high ? logOver(values) : null;
  const which = lossNames(Object.keys(own.numbers));
  const newest = measured(own, which.validation ?? which.train ?? "").values.at(-1);
  if (!domain) return null;
  return (
    <>
      <h3>
        {words.loss}
        <span class="of">{newest === undefined ? "" : compact(newest)}</span>
        <PanelMenu
          name={words.loss}
          table={() => linesTable(lines)}
          python={'run.tensors("training")'}
        />
      </h3>
      <Chart
        label={words.of}
        height={HEIGHT}
        steps={own.steps}
        domain={positive ?? domain}
        lines={lines}
        areas={areas}
        bad={[...new Set(bad)]}
        plain
      />
      <p class="sub">
        {positive && `${words.log}; `}
        <i class="stroke faint" aria-hidden="true" /> {words.train}{" "}
        <i class="stroke" aria-hidden="true" /> {words.validation}
      </p>
      <Gap all={all} run={run} />
    </>
  );
}

/** A loss at the steps at which it was measured, which may lie before those of the records. */
function measured(tensors: Tensors, number: string) {
  const values = lineOf(tensors, number, 0);
  const at = lineOf(tensors, number + MEASURED_AT, 0);
  const kept = tensors.steps.flatMap((step, row) =>
    Number.isNaN(values[row]) ? [] : [[at[row] || step, values[row] as number] as const],
  );
  return { steps: kept.map(([step]) => step), values: kept.map(([, value]) => value) };
}

function logOver(lists: readonly ArrayLike<number>[]) {
  const values = lists.flatMap((list) => Array.from(list)).filter((value) => value > 0);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low < high ? { low: low / 1.1, high: high * 1.1, stretch: "log" as const } : null;
}

/** Validation less training loss, the newest of each; over runs of one group with its interval. */
function Gap({ all, run }: { all: readonly (readonly [string, Tensors])[]; run: string }) {
  const words = say();
  const { group } = selection.value;
  const mine = groupOf(run, group);
  const gaps = all
    .filter(([name]) => groupOf(name, group) === mine)
    .flatMap(([, tensors]) => gapOf(tensors) ?? []);
  if (gaps.length === 0) return null;
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const half = margin(gaps);
  return (
    <p class="sub" data-gap={mean} data-n={gaps.length}>
      {words.gap(compact(mean))}{" "}
      {gaps.length > 1 ? words.interval(compact(half), gaps.length) : `· ${words.one}`}
    </p>
  );
}

function gapOf(tensors: Tensors): number | null {
  const { train, validation } = lossNames(Object.keys(tensors.numbers));
  if (train === undefined || validation === undefined) return null;
  const newest = (number: string) =>
    lineOf(tensors, number, 0).findLast((value) => Number.isFinite(value)) ?? Number.NaN;
  const gap = newest(validation) - newest(train);
  return Number.isNaN(gap) ? null : gap;
}

function Group() {
  const words = say();
  return (
    <label class="group" title={words.hint}>
      <span class="sub">{words.group}</span>
      <input
        type="search"
        class="filter"
        placeholder={words.pattern}
        value={selection.value.group}
        onInput={(event) => choose({ group: event.currentTarget.value })}
      />
    </label>
  );
}
