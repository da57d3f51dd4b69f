/** The runs, newest first; one is in view. */
import { t } from "../state/language.ts";
import { isLive } from "../state/life.ts";
import { accepts, runName, runs } from "../state/run.ts";
import { DEFAULTS, select } from "../state/selection.ts";
import { useInSight } from "./in_sight.ts";

export function Runs() {
  const words = t.value.shell;
  const list = useInSight<HTMLUListElement>(runName.value);
  return (
    <section>
      <h3 id="runs">{words.runs}</h3>
      <ul ref={list} class="list" aria-labelledby="runs">
        {runs.value.map((run) => (
          <li key={run.name}>
            <button
              type="button"
              class={accepts.value(run) ? "row" : "row faint"}
              aria-pressed={run.name === runName.value}
              title={run.problem ? `${run.name}: ${run.problem.came}` : run.name}
              onClick={() => pick(run.name)}
            >
              <i class={isLive(run.written) ? "dot on" : "dot"} aria-hidden="true" />
              <bdi>{run.name}</bdi>
              {run.problem && <span class="mark">!</span>}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

// Another run has other sites, examples and parameters: only the way of looking is kept.
function pick(run: string) {
  if (run === runName.value) return;
  const { step, follow, example, site, head, query, key, rows, columns, parameters, lens } =
    DEFAULTS;
  select({ run, step, follow, example, site, head, query, key, rows, columns, parameters, lens });
}
