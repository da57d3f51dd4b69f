/** Gradient and update of the tensor looked at, or the curve of any number, of all of them and in runs. */

import { lineOf, linesTable } from "../../answers/tensors.ts";
import { Cut } from "../../controls/cut.tsx";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { axisOver } from "../../draw/trend.ts";
import { spoken } from "../../state/language.ts";
import { choose, runName } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import { harmOf } from "../parts/alerts.ts";
import { Chart } from "../parts/chart.tsx";
import type { ChartArea, ChartLine } from "../parts/chart_marks.tsx";
import {
  COLOURS,
  COLUMNS,
  type Column,
  columnsOf,
  kindOf,
  USUAL,
  wordsOfColumn,
} from "../parts/columns.ts";
import type { Panel } from "../parts/panel.ts";
import { coloured, linesIn, useBeside } from "../parts/runs_beside.ts";
import { TensorCaption } from "../parts/tensor_caption.tsx";
import { python } from "../parts/tensor_rows.ts";
import {
  chosenTensors,
  kindShown,
  ordinalOf,
  type Recorded,
  useRecorded,
} from "../parts/tensors.ts";
import { TimeChart, useTimeLines } from "../parts/time_chart.tsx";
import style from "./curves.css?inline";

export { style };

export const panel: Panel = { pages: ["parameters"], where: "below", order: 3 };

const say = spoken({
  en: {
    changes: "gradient and update, log",
    of: (what: string, name: string) => `${what} of ${name} over steps`,
    which: "Curve of",
    time: "gradient by time step, log",
    gradient: "gradient norm",
    update: "update ÷ weight",
    usual: "usual",
    n: (name: string, n: number) => `${name} (mean of ${n}, 95 %)`,
    none: "Gradients and updates are not recorded here. They are with",
    missing: "No number of these tensors at any step.",
  },
  zh: {
    changes: "梯度与更新，对数",
    of: (what, name) => `${name} 的${what}随步变化`,
    which: "曲线",
    time: "按时间步的梯度，对数",
    gradient: "梯度范数",
    update: "更新 ÷ 权重",
    usual: "通常",
    n: (name, n) => `${name}（${n} 次的均值，95 %）`,
    none: "这里没有记录梯度和更新。记录方法：",
    missing: "这些张量在任何一步都没有数值。",
  },
});

/** The table of gradients by time step. */
const TIME = "time";
const LINE = 'll.KerasCallback("logs/a", gradients=True, updates=True)';

export default function Curves() {
  const recorded = useRecorded();
  const kind = kindShown();
  const chosen = chosenTensors(recorded);
  const has = (of: string, number: string) => recorded.numbers[of]?.numbers[number] !== undefined;
  const all = columnsOf(kind, has);
  const several = chosen.length > 1;
  const changes = recorded.numbers.gradient || recorded.numbers.update;
  const usual = several || kind === "activation" || !changes ? all[0]?.name : null;
  const wanted = selection.value.curve ?? usual;
  const byTime = wanted === TIME && recorded.kinds.includes(TIME);
  const column = all.find(({ name }) => name === wanted) ?? null;
  const beside = useBeside(column ? kindOf(column, kind) : "gradient", chosen);
  const updates = useBeside("update", chosen, column === null);
  if (!recorded.shown || chosen.length === 0) return null;
  if (byTime) return <ByTime recorded={recorded} all={all} />;
  const lines = column
    ? curvesOf(recorded, column, chosen, beside)
    : changesOf(recorded, chosen[0] as string, beside, updates);
  return <Drawn recorded={recorded} chosen={chosen} all={all} column={column} lines={lines} />;
}

/** Gradients of a recurrent layer, by time step. */
function ByTime({ recorded, all }: { recorded: Recorded; all: readonly Column[] }) {
  const lines = useTimeLines();
  return (
    <figure class="panel curves" data-curve={TIME}>
      <TensorCaption recorded={recorded} name={null} text="">
        <Which all={all} value={TIME} time />
        {lines && (
          <PanelMenu
            name={say().time}
            table={() => linesTable(lines)}
            python={'run.tensors("time")'}
          />
        )}
      </TensorCaption>
      {lines && <TimeChart lines={lines} />}
    </figure>
  );
}

interface Line extends ChartLine {
  readonly area?: ChartArea;
  /** What the list below calls it: of two numbers of a run, the run alone. */
  readonly key?: string;
}

/** A number of each tensor looked at; of one tensor, that of the runs ticked too. */
function curvesOf(
  recorded: Recorded,
  column: Column,
  chosen: readonly string[],
  beside: ReturnType<typeof useBeside>,
): Line[] {
  const found = recorded.numbers[kindOf(column, kindShown())];
  if (!found) return [];
  const own = chosen.map((name, at) => ({
    name,
    steps: found.steps,
    values: lineOf(found, column.number, ordinalOf(found, name)),
    colour: COLOURS[at] as string,
    wide: 1.8,
  }));
  const [only] = own;
  if (chosen.length > 1 || beside.length === 0 || !only) return own;
  const run = runName.value ?? ".";
  const lines = [{ ...only, run }, ...linesIn(beside, column.number, only.name)];
  return coloured(lines).map(groupLine);
}

function groupLine({
  name,
  steps,
  values,
  low,
  high,
  colour,
  main,
  runs,
}: ReturnType<typeof coloured>[number]): Line {
  const called = runs.length > 1 ? say().n(name, runs.length) : name;
  const line = { name: called, steps, values, colour, wide: main ? 1.8 : 1.2 };
  return low && high ? { ...line, area: { steps, low, high, colour, opacity: 0.14 } } : line;
}

/** Gradient norm, and update divided by weight; the runs ticked in thin lines of their colours. */
function changesOf(
  recorded: Recorded,
  name: string,
  gradients: ReturnType<typeof useBeside>,
  updates: ReturnType<typeof useBeside>,
): Line[] {
  const words = say();
  const lines: Line[] = [];
  for (const [kind, number, called, colour, beside] of [
    ["gradient", "norm", words.gradient, "var(--text)", gradients],
    ["update", "ratio", words.update, "var(--accent)", updates],
  ] as const) {
    const found = recorded.numbers[kind];
    const at = found ? ordinalOf(found, name) : -1;
    const run = runName.value ?? ".";
    const shown =
      found && at >= 0 ? [{ run, steps: found.steps, values: lineOf(found, number, at) }] : [];
    const all = coloured([...shown, ...linesIn(beside, number, name)]);
    // The run in view, or the group that it is in, lies over the others.
    for (const line of all.sort((one, other) => Number(one.main) - Number(other.main))) {
      const { name: key, area, ...rest } = groupLine(line);
      const band = area && { area: line.main ? { ...area, colour } : area };
      if (line.main)
        lines.push({ ...rest, ...band, key, name: called, label: called, colour, wide: 1.6 });
      else lines.push({ ...rest, ...band, key, name: `${called}, ${key}` });
    }
  }
  return lines;
}

interface DrawnProps {
  recorded: Recorded;
  chosen: readonly string[];
  all: readonly Column[];
  column: Column | null;
  lines: readonly Line[];
}

function Drawn({ recorded, chosen, all, column, lines }: DrawnProps) {
  const words = say();
  const log = column ? column.log === true : true;
  const areas = lines.flatMap(({ area }) => area ?? []);
  const ratio = column === null || column.usual !== undefined;
  const values = lines.map((line) => line.values);
  const domain = axisOver([...values, ...areas.flatMap(({ low, high }) => [low, high])], log);
  const steps = recorded.shown?.lines.steps ?? [];
  const title = column ? wordsOfColumn(column.name).title : words.changes;
  const bad = chosen.flatMap((name) => harmOf(recorded.alerts, name)?.since ?? []);
  const keys = lines.filter(
    ({ key, name }, at) =>
      at === lines.findIndex((line) => (line.key ?? line.name) === (key ?? name)),
  );
  return (
    <figure class="panel curves" data-curve={column?.name ?? "changes"}>
      <TensorCaption recorded={recorded} name={null} text="">
        <Which all={all} value={column?.name ?? ""} time={recorded.kinds.includes(TIME)} />
        <PanelMenu
          name={words.of(title, chosen.join(", "))}
          table={() => linesTable(lines)}
          python={python(column ? kindOf(column, kindShown()) : "gradient", chosen)}
        />
      </TensorCaption>
      {domain ? (
        <Chart
          label={words.of(title, chosen.join(", "))}
          steps={steps}
          domain={domain}
          lines={lines}
          areas={areas}
          bad={bad}
          usual={ratio ? within(USUAL, domain) : undefined}
          usualText={words.usual}
        />
      ) : (
        <p class="sub missing">
          {column ? words.missing : words.none} {!column && <code>{LINE}</code>}
        </p>
      )}
      {keys.length > 1 && chosen.length === 1 && (
        <p class="sub key">
          {keys.map(({ key, name, colour }) => (
            <span key={key ?? name}>
              <i style={{ background: colour }} aria-hidden="true" /> <Cut text={key ?? name} />
            </span>
          ))}
        </p>
      )}
    </figure>
  );
}

/** The part of a usual range that an axis shows. */
function within(
  [low, high]: readonly [number, number],
  domain: { low: number; high: number },
): readonly [number, number] | undefined {
  const part = [Math.max(low, domain.low), Math.min(high, domain.high)] as const;
  return part[0] < part[1] ? part : undefined;
}

interface WhichProps {
  all: readonly Column[];
  value: string;
  /** Whether there are gradients by time step. */
  time: boolean;
}

function Which({ all, value, time }: WhichProps) {
  const words = say();
  return (
    <select
      class="which"
      aria-label={words.which}
      value={value}
      onChange={(event) => choose({ curve: event.currentTarget.value || null })}
    >
      <option value="">{words.changes}</option>
      {time && <option value={TIME}>{words.time}</option>}
      {COLUMNS.filter((each) => all.includes(each)).map(({ name }) => (
        <option key={name} value={name}>
          {wordsOfColumn(name).title}
          {wordsOfColumn(name).unit && ` · ${wordsOfColumn(name).unit}`}
        </option>
      ))}
    </select>
  );
}
