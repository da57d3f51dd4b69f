/** One sentence on top: what stands out in this run's tensors, its size, and what it is held against. */

import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { lineOf } from "../../answers/tensors.ts";
import { count } from "../../controls/format.ts";
import { spoken } from "../../state/language.ts";
import type { AlertFact } from "../../types.ts";
import { wordsOfRule } from "../parts/alerts.ts";
import { COLUMNS, compact, percent, wordsOfColumn, written } from "../parts/columns.ts";
import type { Panel } from "../parts/panel.ts";
import { isMatrix } from "../parts/tensor_rows.ts";
import { kindShown, ordinalOf, type Recorded, useRecorded } from "../parts/tensors.ts";

export const panel: Panel = { pages: ["parameters"], where: "answer", order: 1 };

const say = spoken({
  en: {
    at: (step: string) => `Step ${step}: `,
    number: (name: string, value: string, tensor: string, limit: string) =>
      ` (${name} ${value} in ${tensor}${limit && `, limit ${limit}`})`,
    next: "; ",
    quiet: (rules: number, tensors: string) =>
      `No rule fires: ${count(rules)} ${rules === 1 ? "was" : "were"} looked for in ${tensors}. `,
    tensors: (n: number) => `${count(n)} ${n === 1 ? "tensor" : "tensors"}`,
    most: (name: string) => `${name} moved most`,
    by: (w1: string, share: string, from: string, to: string) =>
      `: W₁ ${w1} from step ${from} to ${to}, ${share} the std it began with`,
    part: (share: string) => `${share} of`,
    times: (times: string) => `${times} times`,
    still: (names: string) => `; ${names} has not moved at all`,
    one: "One step is recorded: how tensors move is seen from the second on.",
    recorded: (tensors: string, steps: string) =>
      `${tensors} at ${steps} steps; how far they moved was not recorded.`,
    end: ".",
  },
  zh: {
    at: (step) => `第 ${step} 步：`,
    number: (name, value, tensor, limit) =>
      `（${tensor} 的${name} ${value}${limit && `，界限 ${limit}`}）`,
    next: "；",
    quiet: (rules, tensors) => `没有规则触发：已在${tensors}中检查 ${count(rules)} 条规则。`,
    tensors: (n) => ` ${count(n)} 个张量`,
    most: (name) => `${name} 移动最多`,
    by: (w1, share, from, to) => `：第 ${from} 至 ${to} 步 W₁ 为 ${w1}，是其初始标准差的 ${share}`,
    part: (share) => share,
    times: (times) => `${times} 倍`,
    still: (names) => `；${names} 完全没有移动`,
    one: "只记录了一步：从第二步起才能看出张量如何移动。",
    recorded: (tensors, steps) => `${tensors}，${steps} 步；没有记录它们移动了多少。`,
    end: "。",
  },
});

export default function AnswerLine() {
  const recorded = useRecorded();
  if (!recorded.shown) return null;
  const { alerts } = recorded.alerts;
  return (
    <p class="answer">
      {alerts.length > 0 ? <Worst alerts={alerts} /> : <Moved recorded={recorded} />}
    </p>
  );
}

/** The two alerts of most harm. */
function Worst({ alerts }: { alerts: readonly AlertFact[] }) {
  const words = say();
  return (
    <>
      {alerts.slice(0, 2).map((alert, at) => (
        <span key={alert.rule}>
          {at > 0 && words.next}
          {alerts[at - 1]?.since !== alert.since && words.at(count(alert.since))}
          <b>{wordsOfRule(alert.rule).title}</b>
          {alert.number && alert.tensors[0] && (
            <bdi>
              {words.number(
                wordsOfColumn(columnName(alert)).title,
                sharedOr(alert, alert.value),
                alert.tensors[0],
                alert.threshold === 0 ? "" : sharedOr(alert, alert.threshold),
              )}
            </bdi>
          )}
        </span>
      ))}
      {words.end}
    </>
  );
}

function columnName(alert: AlertFact): string {
  const column = COLUMNS.find(
    ({ kind, number }) => number === alert.number && (kind ?? alert.kind) === alert.kind,
  );
  return column?.name ?? alert.number;
}

function sharedOr(alert: AlertFact, value: number): string {
  const column = COLUMNS.find(
    ({ kind, number }) => number === alert.number && (kind ?? alert.kind) === alert.kind,
  );
  return column ? written(column, value) : compact(value);
}

interface Move {
  readonly name: string;
  readonly w1: number;
  readonly share: number;
}

/** Which tensor moved most for its size, where no rule fires or none is known. */
function Moved({ recorded }: { recorded: Recorded }): ComponentChildren {
  const words = say();
  const { quiet } = recorded.alerts;
  const lines = recorded.shown?.lines;
  const moves = useMemo(() => movesOf(recorded), [lines]);
  if (!lines) return null;
  const tensors = words.tensors(lines.names.length);
  const known = quiet.length > 0 && words.quiet(quiet.length, tensors);
  const { steps } = lines;
  if (steps.length < 2) return [known, words.one];
  const most = moves.reduce<Move | null>(
    (best, each) => (best === null || each.share > best.share ? each : best),
    null,
  );
  if (!most || most.share === 0) return [known, words.recorded(tensors, count(steps.length))];
  const still = moves.filter(({ w1, name }) => w1 === 0 && trained(recorded, name));
  return (
    <>
      {known}
      <b>{words.most(most.name)}</b>
      {words.by(
        compact(most.w1),
        most.share >= 2 ? words.times(compact(most.share)) : words.part(percent(most.share)),
        count(steps[0] ?? 0),
        count(steps.at(-1) ?? 0),
      )}
      {kindShown() === "parameter" && still[0] && <b>{words.still(still[0].name)}</b>}
      {words.end}
    </>
  );
}

function trained({ shown }: Recorded, name: string): boolean {
  const at = shown ? ordinalOf(shown.lines, name) : -1;
  return shown?.lines.members[at]?.trainable ?? false;
}

function movesOf({ shown }: Recorded): Move[] {
  if (!shown) return [];
  const { lines } = shown;
  const matrices = lines.members.some(isMatrix);
  return lines.names.flatMap((name, at) => {
    // What begins as a constant has moved by any number of times its std.
    const fact = lines.members[at];
    if (matrices && fact && !isMatrix(fact)) return [];
    const w1 = lineOf(lines, "w1_from_start", at).findLast((value) => !Number.isNaN(value));
    const std = lineOf(lines, "std", at).find((value) => value > 0);
    return w1 === undefined || std === undefined ? [] : { name, w1, share: w1 / std };
  });
}
