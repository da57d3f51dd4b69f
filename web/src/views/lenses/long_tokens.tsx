/** A long text as one query sees it: all of it as a strip, and the words it looks at most. */

import { useMemo } from "preact/hooks";
import { rangeOf } from "../../answers/range.ts";
import {
  excerptsOf,
  rowFrom,
  type Strongest,
  strongestOf,
  telling,
} from "../../answers/strongest.ts";
import { tileOf } from "../../answers/tile.ts";
import type { Answer, Numbers } from "../../answers/wire.ts";
import { paint } from "../../cells/paint.ts";
import { pool } from "../../cells/pool.ts";
import { floorOf, type Range, shade, shades } from "../../cells/scale.ts";
import { pixel, type Table } from "../../cells/tables.ts";
import { Canvas, useSize } from "../../controls/canvas.tsx";
import { count } from "../../controls/format.ts";
import { ProblemNotice } from "../../controls/notice.tsx";
import { useAnswer } from "../../controls/use_answer.ts";
import { number } from "../../draw/long_map.ts";
import { ACCENT, PALETTES } from "../../draw/palette.ts";
import { spoken, t } from "../../state/language.ts";
import { selection } from "../../state/selection.ts";
import { theme } from "../../state/theme.ts";
import type { Lens, LensProps } from "../parts/lens.ts";
import {
  headQuery,
  isLong,
  positions,
  scaleOf,
  strongestQuery,
  useFirstQuery,
} from "../parts/long_head.ts";
import { LongReadout, percent } from "../parts/long_readout.tsx";
import { hover, hovered, pin, pinned } from "../parts/pointing.ts";
import { called } from "../parts/positions.ts";
import { rangeShown } from "../parts/range.ts";
import { WeightLegend } from "../parts/weight_legend.tsx";
import style from "./long_tokens.css?inline";

export { style };

export const lens: Lens = {
  name: "tokens",
  title: { en: "tokens", zh: "词元" },
  suits: (site, example) => {
    if (!isLong(site) || !example?.tokens) return 0;
    return site.queries === 1 ? 3 : 1.5;
  },
};

const say = spoken({
  en: {
    strip: "All keys side by side, each column as strong as its strongest weight",
  },
  zh: {
    strip: "所有键并排显示，每列的强度为其中最强的权重",
  },
});

const STRONGEST = 2000;
/** Cells of the strip. */
const STRIP = 1024;
const STRIP_HEIGHT = 34;
/** Positions shown on both sides of a strong one, and in all. */
const AROUND = 3;
const WORDS = 600;
/** How opaque the strongest weight's ground is. */
const OPAQUE = 0.85;

export default function LongTokens({ site }: LensProps) {
  const words = { ...t.value.attention, ...say() };
  const scale = scaleOf(selection.value.scale);
  const query = useFirstQuery(site, pinned.value?.query);
  const base = headQuery.value;
  const outcome = useAnswer(
    base && query !== null
      ? {
          ...strongestQuery(
            base,
            { row: query, rows: 1, column: 0, columns: site.keys },
            Math.min(STRONGEST, site.keys),
          ),
          cells: STRIP,
        }
      : null,
  );
  const { answer } = outcome;
  const at = outcome.query?.rows?.[0] ?? 0;
  const strongest = useMemo(() => (answer ? strongestOf(answer) : null), [answer]);
  const row = useMemo(
    () => (strongest ? rowFrom(strongest, at, site.keys) : null),
    [strongest, at, site],
  );
  const excerpts = useMemo(
    () => (strongest ? excerptsOf(keysOf(strongest), site.keys, AROUND, WORDS) : []),
    [strongest, site],
  );
  const recorded = rangeOf(answer?.attrs ?? {});
  const range = rangeShown(recorded);
  const floor = floorOf(site.keys);
  const spot = hovered.value ?? pinned.value;
  return (
    <>
      {outcome.problem && <ProblemNotice problem={outcome.problem} />}
      {answer && <Strip answer={answer} keys={site.keys} query={at} range={range} />}
      <div class="sentences excerpts" onPointerLeave={() => hover(null)}>
        {excerpts.map(([from, to]) => (
          <p key={from}>
            <span class="number">{number(from)}</span>
            {Array.from({ length: to - from }, (_, index) => from + index).map((key) => (
              // biome-ignore lint/a11y/noStaticElementInteractions: Shift and the arrow keys do the same
              // biome-ignore lint/a11y/useKeyWithClickEvents: Shift and the arrow keys do the same
              <bdi
                key={key}
                class="word"
                data-key={key}
                style={ground(shade(row?.[key] ?? 0, scale, range, floor))}
                onPointerEnter={() => hover({ query: at, key })}
                onClick={() => pin({ query: at, key })}
              >
                {positions.value ? called(positions.value.key, key) : key}
              </bdi>
            ))}
          </p>
        ))}
      </div>
      <LongReadout
        site={site}
        spot={spot ?? (query === null ? null : { query, key: null })}
        hint={words.hoverToken}
        drawn={() => null}
      />
      <WeightLegend
        colour={(strength) =>
          `color-mix(in srgb, var(--accent) ${100 * OPAQUE * strength}%, var(--ground))`
        }
        scale={scale}
        recorded={recorded}
        floor={floor}
      >
        {strongest && (
          <span class="key">{words.mass(count(strongest.count), percent(strongest.share))}</span>
        )}
      </WeightLegend>
    </>
  );
}

/** Keys that say something: a long tail of hardly any weight would only fill the page. */
function keysOf(strongest: Strongest): Numbers {
  return strongest.keys.slice(0, telling(strongest.weights));
}

/** All keys of the row, side by side; each column is the strongest weight of those it stands for. */
function Strip(props: { answer: Answer; keys: number; query: number; range: Range }) {
  const { answer, keys, query, range } = props;
  const words = { ...t.value.attention, ...say() };
  const room = useSize<HTMLDivElement>();
  const scale = scaleOf(selection.value.scale);
  const palette = PALETTES[theme.value];
  const tile = useMemo(() => tileOf(answer), [answer]);
  const keyAt = (x: number) => Math.min(keys - 1, Math.floor((x / room.width) * keys));
  const table = useMemo(() => blend(palette.ground), [palette]);
  return (
    <div class="strip" ref={room.ref}>
      {room.width > 0 && (
        <Canvas
          width={room.width}
          height={STRIP_HEIGHT}
          label={words.strip}
          when={[tile, room.width, scale, range.low, range.high, palette]}
          paint={(context, ratio) => {
            const { width, height } = context.canvas;
            const image = context.createImageData(width, height);
            const pixels = { data: new Uint32Array(image.data.buffer), width };
            const part = { row: 0, column: 0, rows: 1, columns: tile.wide };
            const small = pool(tile.values, tile.wide, part, 1, width, "max");
            const shaded = shades(small.values, scale, range, floorOf(keys));
            const box = { x: 0, y: 0, width, height };
            paint(pixels, box, { ...small, shades: shaded }, table, palette.marks(ratio));
            context.putImageData(image, 0, 0);
          }}
          onPointerMove={(event) => hover({ query, key: keyAt(event.offsetX) })}
          onPointerLeave={() => hover(null)}
          onClick={(event) => pin({ query, key: keyAt(event.offsetX) })}
        />
      )}
    </div>
  );
}

/** From the page's ground to the accent. */
function blend(under: string): Table {
  const from = pixel(under);
  const to = pixel(ACCENT);
  return Uint32Array.from({ length: 256 }, (_, shade) => {
    const cover = (OPAQUE * shade) / 255;
    let out = 255 << 24;
    for (const channel of [0, 8, 16]) {
      const below = (from >> channel) & 255;
      out |= Math.round(below + (((to >> channel) & 255) - below) * cover) << channel;
    }
    return out >>> 0;
  });
}

function ground(strength: number): Record<string, string> {
  if (!(strength > 0)) return {};
  const share = (100 * OPAQUE * strength).toFixed(1);
  return { background: `color-mix(in srgb, var(--accent) ${share}%, transparent)` };
}
