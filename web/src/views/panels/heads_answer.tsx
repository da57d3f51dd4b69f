/** The sentence that Heads opens with: which heads matter, by how much, held against chance. */
import { byHarm, type HeadRow, isSigned, survives } from "../../answers/head_numbers.ts";
import { AnswerLine, type Said, strong } from "../../controls/answer.tsx";
import { count } from "../../controls/format.ts";
import { spoken } from "../../state/language.ts";
import { nOf, plain, signed, unitOf } from "../parts/head_words.ts";
import { type Heads, labelOf, useHeads } from "../parts/heads.ts";
import type { Panel } from "../parts/panel.ts";

export const panel: Panel = { pages: ["heads"], where: "answer", order: 1 };

const say = spoken({
  en: {
    matter: (n: string, all: string, noun: string): Said => [
      strong(`${n} of ${all} ${noun} ${n === "1" ? "matters" : "matter"} beyond doubt`),
    ],
    without: (name: string, metric: string, size: string, ends: string): Said => [
      `; without ${name} the ${metric} changes by `,
      strong(size),
      ends,
    ],
    half: (name: string, metric: string, size: string, ends: string): Said => [
      `; ${name} is strongest on one half of the data, and changes the ${metric} by `,
      strong(size),
      `${ends} on the other`,
    ],
    nouns: { head: "heads", key_group: "key groups" },
    none: (n: string): Said => [strong("No head stands out"), `: all ${n} intervals reach 0`],
    noneLeft: (n: string): Said => [strong("No head stands out"), ` after correction over ${n}`],
    few: (n: string, all: string, noun: string): Said => [
      strong(`${n} are too few`),
      `: none of ${all} ${noun} could stand out after correction, whatever its effect`,
    ],
    moved: (name: string, size: string, all: string, noun: string): Said => [
      `Of ${all} ${noun} `,
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
    soFar: (name: string, metric: string, size: string, ends: string): Said => [
      `so far ${name} changes the ${metric} most, by `,
      strong(size),
      `${ends}; no verdict before it is done`,
    ],
    begun: "A study has begun; no task of it is done yet.",
    over: (n: string) => `, ${n}.`,
  },
  zh: {
    matter: (n, all, noun) => [strong(`${all} 个${noun}中有 ${n} 个确实重要`)],
    without: (name, metric, size, ends) => [
      `；去掉 ${name} 后，${metric} 变化 `,
      strong(size),
      ends,
    ],
    half: (name, metric, size, ends) => [
      `；${name} 在一半数据上最强，在另一半上使 ${metric} 变化 `,
      strong(size),
      ends,
    ],
    nouns: { head: "头", key_group: "键组" },
    none: (n) => [strong("没有哪个头突出"), `：全部 ${n} 个区间都含 0`],
    noneLeft: (n) => [strong("没有哪个头突出"), `：在 ${n} 个上校正后`],
    few: (n, all, noun) => [
      strong(`${n} 太少`),
      `：无论效应多大，${all} 个${noun}校正后都不可能突出`,
    ],
    moved: (name, size, all, noun) => [
      `${all} 个${noun}中，`,
      strong(`${name} 对输出的影响最大`),
      `：去掉后改变 ${size}`,
    ],
    weighed: (name, all) => [
      `按梯度，${all} 个头中 ${name} 最重要。`,
      strong("没有测量去掉它会怎样。"),
    ],
    maps: (all) => [`记录了 ${all} 个头。`, strong("没有测量其中哪些重要。")],
    running: (n) => [`仍在进行，${n}：`],
    soFar: (name, metric, size, ends) => [
      `目前 ${name} 使 ${metric} 变化最大：`,
      strong(size),
      `${ends}；完成前不下结论`,
    ],
    begun: "研究已开始，尚未完成任何任务。",
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
    return [...live, ...words.moved(labelOf(heads, first), size, all, words.nouns[heads.by]), end];
  }
  return [...live, ...judged(heads, ordered), end];
}

/** What may be said of effects that can be negative. */
function judged(heads: Heads, ordered: readonly HeadRow[]): Said {
  const words = say();
  const { ablation } = heads;
  const all = count(ordered.length);
  if (!ablation) return [];
  // Looked at again and again until something stands out, anything would.
  if (ablation.fact.state !== "finished") return early(heads, ordered);
  const noun = words.nouns[heads.by];
  if (Number(ablation.answer.attrs.can_survive ?? 1) === 0)
    return words.few(nOf(ablation), all, noun);
  const clear = ordered.filter(survives);
  // What is named is chosen by one half, and shown by the other, where the study split its data.
  const named = namedOf(heads, clear.length > 0 ? clear : ordered);
  if (!named) return [];
  const unit = unitOf(ablation) && ` ${unitOf(ablation)}`;
  // What the other half shows rests on that half alone.
  const shown = named.heldOut ? `n = ${Number(ablation.answer.attrs.n_held_out ?? 0)}` : "";
  const sure = [named.ends, shown].filter(Boolean).join(", ");
  const ends = sure && ` (${sure})`;
  const how = named.heldOut ? words.half : words.without;
  const effect = how(labelOf(heads, named.row), ablation.metric, `${named.size}${unit}`, ends);
  if (clear.length > 0) return [...words.matter(count(clear.length), all, noun), ...effect];
  const leaving = ordered.filter(({ low, high }) => low > 0 || high < 0);
  if (leaving.length === 0 && ordered.some(({ low }) => Number.isFinite(low))) {
    return words.none(all);
  }
  return [...words.noneLeft(all), ...effect];
}

function early(heads: Heads, [row]: readonly HeadRow[]): Said {
  const { ablation } = heads;
  if (!row || !ablation) return [];
  const size = `${signed(row.effect, row.low, row.high)} ${unitOf(ablation)}`.trim();
  const ends = endsOf(row.low, row.high);
  return say().soFar(labelOf(heads, row), ablation.metric, size, ends && ` (${ends})`);
}

function namedOf({ ablation, rows }: Heads, ordered: readonly HeadRow[]) {
  const strongest = String(ablation?.answer.attrs.strongest ?? "");
  const split = rows.find(({ site, head }) => `${site}#${head}` === strongest);
  if (split && Number.isFinite(split.heldOut)) {
    const { heldOut, heldOutLow: low, heldOutHigh: high } = split;
    return { row: split, size: signed(heldOut, low, high), ends: endsOf(low, high), heldOut: true };
  }
  const [row] = ordered;
  if (!row) return null;
  const { effect, low, high } = row;
  return { row, size: signed(effect, low, high), ends: endsOf(low, high), heldOut: false };
}

function endsOf(low: number, high: number): string {
  if (!Number.isFinite(low + high)) return "";
  return `${signed(low, low, high)} – ${signed(high, low, high)}`;
}
