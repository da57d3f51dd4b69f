/** What stands over the table of tensors and under it: filter, sorting, what marks mean, the list of columns. */
import type { ComponentChildren } from "preact";
import type { Domain, Tick } from "../../cells/axis.ts";
import { count } from "../../controls/format.ts";
import { spoken } from "../../state/language.ts";
import { choose, facts } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { type Column, wordsOfColumn } from "./columns.ts";
import { AxisNumbers } from "./distribution.tsx";
import { orderOf, reordered } from "./tensor_rows.ts";
import type { Recorded } from "./tensors.ts";

const say = spoken({
  en: {
    ofModel: "as in the model",
    byColumn: "sorted",
    byName: "Sort by name; once more for the model's order",
    values: (step: string) => `values at step ${step}`,
    filter: "Filter tensors, * matches anything",
    find: "Filter tensors",
    columns: "columns",
    usual: "the usual ones",
    untrained: "untrained",
    now: "now: 5 – 95 %, 25 – 75 %, median",
    bad: "alert begins",
    lines: (first: string, last: string) => `small lines: steps ${first} – ${last}`,
    scales: "Each on a scale of its own, unless its column names one",
    more: "Gradients and updates are recorded by",
  },
  zh: {
    ofModel: "按模型顺序",
    byColumn: "已排序",
    byName: "按名称排序；再次点击恢复模型顺序",
    values: (step) => `第 ${step} 步的数值`,
    filter: "筛选张量，* 匹配任意内容",
    find: "筛选张量",
    columns: "列",
    usual: "常用列",
    untrained: "未训练",
    now: "当前：5 – 95 %、25 – 75 %、中位数",
    bad: "警报开始",
    lines: (first, last) => `小线：第 ${first} – ${last} 步`,
    scales: "除注明单位外，各用自己的刻度",
    more: "记录梯度和更新：",
  },
});

/** The list of columns. */
export function Choice({
  columns,
}: {
  columns: { all: readonly Column[]; shown: readonly Column[] };
}) {
  const words = say();
  const names = columns.shown.map(({ name }) => name);
  const toggle = (name: string) =>
    names.includes(name) ? names.filter((other) => other !== name) : [...names, name];
  return (
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
  );
}

interface HeadProps {
  columns: readonly Column[];
  at: number;
  domain: Domain;
  marks: readonly Tick[];
  by: string | null;
  /** How many rows there are, of how many. */
  count: string;
}

export function Head({ columns, at, domain, marks, by, count: rows }: HeadProps) {
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
          <input
            type="search"
            class="filter"
            aria-label={words.filter}
            title={words.filter}
            placeholder={words.find}
            value={selection.value.match}
            onInput={(event) => choose({ match: event.currentTarget.value })}
          />
          <button type="button" title={words.byName} onClick={() => sort("name")}>
            <span>
              <em role="status">{rows}</em>
              {mark("name")} · {by === null ? words.ofModel : words.byColumn}
            </span>
          </button>
        </th>
        <th scope="col" class="values">
          {words.values(count(at))}
          <AxisNumbers domain={domain} marks={marks} />
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
export function Key({ recorded, children }: { recorded: Recorded; children: ComponentChildren }) {
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
        <span title={words.scales}>
          {words.lines(count(steps[0] ?? 0), count(steps.at(-1) ?? 0))}
        </span>
      )}
      {!recorded.kinds.includes("gradient") && (
        <span>
          {words.more} <code>ll.KerasCallback("logs/a", gradients=True, updates=True)</code>
        </span>
      )}
      {children}
    </p>
  );
}
