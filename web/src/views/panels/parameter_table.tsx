/** Every parameter's statistics at one step: sorted by any column, clicked to show its ridges. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { count } from "../../controls/format.ts";
import { t } from "../../state/language.ts";
import {
  COLUMNS,
  type Column,
  inSight,
  type Line,
  lines,
  type Order,
  precise,
  type Row,
  reordered,
  sorted,
} from "../parts/parameter_rows.ts";

interface TableProps {
  rows: readonly Row[];
  chosen: readonly string[];
  onToggle: (name: string) => void;
}

/** Height of a line in pixels; the style sheet holds the same. */
const LINE = 26;

export function ParameterTable({ rows, chosen, onToggle }: TableProps) {
  const words = t.value.parameters;
  const [order, setOrder] = useState<Order>({ by: null, down: false });
  const all = useMemo(() => lines(sorted(rows, order), order), [rows, order]);
  const { box, from, to, onScroll } = useSight(all.length);
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
        <tbody>
          {from > 0 && <tr style={{ height: `${from * LINE}px` }} />}
          {all.slice(from, to).map((line, at) => (
            <TableLine
              key={line.row?.name ?? `${from + at} ${line.heading}`}
              line={line}
              grouped={order.by === null}
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
  chosen: boolean;
  onToggle: (name: string) => void;
}

function TableLine({ line, grouped, chosen, onToggle }: LineProps) {
  const words = t.value.parameters;
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
          aria-label={words.choose(row.name)}
          onClick={(event) => event.stopPropagation()}
          onChange={(event) => {
            onToggle(row.name);
            event.currentTarget.checked = chosen; // the selection says what is chosen, not the box
          }}
        />
        <bdi>{inLayer ? row.name.slice(row.module.length + 1) : row.name}</bdi>
        {row.nonfinite > 0 && <em>{words.broken}</em>}
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
  return Number.isFinite(value) ? percent(value, true) : t.value.parameters.fromZero;
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
