/** All tensors of a kind on one axis, each with its numbers over steps as small lines. */
import { useMemo, useState } from "preact/hooks";
import { numberAt, type Tensors, tensorsTable } from "../../answers/tensors.ts";
import { spaced } from "../../cells/axis.ts";
import { measure } from "../../controls/canvas.tsx";
import { count } from "../../controls/format.ts";
import { ProblemNotice } from "../../controls/notice.tsx";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { rove } from "../../controls/roving.ts";
import { spoken } from "../../state/language.ts";
import { choose } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { harmOf } from "../parts/alerts.ts";
import { type Column, columnsOf, columnsShown } from "../parts/columns.ts";
import { domainOf, quantilesAt } from "../parts/distribution.tsx";
import type { Panel } from "../parts/panel.ts";
import { Choice, Head, Key } from "../parts/table_head.tsx";
import { LINE, useChosenInSight, useSight } from "../parts/table_sight.ts";
import { fitting, textsOf, widths } from "../parts/table_widths.ts";
import { TensorRow } from "../parts/tensor_row.tsx";
import {
  inSight,
  isMatrix,
  linesOf,
  matching,
  orderOf,
  type Row,
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
    nothing: "No tensor has such a name.",
  },
  zh: {
    tensors: (shown, all) => (shown === all ? `${all} 个张量` : `${all} 个中的 ${shown} 个`),
    nothing: "没有这样名称的张量。",
  },
});

export default function Layers() {
  const recorded = useRecorded();
  if (recorded.problem) return <ProblemNotice problem={recorded.problem} />;
  if (!recorded.shown) return null;
  return <Table recorded={recorded} />;
}

/** The columns that there are, and those shown: the chosen ones, else the usual ones that fit. */
function useColumns(recorded: Recorded, room: number) {
  const kind = kindShown();
  const has = (of: string, number: string) =>
    recorded.numbers[of]?.numbers[number]?.some((value) => !Number.isNaN(value)) ?? false;
  const all = useMemo(() => columnsOf(kind, has), [kind, ...Object.values(recorded.numbers)]);
  const wanted = columnsShown(kind, selection.value.statistics, all);
  return { all, shown: selection.value.statistics.length ? wanted : fitting(wanted, room) };
}

/** Rows wanted, in their order. */
function useRows(recorded: Recorded, columns: readonly Column[]) {
  const { match, sort, tensors } = selection.value;
  const kind = kindShown();
  const known = members(recorded);
  const { at: now } = recorded;
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
  const exact = column && recorded.shown?.now;
  const rows = useMemo(() => sorted(shortened(kept), order, numberIn), [kept, sort, exact]);
  return { every, rows, order, folded: shown === "folded" && match === "" && order.by === null };
}

function Table({ recorded }: { recorded: Recorded }) {
  const words = say();
  const kind = kindShown();
  const { at } = recorded;
  const { box, top, height, width, onScroll } = useSight();
  const columns = useColumns(recorded, width);
  const { every, rows, order, folded } = useRows(recorded, columns.all);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const { alerts } = recorded;
  const worse = (row: Row) => worth(recorded, row);
  const all = useMemo(
    () => linesOf(rows, order, folded, open, worse),
    [rows, order.by, folded, open, alerts, recorded.shown?.lines],
  );
  const domain = useDomain(recorded, rows);
  const { from, to } = inSight(all.length, top, height, LINE);
  const chosen = chosenTensors(recorded);
  useChosenInSight(box, all, chosen, height);
  const texts = useMemo(() => textsOf(rows, measure(), folded), [rows, folded]);
  const { layer, rest, values, least } = widths(width, texts, columns.shown);
  const marks = useMemo(() => spaced(domain, values), [domain, values]);
  const match = (pattern: string) => {
    const same = matching(every, pattern).slice(0, 4);
    choose({ match: pattern, parameters: same.map(({ name }) => name) });
  };
  const focus = all.slice(from, to).find(({ row }) => chosen.includes(row.name)) ?? all[from];
  const space = (lines: number) => lines > 0 && <tr style={{ height: `${lines * LINE}px` }} />;
  return (
    <section
      class="layers"
      data-step={at}
      style={{
        "--layer": `${layer}px`,
        "--rest": `${rest}px`,
        "--least": `${least}px`,
        "--lines": all.length,
      }}
    >
      <div
        class="table"
        ref={box}
        onScroll={onScroll}
        data-pointed={pointedStep.value ?? undefined}
        style={{ "--pointed": pointedShare(recorded) }}
      >
        <table aria-rowcount={all.length + 1}>
          <Head
            columns={columns.shown}
            at={at}
            domain={domain}
            marks={marks}
            by={order.by}
            count={words.tensors(count(rows.length), count(every.length))}
          />
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
                marks={marks}
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
      <Key recorded={recorded}>
        <Choice columns={columns} />
        {recorded.shown && (
          <PanelMenu
            name={words.tensors(count(rows.length), count(every.length))}
            table={tableOf(recorded.shown.lines, rows)}
            python={pythonAt(kind, at)}
          />
        )}
      </Key>
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
function useDomain(recorded: Recorded, rows: readonly Row[]) {
  const { now = null, first = null } = recorded.shown ?? {};
  const { extent, stretch, beside } = selection.value;
  return useMemo(() => {
    const drawn = beside === "first" ? [now, first] : [now];
    return domainOf(
      drawn.flatMap((tensors) =>
        tensors ? rows.map(({ name }) => quantilesAt(tensors, ordinalOf(tensors, name))) : [],
      ),
    );
  }, [now, first, rows, extent, stretch, beside]);
}

function pointedShare({ shown }: Recorded): string {
  const steps = shown?.lines.steps ?? [];
  const [first = 0, last = 0] = [steps[0], steps.at(-1)];
  const at = pointedStep.value;
  return at === null || last <= first ? "0" : String((at - first) / (last - first));
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
