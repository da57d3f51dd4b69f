/** The numbers of the cell pointed at on a long map: at once what is drawn there, then exactly. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { middle } from "../../answers/site_names.ts";
import { strongestOf } from "../../answers/strongest.ts";
import { tileOf } from "../../answers/tile.ts";
import { NOT_ALLOWED } from "../../cells/scale.ts";
import { short, sure } from "../../controls/format.ts";
import { useAnswer } from "../../controls/use_answer.ts";
import { number } from "../../draw/long_map.ts";
import { spoken, t } from "../../state/language.ts";
import { selection } from "../../state/selection.ts";
import type { Site } from "../../types.ts";
import { cellQuery, headQuery, positions, storedAs, strongestQuery } from "./long_head.ts";
import type { Stage } from "./long_stage.ts";
import type { Spot } from "./pointing.ts";
import { called } from "./positions.ts";

const say = spoken({
  en: {
    ofCells: (reduce: "max" | "mean", down: number, across: number) =>
      `${reduce} of ${down} × ${across}:`,
    together: (keys: number, share: string) => `the ${keys} strongest: ${share} % of the row`,
  },
  zh: {
    ofCells: (reduce, down, across) =>
      `${down} × ${across} 个的${reduce === "max" ? "最大值" : "平均值"}：`,
    together: (keys, share) => `最强的 ${keys} 个：占该行的 ${share}%`,
  },
});

/** Milliseconds that the pointer rests before its cell is asked about. */
const RESTS = 120;
/** Keys named of a row. */
const NAMED = 4;
/** Letters of a token that a line has room for; it is cut in its middle. */
const LETTERS = 28;

interface LongReadoutProps {
  site: Site;
  spot: Spot | null;
  hint: string;
  /** What is drawn at a cell. */
  drawn: Stage["coarse"];
}

export function LongReadout({ site, spot, hint, drawn }: LongReadoutProps) {
  const words = { ...t.value.attention, ...say() };
  const inside = spot && spot.query < site.queries && (spot.key ?? 0) < site.keys ? spot : null;
  const rested = useRested(inside);
  const base = headQuery.value;
  const row =
    rested && base
      ? strongestQuery(base, { row: rested.query, rows: 1, column: 0, columns: site.keys }, NAMED)
      : null;
  const cell = rested?.key != null && base ? cellQuery(base, rested.query, rested.key) : null;
  const strongest = useAnswer(row);
  const exact = useAnswer(cell);
  useMemo(() => {
    if (exact.answer) positions.peek()?.learn(tileOf(exact.answer));
  }, [exact.answer]);
  if (!inside) {
    return (
      <div class="readout" data-readout="">
        <p class="sub">{hint}</p>
        <p class="sub">&nbsp;</p>
      </div>
    );
  }
  const here = rested?.query === inside.query && rested.key === inside.key;
  const known = here && !exact.stale && exact.answer ? exact.answer.variables : null;
  const allowed = known?.allowed ? known.allowed.data[0] === 1 : true;
  const value = known?.weights?.data[0];
  return (
    <div
      class="readout"
      data-readout=""
      data-query={inside.query}
      data-key={inside.key ?? undefined}
      data-value={value === undefined ? undefined : String(value)}
    >
      <RowLine
        spot={inside}
        answer={rested?.query === inside.query && !strongest.stale ? strongest.answer : null}
      />
      <p>
        {inside.key === null ? (
          <>&nbsp;</>
        ) : (
          <>
            <span class="sub">{words.cell(inside.query, inside.key)} </span>
            <Pair query={inside.query} at={inside.key} />{" "}
            {value === undefined ? (
              <Coarse drawn={drawn(inside.query, inside.key)} />
            ) : allowed ? (
              <b>{sure(value, storedAs.value?.max_error)}</b>
            ) : (
              words.notAllowed
            )}
          </>
        )}
      </p>
    </div>
  );
}

/** What is drawn under the pointer, until the weight itself is known. */
function Coarse({ drawn }: { drawn: ReturnType<Stage["coarse"]> }) {
  const words = { ...t.value.attention, ...say() };
  if (!drawn) return <span class="sub">…</span>;
  if (drawn.value === NOT_ALLOWED) return <>{words.notAllowed}</>;
  const { down, across } = drawn;
  const of = down * across > 1 ? words.ofCells(selection.value.reduce, down, across) : "";
  return (
    <span class="sub" data-coarse={drawn.value}>
      {of} {short(drawn.value)}
    </span>
  );
}

function RowLine({ spot, answer }: { spot: Spot; answer: ReturnType<typeof useAnswer>["answer"] }) {
  const words = { ...t.value.attention, ...say() };
  const keys = Array.from(answer?.variables.strong_key?.data ?? []);
  const weights = answer?.variables.strong_weight?.data ?? [];
  const share = answer ? strongestOf(answer).share : Number.NaN;
  return (
    <p class="row-line">
      <span class="told">
        {words.row(spot.query)}{" "}
        {positions.value?.query(spot.query) && <Name axis="query" at={spot.query} />}
        {" → "}
        {keys.map((key, index) => (
          <span key={key}>
            {index > 0 && " · "}
            <Name axis="key" at={key} /> {short(weights[index] as number)}
          </span>
        ))}
      </span>
      {keys.length > 0 && Number.isFinite(share) && (
        <span class="sum">{words.together(keys.length, percent(share))}</span>
      )}
    </p>
  );
}

/** Both names of a cell, if there are any: its numbers are written already. */
function Pair({ query, at }: { query: number; at: number }) {
  const names = positions.value;
  if (!names?.query(query) && !names?.key(at)) return null;
  return (
    <>
      <Name axis="query" at={query} /> → <Name axis="key" at={at} />
    </>
  );
}

function Name({ axis, at }: { axis: "query" | "key"; at: number }) {
  const names = positions.value;
  const text = names ? called(names[axis], at) : number(at);
  return (
    <b>
      <bdi title={text}>{middle(text, LETTERS)}</bdi>
    </b>
  );
}

/** A share as whole per cents, never rounded up to all but for the noise of sums. */
export function percent(share: number): string {
  const hundreds = 100 * share;
  if (share > 1 - 1e-6) return "100";
  if (hundreds >= 99.9) return "> 99.9";
  return hundreds >= 10 ? String(Math.floor(hundreds)) : hundreds.toPrecision(2);
}

/** The spot once it has not changed for a moment; a spot that is let go of is gone at once. */
function useRested(spot: Spot | null): Spot | null {
  const rested = useSignal<Spot | null>(spot);
  useEffect(() => {
    if (!spot) {
      rested.value = null;
      return undefined;
    }
    const timer = setTimeout(() => {
      rested.value = spot;
    }, RESTS);
    return () => clearTimeout(timer);
  }, [spot?.query, spot?.key]);
  return rested.value;
}
