/** Gradient norm by time step of recurrent layers, at the step in view and at the first that has it. */
import type { Answer } from "../../answers/wire.ts";
import { count } from "../../controls/format.ts";
import { useAnswer } from "../../controls/use_answer.ts";
import { axisOver } from "../../draw/trend.ts";
import { spoken } from "../../state/language.ts";
import { runName, step } from "../../state/run.ts";
import { Chart } from "./chart.tsx";
import type { ChartLine } from "./chart_marks.tsx";
import { COLOURS } from "./columns.ts";

const say = spoken({
  en: {
    label: "Gradient norm by time step",
    at: (name: string, step: string) => `${name}, step ${step}`,
    what: "norm of the gradient at each time step of a sequence, log; earliest at the left",
    point: (at: string) => `time step ${at}`,
    none: "No record has it.",
  },
  zh: {
    label: "按时间步的梯度范数",
    at: (name, step) => `${name}，第 ${step} 步`,
    what: "序列每个时间步上梯度的范数，对数；最早在左",
    point: (at) => `第 ${at} 个时间步`,
    none: "没有任何记录包含它。",
  },
});

/** A line for each layer at the newest record up to the step in view, and at its first; null while not known. */
export function useTimeLines(): ChartLine[] | null {
  const { answer } = useAnswer({ what: "tensors", run: runName.value ?? ".", kind: "time" });
  return answer && linesOf(answer, step.value ?? 0);
}

export function TimeChart({ lines }: { lines: readonly ChartLine[] }) {
  const words = say();
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
      <Chart
        label={words.label}
        steps={longest}
        domain={domain}
        lines={lines}
        still={(at) => words.point(count(at))}
      />
      <p class="sub key">
        {lines.map(({ name, colour, wide = 1 }) => (
          <span key={name}>
            <i class={wide < 1 ? "thin" : ""} style={{ background: colour }} aria-hidden="true" />
            {name}
          </span>
        ))}
        <span>{words.what}</span>
      </p>
    </>
  );
}

/** A line for each layer at the newest record up to a step, and a thin one at its first record. */
function linesOf({ variables }: Answer, now: number): ChartLine[] {
  const { norm, length, parameter, step: recorded } = variables;
  if (!norm || !recorded) return [];
  const [, layers = 0, cells = 0] = norm.shape;
  const names = Array.isArray(parameter?.text) ? parameter.text.map(String) : [];
  const rows = Array.from(recorded.data, (_, row) => row);
  const valuesAt = (row: number, at: number) => {
    const from = (row * layers + at) * cells;
    return Array.from(norm.data.subarray(from, from + cells)).filter(
      (value) => !Number.isNaN(value),
    );
  };
  return names.slice(0, COLOURS.length).flatMap((name, at) => {
    const having = rows.filter((row) => valuesAt(row, at).length > 0);
    const first = having[0];
    const newest = having.findLast((row) => (recorded.data[row] ?? 0) <= now);
    const line = (row: number, wide: number): ChartLine => {
      const values = valuesAt(row, at);
      // Of a long sequence, each cell stands for several time steps.
      const long = length?.data[row * layers + at] || values.length;
      const steps = values.map((_, cell) => Math.floor((cell * long) / values.length));
      const called = say().at(name, count(recorded.data[row] ?? 0));
      return { name: called, steps, values, colour: COLOURS[at] as string, wide };
    };
    return [
      ...(first !== undefined && first !== newest ? [line(first, 0.7)] : []),
      ...(newest !== undefined ? [line(newest, 1.8)] : []),
    ];
  });
}
