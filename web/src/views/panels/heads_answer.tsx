/** The sentence that Heads opens with: which heads matter, by how much, held against chance. */
import { byHarm, type HeadRow, isSigned, survives } from "../../answers/head_numbers.ts";
import { AnswerLine, type Said, strong } from "../../controls/answer.tsx";
import { count } from "../../controls/format.ts";
import { spoken } from "../../state/language.ts";
import { nOf, plain, pWords, signed, unitOf } from "../parts/head_words.ts";
import { type Heads, labelOf, useHeads } from "../parts/heads.ts";
import type { Panel } from "../parts/panel.ts";

export const panel: Panel = { pages: ["heads"], where: "answer", order: 1 };

const say = spoken({
  en: {
    matter: (n: string, all: string, name: string): Said => [
      strong(`${n} of ${all} heads ${n === "1" ? "matters" : "matter"} beyond doubt`),
      `; without ${name} the `,
    ],
    effect: (metric: string, size: string, unit: string, ends: string): Said => [
      `${metric} changes by `,
      strong(`${size}${unit}`),
      ends && ` (${ends})`,
    ],
    heldOut: " on examples that did not choose it",
    none: (n: string): Said => [strong("No head stands out"), `: all ${n} intervals reach 0`],
    noneLeft: (n: string, most: string, name: string): Said => [
      strong("No head stands out"),
      ` after correction over ${n}; the greatest effect is that of ${name}, ${most}`,
    ],
    few: (n: string, all: string): Said => [
      strong(`${n} are too few`),
      `: none of ${all} heads could stand out after correction, whatever its effect`,
    ],
    moved: (name: string, size: string, all: string): Said => [
      `Of ${all} heads `,
      strong(`${name} moves the output most`),
      `: by ${size} when it is taken away`,
    ],
    weighed: (name: string, all: string): Said => [
      `By gradients, ${name} weighs most of ${all} heads. `,
      strong("What taking it away does was not measured."),
    ],
    maps: (all: string): Said => [
      `${all} ${all === "1" ? "head was" : "heads were"} recorded. `,
      strong("Which of them matter was not measured."),
    ],
    running: (n: string): Said => [`Still running, ${n}: `],
    begun: "A study has begun; no task of it is done yet.",
    adjusted: (p: string) => `, p adj. ${p}`,
    over: (n: string) => `, ${n}.`,
  },
  zh: {
    matter: (n, all, name) => [strong(`${all} 个头中有 ${n} 个确实重要`), `；去掉 ${name} 后，`],
    effect: (metric, size, unit, ends) => [
      `${metric} 变化 `,
      strong(`${size}${unit}`),
      ends && `（${ends}）`,
    ],
    heldOut: "（在未参与选择的样本上）",
    none: (n) => [strong("没有哪个头突出"), `：全部 ${n} 个区间都含 0`],
    noneLeft: (n, most, name) => [
      strong("没有哪个头突出"),
      `：在 ${n} 个头上校正后；效应最大的是 ${name}，${most}`,
    ],
    few: (n, all) => [strong(`${n} 太少`), `：无论效应多大，${all} 个头校正后都不可能突出`],
    moved: (name, size, all) => [
      `${all} 个头中，`,
      strong(`${name} 对输出的影响最大`),
      `：去掉后改变 ${size}`,
    ],
    weighed: (name, all) => [
      `按梯度，${all} 个头中 ${name} 最重要。`,
      strong("没有测量去掉它会怎样。"),
    ],
    maps: (all) => [`记录了 ${all} 个头。`, strong("没有测量其中哪些重要。")],
    running: (n) => [`仍在进行，${n}：`],
    begun: "研究已开始，尚未完成任何任务。",
    adjusted: (p) => `，校正后 p ${p}`,
    over: (n) => `，${n}。`,
  },
});

export default function HeadsAnswer() {
  const heads = useHeads();
  if (!heads.whole || heads.rows.length === 0) return null;
  return <AnswerLine said={saidOf(heads)} />;
}

function saidOf(heads: Heads): Said {
  const words = say();
  const { ablation, rows } = heads;
  const all = count(rows.length);
  if (!ablation) {
    if (heads.asked) return [words.begun];
    const weighed = rows.filter(({ importance }) => Number.isFinite(importance));
    const [most] = weighed.sort((a, b) => b.importance - a.importance);
    return most ? words.weighed(labelOf(heads, most), all) : words.maps(all);
  }
  const ordered = byHarm(rows, ablation);
  const [first] = ordered;
  if (!first) return [words.begun];
  const live: Said = ablation.fact.state === "finished" ? [] : words.running(nOf(ablation));
  const end = live.length > 0 ? "." : words.over(nOf(ablation));
  if (!isSigned(ablation)) {
    const size = `${plain(first.effect, first.low, first.high)} ${unitOf(ablation)}`.trim();
    return [...live, ...words.moved(labelOf(heads, first), size, all), end];
  }
  return [...live, ...judged(heads, ordered), end];
}

/** What may be said of effects that can be negative. */
function judged(heads: Heads, ordered: readonly HeadRow[]): Said {
  const words = say();
  const { ablation } = heads;
  const all = count(ordered.length);
  if (!ablation) return [];
  if (Number(ablation.answer.attrs.can_survive ?? 1) === 0) return words.few(nOf(ablation), all);
  const clear = ordered.filter(survives);
  // What is named is chosen by one half, and shown by the other, where the study split its data.
  const named = namedOf(heads, clear.length > 0 ? clear : ordered);
  if (!named) return [];
  const unit = unitOf(ablation) && ` ${unitOf(ablation)}`;
  if (clear.length > 0) {
    const said = words.matter(count(clear.length), all, labelOf(heads, named.row));
    const effect = words.effect(ablation.metric, named.size, unit, named.ends);
    return [...said, ...effect, named.heldOut ? words.heldOut : ""];
  }
  const leaving = ordered.filter(({ low, high }) => low > 0 || high < 0);
  if (leaving.length === 0 && ordered.some(({ low }) => Number.isFinite(low))) {
    return words.none(all);
  }
  const p = Number.isFinite(named.row.adjusted) ? words.adjusted(pWords(named.row.adjusted)) : "";
  const most = `${named.size}${unit}${named.ends && ` (${named.ends})`}${p}`;
  return words.noneLeft(all, most, labelOf(heads, named.row));
}

function namedOf({ ablation, rows }: Heads, ordered: readonly HeadRow[]) {
  const strongest = String(ablation?.answer.attrs.strongest ?? "");
  const split = rows.find(({ site, head }) => `${site}#${head}` === strongest);
  if (split && Number.isFinite(split.heldOut)) {
    const { heldOut, heldOutLow: low, heldOutHigh: high } = split;
    return { row: split, size: signed(heldOut, low, high), ends: ends(low, high), heldOut: true };
  }
  const [row] = ordered;
  if (!row) return null;
  const { effect, low, high } = row;
  return { row, size: signed(effect, low, high), ends: ends(low, high), heldOut: false };
}

function ends(low: number, high: number): string {
  if (!Number.isFinite(low + high)) return "";
  return `${signed(low, low, high)} – ${signed(high, low, high)}`;
}
