/** The live model behind this page, if there is one: what is typed for it, and what came of it. */
import { signal } from "@preact/signals";
import { problemOf, refresh } from "../client/client.ts";
import { type Asked, model, runModel, token } from "../client/host.ts";
import { busy } from "../ready.ts";
import type { Problem } from "../types.ts";
import { DEFAULTS, select } from "./selection.ts";

export { model, token };

export const running = signal(false);
export const runProblem = signal<Problem | null>(null);

/** Run the model on an input, and look at what it attends to. */
export async function runOn(asked: Asked): Promise<void> {
  if (running.value) return;
  running.value = true;
  runProblem.value = null;
  const done = busy();
  try {
    const run = await runModel(asked);
    await refresh();
    const { step, follow, example, query, key, rows, columns, range } = DEFAULTS;
    // Site and head stay: the same head is looked at on another sentence.
    select({ run, page: "attention", step, follow, example, query, key, rows, columns, range });
  } catch (cause) {
    runProblem.value = problemOf(cause);
  } finally {
    running.value = false;
    done();
  }
}
