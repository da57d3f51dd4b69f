/** A head with one query, as text: every example's tokens, each as strong as its weight. */

import { signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { type HeadMap, PADDING } from "../../answers/head_map.ts";
import { rangeOf } from "../../answers/range.ts";
import { type Sentence, sentencesOf, type Word } from "../../answers/sentences.ts";
import type { Answer } from "../../answers/wire.ts";
import type { Scale } from "../../cells/scale.ts";
import { NOT_ALLOWED, percentiles, type Range, shade } from "../../cells/scale.ts";
import { short, sure } from "../../controls/format.ts";
import { visible } from "../../draw/map.ts";
import { spoken, t } from "../../state/language.ts";
import { choose, example, facts } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import type { Lens, LensProps } from "../parts/lens.ts";
import { isLong } from "../parts/long_head.ts";
import { rangeShown } from "../parts/range.ts";
import { WeightLegend } from "../parts/weight_legend.tsx";

export const lens: Lens = {
  name: "tokens",
  title: { en: "tokens", zh: "词元" },
  suits: (site, example) => (!isLong(site) && site.queries === 1 && example?.tokens ? 3 : 0),
  asks: "examples",
};

const say = spoken({
  en: {
    exampleNumber: (example: number) => `example ${example}`,
    more: (count: number) => ` … ${count} more`,
    position: (key: number) => `key ${key}`,
  },
  zh: {
    exampleNumber: (example) => `样本 ${example}`,
    more: (count) => ` … 还有 ${count} 个`,
    position: (key) => `键 ${key}`,
  },
});

/** Longest sentence written out in full. */
const LONGEST = 600;
/** How opaque the greatest weight's ground is. */
const STRONGEST = 0.85;

/** The first letter is Hebrew or Arabic; dir="auto" would overlook it, since it skips every bdi. */
const fromRight = /^\P{L}*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u;

const over = signal<{ sentence: Sentence; word: Word } | null>(null);

export default function TokensLens({ answer }: LensProps) {
  return answer && <Sentences answer={answer} />;
}

function Sentences({ answer }: { answer: Answer }) {
  const sentences = useMemo(() => sentencesOf(answer), [answer]);
  const { scale } = selection.value;
  const recorded = rangeOf(answer.attrs);
  const range = rangeShown(recorded);
  return (
    <>
      <ol class="sentences" onPointerLeave={() => (over.value = null)}>
        {sentences.map((sentence) => (
          <Line key={sentence.example} sentence={sentence} scale={scale} range={range} />
        ))}
      </ol>
      <WordReadout
        sentences={sentences}
        error={(answer.attrs.stored as HeadMap["stored"] | undefined)?.max_error}
      />
      <WeightLegend
        colour={(strength) =>
          `color-mix(in srgb, var(--accent) ${100 * STRONGEST * strength}%, var(--ground))`
        }
        scale={scale}
        recorded={recorded}
        allAllowed={sentences.every((sentence) =>
          sentence.words.every((word) => word.weight !== NOT_ALLOWED),
        )}
        nan={sentences.some((sentence) => sentence.words.some((word) => Number.isNaN(word.weight)))}
      />
    </>
  );
}

interface LineProps {
  sentence: Sentence;
  scale: Scale;
  range: Range;
}

function Line({ sentence, scale, range }: LineProps) {
  const words = { ...t.value.attention, ...say() };
  const shown = sentence.words.slice(0, LONGEST);
  const strengths = useMemo(
    () => strengthsOf(sentence.words, scale, range),
    [sentence, scale, range.low, range.high],
  );
  const title = facts.value?.examples[sentence.example];
  const chosen = sentence.example === example.value?.index;
  return (
    <li aria-current={chosen || undefined} data-example={sentence.example}>
      <button
        type="button"
        class="number"
        aria-label={words.exampleNumber(sentence.example)}
        onClick={() => choose({ example: sentence.example, query: null, key: null })}
      >
        {sentence.example}
      </button>
      <p dir={fromRight.test(sentence.words.map((word) => word.token).join("")) ? "rtl" : "ltr"}>
        {shown.map((word, index) => (
          // biome-ignore lint/a11y/noStaticElementInteractions: Shift and the arrow keys do the same
          // biome-ignore lint/a11y/useKeyWithClickEvents: Shift and the arrow keys do the same
          <bdi
            key={word.key}
            class={className(word)}
            data-key={word.key}
            style={ground(strengths[index] ?? 0)}
            onPointerEnter={() => {
              over.value = { sentence, word };
            }}
            onClick={() => choose({ example: sentence.example, query: 0, key: word.key })}
          >
            {visible(word.token) || PADDING}
          </bdi>
        ))}
        {sentence.words.length > LONGEST && (
          <span class="sub">{words.more(sentence.words.length - LONGEST)}</span>
        )}
      </p>
      {title?.label != null && <span class="label">{title.label}</span>}
    </li>
  );
}

/** The word under the pointer, else the pinned one. */
function WordReadout(props: { sentences: readonly Sentence[]; error: number | undefined }) {
  const { sentences, error } = props;
  const words = { ...t.value.attention, ...say() };
  const { query, key } = selection.value;
  const current = sentences.find((sentence) => sentence.example === example.value?.index);
  const word = query === null ? undefined : current?.words.find((other) => other.key === key);
  const hovering = over.value;
  const still = hovering && sentences.includes(hovering.sentence);
  const spot = still ? hovering : current && word ? { sentence: current, word } : null;
  const sentence = spot?.sentence ?? current;
  if (!sentence) return <div class="readout" data-readout="" />;
  const top = sentence.words.filter((word) => word.weight > 0);
  top.sort((a, b) => b.weight - a.weight);
  return (
    <div
      class="readout"
      data-readout=""
      data-example={sentence.example}
      data-query={spot ? 0 : undefined}
      data-key={spot?.word.key}
      data-value={spot ? String(Math.max(0, spot.word.weight)) : undefined}
      data-sum={sentence.sum}
    >
      <p class="row-line">
        <span class="told">
          {words.exampleNumber(sentence.example)}
          {": "}
          {top.slice(0, 4).map((word, index) => (
            <span key={word.key}>
              {index > 0 && " · "}
              <bdi>{visible(word.token) || PADDING}</bdi> {short(word.weight)}
            </span>
          ))}
        </span>
        <span class="sum">Σ = {sentence.sum.toFixed(2)}</span>
      </p>
      <p>
        {spot ? (
          <>
            <span class="sub">{words.position(spot.word.key)} </span>
            <b>
              <bdi>{visible(spot.word.token) || PADDING}</bdi>
            </b>{" "}
            {spot.word.weight === NOT_ALLOWED ? (
              words.notAllowed
            ) : (
              <b>{sure(spot.word.weight, error)}</b>
            )}
          </>
        ) : (
          <span class="sub">{words.hoverToken}</span>
        )}
      </p>
    </div>
  );
}

function strengthsOf(words: readonly Word[], scale: Scale, range: Range): ArrayLike<number> {
  const values = Float32Array.from(words, (word) => word.weight);
  if (scale === "percentile") return percentiles(values, 1, values.length);
  return values.map((weight) => shade(weight, scale, range));
}

function ground(strength: number): Record<string, string> {
  if (!(strength >= 0)) return {};
  const share = (100 * STRONGEST * strength).toFixed(1);
  return { background: `color-mix(in srgb, var(--accent) ${share}%, transparent)` };
}

function className(word: Word): string {
  if (word.weight === NOT_ALLOWED) return "word not-allowed";
  return Number.isNaN(word.weight) ? "word nan" : "word";
}
