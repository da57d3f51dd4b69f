/** The runs by name, in TensorBoard's colours; one is in view. */
import { signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { t } from "../state/language.ts";
import { isLive } from "../state/life.ts";
import { accepts, choose, runName, runs } from "../state/run.ts";
import { DEFAULTS, select, selection } from "../state/selection.ts";
import { theme } from "../state/theme.ts";
import type { RunCard } from "../types.ts";
import { Cut } from "./cut.tsx";
import { useInSight } from "./in_sight.ts";
import { rove } from "./roving.ts";
import { colourOf, filtered } from "./run_list.ts";
import { runNames } from "./run_names.ts";

/** Runs from which on there is a box to filter them. */
const MANY = 8;

const wanted = signal("");

/** Whether the page in view draws ticked runs beside the one in view; the page says so. */
export const ticks = signal(false);

export function Runs() {
  const words = t.value.shell;
  const list = useInSight<HTMLUListElement>(runName.value);
  const names = useMemo(() => runNames(runs.value.map(({ name }) => name)), [runs.value]);
  const shown = filtered(runs.value, wanted.value, runName.value);
  const focus = shown.some(({ name }) => name === runName.value) ? runName.value : shown[0]?.name;
  return (
    <section>
      <h3>
        <span id="runs">{words.runs}</span>
        {shown.length < runs.value.length && (
          <span class="of">{words.someOf(shown.length, runs.value.length)}</span>
        )}
      </h3>
      {runs.value.length > MANY && (
        <input
          type="search"
          class="filter"
          aria-label={words.filterRuns}
          placeholder={words.filterRuns}
          value={wanted.value}
          onInput={(event) => (wanted.value = event.currentTarget.value)}
        />
      )}
      <ul ref={list} class="list runs" aria-labelledby="runs" onKeyDown={rove}>
        {shown.map((run) => (
          <Row
            key={run.name}
            run={run}
            name={names.get(run.name) ?? run.name}
            focus={run.name === focus}
          />
        ))}
      </ul>
    </section>
  );
}

function Row({ run, name, focus }: { run: RunCard; name: string; focus: boolean }) {
  const words = t.value.shell;
  const live = isLive(run.written);
  const said = [
    run.problem ? `${run.name}: ${run.problem.came}` : run.name,
    ...(run.set_aside ? [words.setAside] : []),
    ...(live ? [words.live] : []),
  ];
  return (
    <li>
      <button
        type="button"
        class={accepts.value(run) && !run.set_aside ? "row" : "row faint"}
        tabIndex={focus ? 0 : -1}
        aria-pressed={run.name === runName.value}
        title={said.join(" · ")}
        aria-label={name === run.name ? undefined : said.join(" · ")}
        onClick={() => pick(run.name)}
      >
        <i
          class={live ? "dot on" : "dot"}
          style={{ "--run": colourOf(run, theme.value) }}
          aria-hidden="true"
        />
        <Cut text={name} />
        {live && <i class="live-mark" data-mark={words.live} aria-hidden="true" />}
        {run.problem && <span class="mark">!</span>}
      </button>
      {ticks.value && accepts.value(run) && run.name !== runName.value && <Tick run={run.name} />}
    </li>
  );
}

/** Draws a run beside the one in view, or no longer. */
function Tick({ run }: { run: string }) {
  const { overlay } = selection.value;
  const ticked = overlay.includes(run);
  const others = overlay.filter((name) => name !== run);
  return (
    <input
      type="checkbox"
      class="tick"
      checked={ticked}
      tabIndex={-1}
      aria-label={t.value.shell.beside(run)}
      title={t.value.shell.beside(run)}
      onChange={() => choose({ overlay: ticked ? others : [...others, run] })}
    />
  );
}

// Another run has other sites, examples and parameters: only the way of looking is kept.
function pick(run: string) {
  if (run === runName.value) return;
  const { step, follow, example, site, head, query, key, rows, columns, range, parameters, lens } =
    DEFAULTS;
  select({
    run,
    step,
    follow,
    example,
    site,
    head,
    query,
    key,
    rows,
    columns,
    range,
    parameters,
    lens,
  });
}
