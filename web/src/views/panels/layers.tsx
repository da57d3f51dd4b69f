/** All tensors of a kind on one axis, each with its numbers over steps as small lines. */

import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { numberAt, type Tensors, tensorsTable } from "../../answers/tensors.ts";
import { count } from "../../controls/format.ts";
import { ProblemNotice } from "../../controls/notice.tsx";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { rove } from "../../controls/roving.ts";
import { spoken } from "../../state/language.ts";
import { choose, facts, step } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { harmOf } from "../parts/alerts.ts";
import { type Column, columnsOf, columnsShown, wordsOfColumn } from "../parts/columns.ts";
import { AxisNumbers, domainOf, quantilesAt } from "../parts/distribution.tsx";
import type { Panel } from "../parts/panel.ts";
import { TensorRow } from "../parts/tensor_row.tsx";
import {
  inSight,
  isMatrix,
  linesOf,
  matching,
  orderOf,
  type Row,
  reordered,
  rowsOf,
  shortened,
  sorted,
  usualShown,
} from "../parts/tensor_rows.ts";
import {
  chosenTensors,
  kindShown,
  look,
  members,
  numberOf,
  ordinalOf,
  pointedStep,
  type Recorded,
  useRecorded,
} from "../parts/tensors.ts";
import style from "./layers.css?inline";

export { style };

export const panel: Panel = { pages: ["parameters"], where: "table", order: 1 };

const say = spoken({
  en: {
    tensors: (shown: string, all: string) =>
      shown === all ? `${all} tensors` : `${shown} of ${all}`,
    name: "tensor",
    ofModel: "in the order of the model",
    byColumn: "sorted; click again for the model's order",
    values: (step: string) => `values at step ${step}`,
    filter: "Filter tensors, * matches anything",
    columns: "columns",
    usual: "the usual ones",
    untrained: "untrained",
    now: "now: 5 – 95 %, 25 – 75 %, median",
    bad: "an alert begins",
    lines: (first: string, last: string) =>
      `small lines: steps ${first} – ${last}, each on its own scale unless a unit is named`,
    nothing: "No tensor has such a name.",
    more: "Gradients and updates are recorded by",
  },
  zh: {
    tensors: (shown, all) => (shown === all ? `${all} 个张量` : `${all} 个中的 ${shown} 个`),
    name: "张量",
    ofModel: "按模型中的顺序",
    byColumn: "已排序；再次点击恢复模型顺序",
    values: (step) => `第 ${step} 步的数值`,
    filter: "筛选张量，* 匹配任意内容",
    columns: "列",
    usual: "常用列",
    untrained: "未训练",
    now: "当前：5 – 95 %、25 – 75 %、中位数",
    bad: "警报开始",
    lines: (first, last) => `小线：第 ${first} – ${last} 步，除注明单位外各用自己的刻度`,
    nothing: "没有这样名称的张量。",
    more: "记录梯度和更新：",
  },
});

/** Height of a line in pixels; the style sheet holds the same. */
const LINE = 21;

export default function Layers() {
  const recorded = useRecorded();
  if (recorded.problem) return <ProblemNotice problem={recorded.problem} />;
  if (!recorded.shown) return null;
  return <Table recorded={recorded} />;
}

function useColumns(recorded: Recorded): { all: readonly Column[]; shown: readonly Column[] } {
  const kind = kindShown();
  const has = (of: string, number: string) =>
    recorded.numbers[of]?.numbers[number]?.some((value) => !Number.isNaN(value)) ?? false;
  const all = useMemo(() => columnsOf(kind, has), [kind, ...Object.values(recorded.numbers)]);
  return { all, shown: columnsShown(kind, selection.value.statistics, all) };
}

/** Rows wanted, in their order. */
function useRows(recorded: Recorded, columns: readonly Column[]) {
  const { match, sort, tensors } = selection.value;
  const kind = kindShown();
  const known = members(recorded);
  const now = step.value ?? 0;
  const every = useMemo(() => rowsOf(known), [known]);
  const shown = tensors ?? usualShown(known);
  const kept = useMemo(() => {
    const wanted = matching(every, match);
    return shown === "matrices" && match === ""
      ? wanted.filter(({ fact }) => isMatrix(fact))
      : wanted;
  }, [every, match, shown]);
  const order = orderOf(sort);
  const column = columns.find(({ name }) => name === order.by);
  const numberIn = (row: Row) =>
    column ? numberOf(recorded, column, row.name, now, kind) : Number.NaN;
  const exact = column && recorded.shown?.exact;
  const rows = useMemo(() => sorted(shortened(kept), order, numberIn), [kept, sort, exact]);
  return { every, rows, order, folded: shown === "folded" && match === "" && order.by === null };
}

function Table({ recorded }: { recorded: Recorded }) {
  const words = say();
  const kind = kindShown();
  const at = step.value ?? 0;
  const columns = useColumns(recorded);
  const { every, rows, order, folded } = useRows(recorded, columns.shown);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const { alerts } = recorded;
  const worse = (row: Row) => worth(recorded, row);
  const all = useMemo(
    () => linesOf(rows, order, folded, open, worse),
    [rows, order.by, folded, open, alerts, recorded.shown?.lines],
  );
  const domain = useDomain(recorded, rows, at);
  const { box, from, to, onScroll } = useSight(all.length);
  const chosen = chosenTensors(recorded);
  const match = (pattern: string) => {
    const same = matching(every, pattern).slice(0, 4);
    choose({ match: pattern, parameters: same.map(({ name }) => name) });
  };
  const focus = all.slice(from, to).find(({ row }) => chosen.includes(row.name)) ?? all[from];
  const space = (lines: number) => lines > 0 && <tr style={{ height: `${lines * LINE}px` }} />;
  return (
    <section class="layers" data-step={at} style={widths(rows, columns.shown)}>
      <Find shown={rows.length} all={every.length} columns={columns}>
        {recorded.shown && (
          <PanelMenu
            name={words.tensors(count(rows.length), count(every.length))}
            table={tableOf(recorded.shown.lines, rows)}
            python={pythonAt(kind, at)}
          />
        )}
      </Find>
      <div
        class="table"
        ref={box}
        onScroll={onScroll}
        data-pointed={pointedStep.value ?? undefined}
        style={{ "--pointed": pointedShare(recorded) }}
      >
        <table aria-rowcount={all.length + 1}>
          <Head columns={columns.shown} at={at} domain={domain} by={order.by} />
          <tbody onKeyDown={rove}>
            {space(from)}
            {all.slice(from, to).map((line) => (
              <TensorRow
                key={line.hidden > 0 ? `fold ${line.row.layer}` : line.row.name}
                line={line}
                recorded={recorded}
                kind={kind}
                step={at}
                domain={domain}
                columns={columns.shown}
                chosen={line.hidden === 0 && chosen.includes(line.row.name)}
                focus={line === focus}
                onLook={(row, beside) => look(recorded, row.name, beside)}
                onOpen={(layer) => setOpen(new Set([...open, layer]))}
                onMatch={match}
              />
            ))}
            {space(all.length - to)}
          </tbody>
        </table>
        {rows.length === 0 && <p class="sub">{words.nothing}</p>}
      </div>
      <Key recorded={recorded} />
    </section>
  );
}

/** How much a row stands for its fold: by the harm of its alerts, else by how far a matrix moved. */
function worth(recorded: Recorded, { name, fact }: Row): number {
  const harm = harmOf(recorded.alerts, name)?.harm;
  if (harm !== undefined) return 1e9 + harm;
  const lines = recorded.shown?.lines;
  if (!lines || !isMatrix(fact)) return -1;
  const at = ordinalOf(lines, name);
  const last = lines.steps.length - 1;
  return numberAt(lines, "w1_from_start", last, at) / numberAt(lines, "std", last, at) || 0;
}

/** The axis of the rows that are wanted: at this step and, where that is drawn, at the first. */
function useDomain(recorded: Recorded, rows: readonly Row[], at: number) {
  const exact = recorded.shown?.exact ?? null;
  const { extent, stretch, beside } = selection.value;
  return useMemo(() => {
    if (!exact) return domainOf([]);
    const names = new Set(rows.map(({ name }) => name));
    const now = exact.steps.indexOf(at);
    return domainOf(
      exact.names.flatMap((name, ordinal) =>
        names.has(name)
          ? [
              quantilesAt(exact, now, ordinal),
              beside === "first" ? quantilesAt(exact, 0, ordinal) : null,
            ]
          : [],
      ),
    );
  }, [exact, rows, at, extent, stretch, beside]);
}

/** Room for names, as far as they need it. */
function widths(rows: readonly Row[], columns: readonly Column[]) {
  const longest = (text: (row: Row) => string) =>
    rows.reduce((most, row) => Math.max(most, [...text(row)].length), 0);
  return {
    "--layer": `${Math.min(
      15,
      longest(({ layer }) => layer),
    )}ch`,
    "--rest": `${Math.max(
      8,
      Math.min(
        21,
        longest(({ rest }) => rest),
      ),
    )}ch`,
    "--columns": columns.length,
  };
}

function pointedShare({ shown }: Recorded): string {
  const steps = shown?.lines.steps ?? [];
  const [first = 0, last = 0] = [steps[0], steps.at(-1)];
  const at = pointedStep.value;
  return at === null || last <= first ? "0" : String((at - first) / (last - first));
}

interface FindProps {
  shown: number;
  all: number;
  columns: { all: readonly Column[]; shown: readonly Column[] };
  children: ComponentChildren;
}

function tableOf(lines: Tensors, rows: readonly Row[]) {
  return () =>
    tensorsTable(
      lines,
      rows.map(({ name }) => name),
    );
}

function pythonAt(kind: string, at: number): string {
  return kind === "parameter"
    ? `run.parameters(step=${at})`
    : `run.tensors(${JSON.stringify(kind)}, step=${at})`;
}

/** The box that filters, the list of columns, and what can be taken along. */
function Find({ shown, all, columns, children }: FindProps) {
  const words = say();
  const names = columns.shown.map(({ name }) => name);
  const toggle = (name: string) =>
    names.includes(name) ? names.filter((other) => other !== name) : [...names, name];
  return (
    <p class="find">
      <input
        type="search"
        class="filter"
        aria-label={words.filter}
        placeholder={words.filter}
        value={selection.value.match}
        onInput={(event) => choose({ match: event.currentTarget.value })}
      />
      <span class="sub" role="status">
        {words.tensors(count(shown), count(all))}
      </span>
      <details class="columns">
        <summary>{words.columns}</summary>
        <fieldset>
          {columns.all.map(({ name }) => (
            <label key={name} title={wordsOfColumn(name).what}>
              <input
                type="checkbox"
                checked={names.includes(name)}
                onChange={() => choose({ statistics: toggle(name) })}
              />
              {wordsOfColumn(name).title}
              <span class="sub"> {wordsOfColumn(name).unit}</span>
            </label>
          ))}
          <button type="button" class="pill" onClick={() => choose({ statistics: [] })}>
            {words.usual}
          </button>
        </fieldset>
      </details>
      {children}
    </p>
  );
}

interface HeadProps {
  columns: readonly Column[];
  at: number;
  domain: ReturnType<typeof domainOf>;
  by: string | null;
}

function Head({ columns, at, domain, by }: HeadProps) {
  const words = say();
  const order = orderOf(selection.value.sort);
  const mark = (name: string) => (order.by === name ? (order.down ? " ↓" : " ↑") : "");
  const sort = (name: string) => choose({ sort: reordered(order, name) });
  const sortOf = (name: string) =>
    order.by !== name ? undefined : order.down ? "descending" : "ascending";
  return (
    <thead>
      <tr>
        <th scope="col" class="names" aria-sort={sortOf("name")}>
          <button type="button" onClick={() => sort("name")}>
            {words.name}
            {mark("name")}
            <span>{by === null ? words.ofModel : words.byColumn}</span>
          </button>
        </th>
        <th scope="col" class="values">
          {words.values(count(at))}
          <AxisNumbers domain={domain} />
        </th>
        <th class="flag" />
        {columns.map(({ name }) => (
          <th key={name} scope="col" data-column={name} aria-sort={sortOf(name)}>
            <button type="button" title={wordsOfColumn(name).what} onClick={() => sort(name)}>
              {wordsOfColumn(name).title}
              {mark(name)}
              <span>{wordsOfColumn(name).unit}</span>
            </button>
          </th>
        ))}
      </tr>
    </thead>
  );
}

/** What the marks mean; and which line records what is not there. */
function Key({ recorded }: { recorded: Recorded }) {
  const words = say();
  const steps = facts.value?.steps ?? [];
  return (
    <p class="key-line sub">
      {selection.value.beside === "first" && (
        <span>
          <svg width="18" height="10" aria-hidden="true">
            <rect class="first" width="18" height="10" rx="2" />
            <rect class="first" x="4" width="10" height="10" />
          </svg>
          {words.untrained}
        </span>
      )}
      <span>
        <svg width="18" height="10" aria-hidden="true">
          <path class="now" d="M0,5h18" stroke-width="1.3" />
          <path class="now" d="M4,5h10" stroke-width="4" />
          <circle cx="9" cy="5" r="2" />
        </svg>
        {words.now}
      </span>
      {recorded.alerts.alerts.length > 0 && (
        <span>
          <svg width="6" height="10" aria-hidden="true">
            <circle class="bad" cx="3" cy="5" r="2.2" />
          </svg>
          {words.bad}
        </span>
      )}
      {steps.length > 1 && (
        <span>{words.lines(count(steps[0] ?? 0), count(steps.at(-1) ?? 0))}</span>
      )}
      {!recorded.kinds.includes("gradient") && (
        <span>
          {words.more} <code>ll.KerasCallback("logs/a", gradients=True, updates=True)</code>
        </span>
      )}
    </p>
  );
}

/** Which lines a scrolled box shows. */
function useSight(length: number) {
  const box = useRef<HTMLDivElement>(null);
  const [at, set] = useState({ top: 0, height: 600 });
  const see = () => {
    const element = box.current;
    if (element) set({ top: element.scrollTop, height: element.clientHeight });
  };
  useEffect(() => {
    const watcher = new ResizeObserver(see);
    if (box.current) watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  const { from, to } = inSight(length, at.top, at.height, LINE);
  return { box, from, to, onScroll: length > 60 ? see : undefined };
}
