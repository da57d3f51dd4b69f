/** Every parameter's statistics at one step: sorted by any column, clicked to show its ridges. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { count } from "../../controls/format.ts";
import { ProblemNotice } from "../../controls/notice.tsx";
import { rove } from "../../controls/roving.ts";
import { useAnswer } from "../../controls/use_answer.ts";
import { spoken } from "../../state/language.ts";
import { runName, step } from "../../state/run.ts";
import {
  chosenParameters,
  recordedParameters,
  toggleParameter,
} from "../parts/chosen_parameters.ts";
import type { Panel } from "../parts/panel.ts";
import {
  COLUMNS,
  type Column,
  filteredRows,
  inSight,
  type Line,
  lines,
  MOST,
  type Order,
  precise,
  type Row,
  reordered,
  rowsOf,
  sorted,
} from "../parts/parameter_rows.ts";
import style from "./parameter_table.css?inline";

export { style };

export const panel: Panel = { pages: ["parameters"], where: "main", order: 2 };

const say = spoken({
  en: {
    table: "All parameters",
    tableAt: (step: string, first: string) => `at step ${step} · change since step ${first}`,
    choose: (name: string) => `Show the histograms of ${name}`,
    name: "parameter",
    shape: "shape",
    columns: {
      size: "size",
      mean: "mean",
      std: "std",
      change: "std change",
      min: "min",
      max: "max",
      norm: "norm",
      near_zero: "near zero",
      nonfinite: "NaN or ∞",
    },
    columnsWhat: {
      size: "How many values it has",
      mean: "Mean of the finite values",
      std: "Standard deviation of the finite values, divided by n",
      change: "Standard deviation now against that of the first recorded step",
      min: "Least finite value",
      max: "Greatest finite value",
      norm: "Euclidean norm of the finite values",
      near_zero: "Share of values with |w| ≤ 0.001 × std; exact zeros always count",
      nonfinite: "How many values are NaN or infinite",
    },
    filter: "Filter parameters",
    someOf: (shown: string, all: string) => `${shown} of ${all}`,
    frozen: "frozen",
    model: "on the model itself",
    broken: "not finite",
    fromZero: "from 0",
    most: (most: number) =>
      `Up to ${most} are shown side by side; one more takes the place of the first.`,
    nearZeroIs: "Near zero: |w| ≤ 0.001 × std of the parameter, exact zeros included.",
  },
  zh: {
    table: "全部参数",
    tableAt: (step, first) => `第 ${step} 步 · 变化相对于第 ${first} 步`,
    choose: (name) => `显示 ${name} 的直方图`,
    name: "参数",
    shape: "形状",
    columns: {
      size: "数量",
      mean: "均值",
      std: "标准差",
      change: "标准差变化",
      min: "最小值",
      max: "最大值",
      norm: "范数",
      near_zero: "接近零",
      nonfinite: "NaN 或 ∞",
    },
    columnsWhat: {
      size: "包含多少个数值",
      mean: "有限值的均值",
      std: "有限值的标准差（除以 n）",
      change: "当前标准差相对于首个记录步的变化",
      min: "最小的有限值",
      max: "最大的有限值",
      norm: "有限值的欧几里得范数",
      near_zero: "满足 |w| ≤ 0.001 × 标准差的数值所占比例；恰为零的总是计入",
      nonfinite: "NaN 或无穷大的个数",
    },
    filter: "筛选参数",
    someOf: (shown, all) => `${shown} / ${all}`,
    frozen: "已冻结",
    model: "模型自身",
    broken: "含非有限值",
    fromZero: "原为 0",
    most: (most) => `最多并排显示 ${most} 个；再选一个会替换最先选的。`,
    nearZeroIs: "接近零：|w| ≤ 0.001 × 该参数的标准差，恰为零的也计入。",
  },
});

export default function ParameterTable() {
  const words = say();
  const parameters = recordedParameters();
  const chosen = chosenParameters();
  const run = runName.value ?? ".";
  const asked = step.value === null ? null : { what: "summary" as const, run, step: step.value };
  const { answer, problem } = useAnswer(asked);
  const every = useMemo(() => (answer ? rowsOf(answer, parameters) : []), [answer, parameters]);
  const [wanted, want] = useState("");
  const rows = useMemo(() => filteredRows(every, wanted), [every, wanted]);
  if (problem) return <ProblemNotice problem={problem} />;
  if (!answer) return null;
  const { step: at, first_step: first } = answer.attrs;
  return (
    <section class="all" data-step={String(at)}>
      <h2>
        {words.table}{" "}
        <span class="sub">
          {words.tableAt(count(Number(at)), count(Number(first)))} · {words.nearZeroIs}{" "}
          {chosen.length === MOST && words.most(MOST)}
        </span>
      </h2>
      {every.length > MANY && (
        <p class="find">
          <input
            type="search"
            class="filter"
            aria-label={words.filter}
            placeholder={words.filter}
            value={wanted}
            onInput={(event) => want(event.currentTarget.value)}
          />
          <span class="sub" role="status">
            {rows.length < every.length && words.someOf(count(rows.length), count(every.length))}
          </span>
        </p>
      )}
      <Rows rows={rows} chosen={chosen} onToggle={toggleParameter} />
    </section>
  );
}

/** Parameters from which on there is a box to filter them. */
const MANY = 12;

interface TableProps {
  rows: readonly Row[];
  chosen: readonly string[];
  onToggle: (name: string) => void;
}

/** Height of a line in pixels; the style sheet holds the same. */
const LINE = 26;

function Rows({ rows, chosen, onToggle }: TableProps) {
  const words = say();
  const [order, setOrder] = useState<Order>({ by: null, down: false });
  const all = useMemo(() => lines(sorted(rows, order), order), [rows, order]);
  const { box, from, to, onScroll } = useSight(all.length);
  const first = all.slice(from, to).find((line) => line.row)?.row?.name;
  const sort = (by: Column | "name") => {
    setOrder(reordered(order, by));
    box.current?.scrollTo({ top: 0 });
  };
  const heading = (by: Column | "name", label: string, what: string) => (
    <th key={by} scope="col" aria-sort={sortOf(order, by)} class={by === "name" ? "name" : ""}>
      <button type="button" title={what} onClick={() => sort(by)}>
        {label}
        <i aria-hidden="true">{order.by === by ? (order.down ? " ↓" : " ↑") : ""}</i>
      </button>
    </th>
  );
  return (
    <div class="table" ref={box} onScroll={onScroll}>
      <table aria-rowcount={all.length + 1}>
        <thead>
          <tr>
            {heading("name", words.name, words.name)}
            <th scope="col" class="shape">
              {words.shape}
            </th>
            {COLUMNS.map((by) => heading(by, words.columns[by], words.columnsWhat[by]))}
          </tr>
        </thead>
        {/* Tab comes to the first box; arrow keys go on from there. */}
        <tbody onKeyDown={rove}>
          {from > 0 && <tr style={{ height: `${from * LINE}px` }} />}
          {all.slice(from, to).map((line, at) => (
            <TableLine
              key={line.row?.name ?? `${from + at} ${line.heading}`}
              line={line}
              grouped={order.by === null}
              first={line.row !== undefined && line.row.name === first}
              chosen={line.row !== undefined && chosen.includes(line.row.name)}
              onToggle={onToggle}
            />
          ))}
          {to < all.length && <tr style={{ height: `${(all.length - to) * LINE}px` }} />}
        </tbody>
      </table>
    </div>
  );
}

interface LineProps {
  line: Line;
  grouped: boolean;
  /** Whether the Tab key comes to it. */
  first: boolean;
  chosen: boolean;
  onToggle: (name: string) => void;
}

function TableLine({ line, grouped, first, chosen, onToggle }: LineProps) {
  const words = say();
  if (line.row === undefined) {
    return (
      <tr class="layer">
        <th scope="rowgroup" colSpan={COLUMNS.length + 2}>
          <bdi>{line.heading || words.model}</bdi>
        </th>
      </tr>
    );
  }
  const { row } = line;
  const inLayer = grouped && row.module && row.name.startsWith(`${row.module}/`);
  return (
    <tr
      class={row.nonfinite > 0 ? "broken" : ""}
      aria-selected={chosen}
      data-parameter={row.name}
      onClick={() => onToggle(row.name)}
    >
      <th scope="row" class="name" title={row.name}>
        <input
          type="checkbox"
          checked={chosen}
          tabIndex={first ? 0 : -1}
          aria-label={words.choose(row.name)}
          onClick={(event) => event.stopPropagation()}
          onChange={(event) => {
            onToggle(row.name);
            event.currentTarget.checked = chosen; // the selection says what is chosen, not the box
          }}
        />
        <bdi>{inLayer ? row.name.slice(row.module.length + 1) : row.name}</bdi>
        {row.nonfinite > 0 && <em>{words.broken}</em>}
        {row.frozen && <span class="frozen">{words.frozen}</span>}
      </th>
      <td class="shape">{row.shape}</td>
      {COLUMNS.map((column) => (
        <td key={column} data-column={column} data-value={row[column]}>
          {said(column, row[column])}
        </td>
      ))}
    </tr>
  );
}

function said(column: Column, value: number): string {
  if (column === "size" || column === "nonfinite") return count(value);
  if (Number.isNaN(value) || !(column === "near_zero" || column === "change")) {
    return precise(value);
  }
  if (column === "near_zero") return percent(value, false);
  return Number.isFinite(value) ? percent(value, true) : say().fromZero;
}

function percent(share: number, signed: boolean): string {
  const shown = 100 * share;
  const digits = Math.abs(shown) >= 100 || shown === 0 ? 0 : Math.abs(shown) >= 1 ? 1 : 2;
  const tiny = shown !== 0 && Math.abs(shown) < 0.01;
  const text = tiny ? (shown < 0 ? "−<0.01" : "<0.01") : shown.toFixed(digits).replace("-", "−");
  return `${signed && shown > 0 ? "+" : ""}${text} %`;
}

function sortOf(order: Order, by: Column | "name") {
  if (order.by !== by) return undefined;
  return order.down ? "descending" : "ascending";
}

/** Which lines a scrolled box shows. */
function useSight(length: number) {
  const box = useRef<HTMLDivElement>(null);
  const [at, set] = useState({ top: 0, height: 600 });
  const look = () => {
    const element = box.current;
    if (element) set({ top: element.scrollTop, height: element.clientHeight });
  };
  useEffect(() => {
    const watcher = new ResizeObserver(look);
    if (box.current) watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  const { from, to } = inSight(length, at.top, at.height, LINE);
  return { box, from, to, onScroll: length > 150 ? look : undefined };
}
