/** One parameter's ridges: drawn on a canvas, its numbers under the pointer or the arrow keys. */
import { useState } from "preact/hooks";
import {
  type Bin,
  binAt,
  type Domain,
  edge,
  hit,
  layOut,
  type Ridges,
} from "../../cells/ridges.ts";
import { Canvas, useSize } from "../../controls/canvas.tsx";
import { count } from "../../controls/format.ts";
import { paintRidges, paletteOf } from "../../draw/ridges.ts";
import { t } from "../../state/language.ts";
import { choose } from "../../state/run.ts";
import { theme } from "../../state/theme.ts";

interface PanelProps {
  ridges: Ridges;
  domain: Domain | null;
  /** Steps between which colours run. */
  first: number;
  last: number;
  /** Row of the step in view. */
  chosen: number | null;
  /** Takes the parameter away; null while it is the only one. */
  onRemove: (() => void) | null;
}

const HEIGHT = 268;

export function Panel({ ridges, domain, first, last, chosen, onRemove }: PanelProps) {
  const words = t.value.parameters;
  const [pointed, point] = useState<{ bin: Bin; x: number; y: number } | null>(null);
  const [, path = "", leaf] = /^(.*?)((?:[^/]*\/)?[^/]*)$/s.exec(ridges.parameter) ?? [];
  const { ref, width } = useSize<HTMLElement>();
  const dark = theme.value === "dark";
  const layout = domain && layOut(ridges, domain, width, HEIGHT);
  const paint = (context: CanvasRenderingContext2D) => {
    if (!layout) return;
    const { weight, step, density, cut } = words;
    const names = { weight, step, density, cut };
    const sight = { first, last, chosen, pointed: pointed?.bin ?? null, ...names };
    const palette = paletteOf(context.canvas, dark);
    paintRidges(context, { width, height: HEIGHT }, ridges, layout, sight, palette);
  };
  const look = (event: PointerEvent) => {
    if (!layout) return;
    const bin = hit(ridges, layout, event.offsetX, event.offsetY);
    point(bin && { bin, x: event.offsetX, y: event.offsetY });
  };
  const press = (event: KeyboardEvent) => {
    const moved = move(event.key, ridges, pointed?.bin ?? null, chosen);
    if (event.key === "Enter" && pointed) choose({ step: pointed.bin.step, follow: false });
    else if (moved) point({ bin: moved, x: width / 2, y: 24 });
    else return;
    event.preventDefault();
  };
  return (
    <figure ref={ref} class="panel" data-parameter={ridges.parameter}>
      <figcaption>
        <bdi title={ridges.parameter}>
          {path && <span>{path}</span>}
          {leaf}
        </bdi>
        {onRemove && (
          <button
            type="button"
            class="plain"
            aria-label={words.remove(ridges.parameter)}
            title={words.remove(ridges.parameter)}
            onClick={onRemove}
          >
            ×
          </button>
        )}
      </figcaption>
      {layout ? (
        <Canvas
          width={width}
          height={HEIGHT}
          paint={paint}
          when={[ridges, domain?.low, domain?.high, first, last, chosen, pointed, dark, words]}
          label={words.panel(ridges.parameter, count(ridges.rows.length))}
          tabIndex={0}
          onPointerMove={look}
          onPointerLeave={() => point(null)}
          onBlur={() => point(null)}
          onKeyDown={press}
          onClick={() => pointed && choose({ step: pointed.bin.step, follow: false })}
        />
      ) : (
        <p class="sub">{words.nothing}</p>
      )}
      {pointed && <Reading bin={pointed.bin} x={pointed.x} y={pointed.y} width={width} />}
    </figure>
  );
}

/** What is under the pointer, beside it. */
function Reading({ bin, x, y, width }: { bin: Bin; x: number; y: number; width: number }) {
  const words = t.value.parameters;
  const wide = bin.high - bin.low;
  const share = (100 * bin.share).toLocaleString("en-US", { maximumSignificantDigits: 3 });
  const side = x > width / 2 ? { right: `${width - x + 14}px` } : { left: `${x + 14}px` };
  return (
    <div
      class="reading"
      role="status"
      style={{ ...side, top: `${Math.max(26, y - 20)}px` }}
      data-step={bin.step}
      data-low={bin.low}
      data-high={bin.high}
      data-count={bin.count}
      data-share={bin.share}
    >
      <b>{words.readStep(count(bin.step))}</b>
      <span>
        {edge(bin.low, wide)} ≤ w {bin.last ? "≤" : "<"} {edge(bin.high, wide)}
      </span>
      <span>{words.readCount(count(bin.count), `${share} %`)}</span>
    </div>
  );
}

/** The bin that an arrow key leads to. */
function move(key: string, ridges: Ridges, from: Bin | null, chosen: number | null): Bin | null {
  const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key];
  if (!by) return null;
  const [rows = 0, bins = 0] = by;
  const row = from?.row ?? chosen ?? ridges.rows.length - 1;
  const length = ridges.rows[row]?.counts.length ?? 0;
  const bin = from?.bin ?? Math.floor(length / 2);
  return (from && binAt(ridges, row + rows, bin + bins)) ?? binAt(ridges, row, bin);
}
