/** One row of the table of tensors: its name, its values on the shared axis, and its numbers. */

import type { Tensors } from "../../answers/tensors.ts";
import type { Domain, Tick } from "../../cells/axis.ts";
import { Cut } from "../../controls/cut.tsx";
import { count } from "../../controls/format.ts";
import { spoken } from "../../state/language.ts";
import { harmOf } from "./alerts.ts";
import { type Column, kindOf, written } from "./columns.ts";
import { Distribution, quantilesAt } from "./distribution.tsx";
import { Spark } from "./spark.tsx";
import { type Line, type Row, sameKind } from "./tensor_rows.ts";
import { numberOf, ordinalOf, type Recorded } from "./tensors.ts";

const say = spoken({
  en: {
    show: (name: string) => `Show ${name}; with Shift, beside what is shown`,
    add: "Show beside",
    remove: "Show no longer",
    same: (pattern: string) => `The same in all layers: ${pattern}`,
    hidden: (hidden: string) => `${hidden} tensors`,
    open: (layer: string) => `Open ${layer}`,
    frozen: "frozen",
    nonfinite: (bad: string, size: string, since: string) =>
      `${bad} of ${size} not finite${since ? ` since step ${since}` : ""}`,
    nothing: "no value at this step",
  },
  zh: {
    show: (name) => `显示 ${name}；按住 Shift 则并排显示`,
    add: "并排显示",
    remove: "不再显示",
    same: (pattern) => `所有层中的同类：${pattern}`,
    hidden: (hidden) => `${hidden} 个张量`,
    open: (layer) => `展开 ${layer}`,
    frozen: "已冻结",
    nonfinite: (bad, size, since) =>
      `${size} 个中 ${bad} 个非有限${since ? `，自第 ${since} 步` : ""}`,
    nothing: "此步没有数值",
  },
});

export interface RowProps {
  line: Line;
  recorded: Recorded;
  kind: string;
  step: number;
  domain: Domain;
  marks: readonly Tick[];
  columns: readonly Column[];
  chosen: boolean;
  /** Whether the Tab key comes to it. */
  focus: boolean;
  onLook: (row: Row, beside: boolean) => void;
  onOpen: (layer: string) => void;
  onMatch: (pattern: string) => void;
}

export function TensorRow(props: RowProps) {
  const { line, recorded, domain, columns, chosen } = props;
  const { row, hidden } = line;
  const shown = recorded.shown;
  const alert = harmOf(recorded.alerts, row.name);
  // What is over and hit many is marked in the small lines; the worst of them here too.
  const flagged = alert && (alert.until === null || alert.tensors[0] === row.name);
  const press = (event: MouseEvent) =>
    hidden > 0 ? props.onOpen(row.layer) : props.onLook(row, event.shiftKey || event.ctrlKey);
  const quantiles = (tensors: Tensors | null | undefined) =>
    tensors ? quantilesAt(tensors, ordinalOf(tensors, row.name)) : null;
  const now = quantiles(shown?.now);
  return (
    <tr
      class={isFrozen(props) ? "frozen" : ""}
      aria-selected={chosen}
      data-parameter={hidden > 0 ? undefined : row.name}
      data-fold={hidden > 0 ? row.layer : undefined}
      onClick={press}
    >
      <Name {...props} />
      <td class="values">
        {now ? (
          <Distribution
            now={now}
            first={quantiles(shown?.first)}
            domain={domain}
            marks={props.marks}
          />
        ) : (
          <Missing {...props} />
        )}
        <Broken {...props} />
      </td>
      <td class="flag">
        {flagged && (
          <svg width="10" height="9" role="img" aria-label="!">
            <path d="M5,0l5,9h-10z" />
          </svg>
        )}
      </td>
      {columns.map((column) => (
        <NumberCell
          key={column.name}
          {...props}
          column={column}
          bad={alert?.number === column.number}
        />
      ))}
    </tr>
  );
}

function isFrozen({ kind, line }: RowProps): boolean {
  return kind === "parameter" && !line.row.fact.trainable;
}

function Name(props: RowProps) {
  const { line, chosen, focus, onMatch, onLook } = props;
  const words = say();
  const frozen = isFrozen(props);
  const { row, hidden, first } = line;
  const pattern = sameKind(row.name);
  const act = (event: MouseEvent, deed: () => void) => {
    event.stopPropagation();
    deed();
  };
  return (
    <th scope="row" title={frozen ? `${row.name} · ${words.frozen}` : row.name}>
      <button
        type="button"
        class="name"
        tabIndex={focus ? 0 : -1}
        aria-label={hidden > 0 ? words.open(row.layer) : words.show(row.name)}
      >
        <span class={first && !chosen ? "layer" : "layer again"}>
          {(first || chosen) && row.layer && <Cut text={row.called} short />}
        </span>
        <span class="rest">
          {hidden > 0 && <i aria-hidden="true">▸ </i>}
          <Cut text={row.rest} />
          {hidden > 0 && <em>{words.hidden(count(hidden))}</em>}
        </span>
      </button>
      {hidden === 0 && (
        <span class="deeds">
          {pattern !== row.name && (
            <button
              type="button"
              tabIndex={-1}
              title={words.same(pattern)}
              aria-label={words.same(pattern)}
              onClick={(event) => act(event, () => onMatch(pattern))}
            >
              ≡
            </button>
          )}
          <button
            type="button"
            tabIndex={-1}
            title={chosen ? words.remove : words.add}
            aria-label={`${chosen ? words.remove : words.add}: ${row.name}`}
            onClick={(event) => act(event, () => onLook(row, true))}
          >
            {chosen ? "−" : "+"}
          </button>
        </span>
      )}
    </th>
  );
}

/** Why a row has no values, where it has none: it may be that none of them is finite. */
function Missing({ recorded, line, kind, step }: RowProps) {
  if (!recorded.shown?.now) return null;
  const bad = numberOf(recorded, NOT_FINITE, line.row.name, step, kind);
  return bad > 0 ? null : <span class="sub">{say().nothing}</span>;
}

const NOT_FINITE: Column = { name: "nonfinite", kind: null, number: "nonfinite" };

/** How many of its values are no finite numbers, and since when, over a hatched box. */
function Broken({ recorded, line, kind, step }: RowProps) {
  const name = line.row.name;
  const bad = numberOf(recorded, NOT_FINITE, name, step, kind);
  if (!(bad > 0) || !recorded.shown) return null;
  const { lines } = recorded.shown;
  const values = lines.numbers.nonfinite;
  const at = ordinalOf(lines, name);
  const since = lines.steps.find(
    (recordedStep, row) =>
      recordedStep <= step && (values?.[row * lines.names.length + at] ?? 0) > 0,
  );
  const text = say().nonfinite(
    count(bad),
    count(line.row.fact.size),
    since === undefined ? "" : count(since),
  );
  return (
    <span class="broken" title={text}>
      {text}
    </span>
  );
}

function NumberCell({
  recorded,
  line,
  kind,
  step,
  column,
  bad,
}: RowProps & {
  column: Column;
  bad: boolean;
}) {
  const name = line.row.name;
  const value = numberOf(recorded, column, name, step, kind);
  const lines = recorded.numbers[kindOf(column, kind)];
  const marked = bad
    ? recorded.alerts.alerts
        .filter((alert) => alert.number === column.number && alert.tensors.includes(name))
        .map(({ since }) => since)
    : NONE;
  return (
    <td data-column={column.name} data-value={value}>
      {lines && <Spark lines={lines} column={column} at={ordinalOf(lines, name)} marked={marked} />}
      <span class={bad && value === 0 ? "bad" : undefined}>{written(column, value)}</span>
    </td>
  );
}

const NONE: readonly number[] = [];
