/** Gradient norm by time step of recurrent layers, at the step in view and at the first that has it. */
import { numberAt, type Tensors, tensorsOf } from "../../answers/tensors.ts";
import { count } from "../../controls/format.ts";
import { useAnswer } from "../../controls/use_answer.ts";
import { axisOver } from "../../draw/trend.ts";
import { spoken } from "../../state/language.ts";
import { runName, step } from "../../state/run.ts";
import { Chart, type ChartLine } from "./chart.tsx";

const say = spoken({
  en: {
    label: "Gradient norm by time step",
    at: (name: string, step: string) => `${name}, step ${step}`,
    what: "norm of the gradient at each time step of a sequence, log; earliest at the left",
    none: "No record has it.",
  },
  zh: {
    label: "按时间步的梯度范数",
    at: (name, step) => `${name}，第 ${step} 步`,
    what: "序列每个时间步上梯度的范数，对数；最早在左",
    none: "没有任何记录包含它。",
  },
});

/** Columns that norms of time steps have. */
const CELLS = Array.from({ length: 64 }, (_, at) => `t${String(at).padStart(2, "0")}`);
const COLOURS = ["#e8710a", "#0072b2", "#009e73", "#b0518f"];

export function TimeChart() {
  const words = say();
  const { answer } = useAnswer({ what: "tensors", run: runName.value ?? ".", kind: "time" });
  if (!answer) return null;
  const lines = linesOf(tensorsOf(answer), step.value ?? 0);
  const domain = axisOver(
    lines.map(({ values }) => values),
    true,
  );
  const longest = lines.reduce<readonly number[]>(
    (most, { steps }) => (steps.length > most.length ? steps : most),
    [],
  );
  if (!domain) return <p class="sub missing">{words.none}</p>;
  return (
    <>
      <Chart label={words.label} steps={longest} domain={domain} lines={lines} still />
      <p class="sub key">
        {lines.map(({ name, colour }) => (
          <span key={name}>
            <i style={{ background: colour }} aria-hidden="true" /> {name}
          </span>
        ))}
        <span>{words.what}</span>
      </p>
    </>
  );
}

/** A line for each layer at the newest record up to a step, and a faint one at its first record. */
function linesOf(times: Tensors, now: number): ChartLine[] {
  const has = (row: number, at: number) => !Number.isNaN(numberAt(times, "t00", row, at));
  const rows = times.steps.map((_, row) => row);
  return times.names.slice(0, COLOURS.length).flatMap((name, at) => {
    const first = rows.find((row) => has(row, at));
    const newest = rows.findLast((row) => has(row, at) && (times.steps[row] as number) <= now);
    const colour = COLOURS[at] as string;
    const line = (row: number, wide: number): ChartLine => {
      const values = CELLS.map((cell) => numberAt(times, cell, row, at)).filter(
        (value) => !Number.isNaN(value),
      );
      const length = numberAt(times, "length", row, at) || values.length;
      const steps = values.map((_, cell) => Math.floor((cell * length) / values.length));
      return { name: say().at(name, count(times.steps[row] ?? 0)), steps, values, colour, wide };
    };
    return [
      ...(first !== undefined && first !== newest ? [line(first, 0.7)] : []),
      ...(newest !== undefined ? [line(newest, 1.8)] : []),
    ];
  });
}
