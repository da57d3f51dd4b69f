/** The step in view: a slider over the recorded steps that follows the newest until it is moved. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { count } from "../../controls/format.ts";
import { onKey } from "../../controls/keys.ts";
import { atRest } from "../../ready.ts";
import { spoken, t } from "../../state/language.ts";
import { hidden } from "../../state/life.ts";
import { choose, facts, step, stepBy } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import type { Panel } from "../parts/panel.ts";

export const panel: Panel = {
  pages: ["attention", "heads", "parameters"],
  where: "side",
  order: 1,
};

const say = spoken({
  en: {
    stepName: "Step",
    of: (step: string, last: string) => `${step} of ${last}`,
    only: (step: string) => `${step}, the only one`,
    epoch: (epoch: number) => `epoch ${epoch}`,
    back: "One recorded step back",
    on: "One recorded step on",
    play: "play",
    stop: "stop",
    follow: "follow",
    followWhat: "Show the newest step as it arrives",
  },
  zh: {
    stepName: "步",
    of: (step, last) => `${step} / ${last}`,
    only: (step) => `${step}（仅此一步）`,
    epoch: (epoch) => `第 ${epoch} 轮`,
    back: "上一个记录的步",
    on: "下一个记录的步",
    play: "播放",
    stop: "停止",
    follow: "跟随",
    followWhat: "有新的步时自动显示",
  },
});

/** Milliseconds a step stays in view while playing. */
const PACE = 350;
const playing = signal(false);

export default function Steps() {
  const words = { ...t.value.shell, ...say() };
  const steps = facts.value?.steps ?? [];
  const at = Math.max(0, steps.indexOf(step.value ?? Number.NaN));
  const epoch = facts.value?.epochs[at];
  usePlaying(at, steps.length);
  if (steps.length === 0) return null;
  return (
    <section>
      <h3>
        <span id="step-name">{words.stepName}</span>
        <span class="of" title={epoch !== undefined && epoch >= 0 ? words.epoch(epoch) : undefined}>
          {steps.length > 1
            ? words.of(count(step.value ?? 0), count(steps.at(-1) ?? 0))
            : words.only(count(step.value ?? 0))}
        </span>
      </h3>
      <input
        type="range"
        aria-labelledby="step-name"
        aria-valuetext={words.step(count(step.value ?? 0))}
        min={0}
        max={Math.max(1, steps.length - 1)}
        disabled={steps.length < 2}
        value={at}
        style={{ "--at": `${(100 * at) / Math.max(1, steps.length - 1)}%` }}
        onInput={(event) => {
          const chosen = steps[Number(event.currentTarget.value)];
          if (chosen !== undefined) choose({ step: chosen, follow: false });
        }}
      />
      <div class="steps">
        <button type="button" class="plain" aria-label={words.back} onClick={() => stepBy(-1)}>
          ◀
        </button>
        <button type="button" class="plain" aria-label={words.on} onClick={() => stepBy(1)}>
          ▶
        </button>
        <button type="button" class="plain" aria-pressed={playing.value} onClick={play}>
          {playing.value ? words.stop : words.play}
        </button>
        <button
          type="button"
          class="plain follow"
          aria-pressed={selection.value.follow}
          title={words.followWhat}
          onClick={() => choose({ follow: !selection.value.follow, step: step.value })}
        >
          {words.follow}
          <span aria-hidden="true">{selection.value.follow ? " ✓" : ""}</span>
        </button>
      </div>
    </section>
  );
}

function play() {
  const steps = facts.value?.steps ?? [];
  if (!playing.value && step.value === steps.at(-1) && steps[0] !== undefined) {
    choose({ step: steps[0], follow: false });
  }
  playing.value = !playing.value;
}

function usePlaying(at: number, length: number) {
  useEffect(() => onKey("[", () => stepBy(-1)), []);
  useEffect(() => onKey("]", () => stepBy(1)), []);
  useEffect(() => onKey(" ", play), []);
  useEffect(() => {
    if (!playing.value) return undefined;
    if (at >= length - 1) {
      playing.value = false;
      return undefined;
    }
    // A step stays until it is painted, so that a slow answer is seen and not overtaken.
    const turn = () => {
      if (hidden() || !atRest()) timer = setTimeout(turn, 60);
      else stepBy(1);
    };
    let timer = setTimeout(turn, PACE);
    return () => clearTimeout(timer);
  });
}
