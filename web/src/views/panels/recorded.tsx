/** How much of a run is recorded: its steps, its tensors, and how many of these are shown. */
import { count } from "../../controls/format.ts";
import { spoken } from "../../state/language.ts";
import { facts } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import type { Panel } from "../parts/panel.ts";
import { isMatrix, usualShown } from "../parts/tensor_rows.ts";
import { members, useRecorded } from "../parts/tensors.ts";
import style from "./recorded.css?inline";

export { style };

export const panel: Panel = { pages: ["parameters"], where: "side", order: 4 };

const say = spoken({
  en: {
    recorded: "Recorded",
    steps: (steps: string, first: string) =>
      first === "0" ? `${steps} steps, untrained first.` : `${steps} steps, from step ${first} on.`,
    one: "One step.",
    matrices: (shown: string, all: string) =>
      `${shown} of ${all} tensors shown; biases and norms are folded.`,
    all: (all: string, values: string) => `${all} tensors of ${values} values.`,
  },
  zh: {
    recorded: "已记录",
    steps: (steps, first) =>
      first === "0" ? `${steps} 步，首步为未训练。` : `${steps} 步，从第 ${first} 步起。`,
    one: "一步。",
    matrices: (shown, all) => `显示 ${all} 个张量中的 ${shown} 个；偏置和归一化已折叠。`,
    all: (all, values) => `${all} 个张量，共 ${values} 个数值。`,
  },
});

export default function RecordedSteps() {
  const words = say();
  const known = members(useRecorded());
  const steps = facts.value?.steps ?? [];
  const shown = selection.value.tensors ?? usualShown(known);
  const values = known.reduce((sum, { size }) => sum + size, 0);
  const matrices = known.filter(isMatrix).length;
  if (known.length === 0) return null;
  return (
    <section class="recorded">
      <h3>{words.recorded}</h3>
      <p>
        {steps.length > 1 ? words.steps(count(steps.length), count(steps[0] ?? 0)) : words.one}{" "}
        {shown === "matrices" && matrices < known.length
          ? words.matrices(count(matrices), count(known.length))
          : words.all(count(known.length), count(values))}
      </p>
    </section>
  );
}
