/** The legend of weights: what the colours stand for, and the ends of the range, to be dragged. */
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { LOG_FLOOR, type Range, type Scale, ticks, weightAt } from "../../cells/scale.ts";
import { Legend } from "../../controls/legend.tsx";
import { px } from "../../controls/px.ts";
import { spoken, t } from "../../state/language.ts";
import { chooseRange, dragged, moved, rangeShown } from "./range.ts";

const say = spoken({
  en: {
    low: "Least weight of the colours",
    high: "Greatest weight of the colours",
    how: "drag it; double click goes back to the layer's own range",
  },
  zh: {
    low: "颜色范围的最小权重",
    high: "颜色范围的最大权重",
    how: "拖动以改变；双击恢复本层自己的范围",
  },
});

interface WeightLegendProps {
  /** The colour of a shade from 0 to 1. */
  colour: (shade: number) => string;
  scale: Scale;
  /** The site's own range at this step. */
  recorded: Range;
  /** The least share of the range that the logarithm tells apart. */
  floor?: number;
  allAllowed?: boolean;
  nan?: boolean;
  children?: ComponentChildren;
}

export function WeightLegend({ colour, scale, recorded, floor, ...rest }: WeightLegendProps) {
  const range = rangeShown(recorded);
  return (
    <Legend
      colour={colour}
      ticks={ticks(scale, range, floor)}
      meaning={t.value.attention.weightScale[scale]}
      ends={
        scale !== "percentile" && (
          <>
            <End end="low" range={range} scale={scale} floor={floor} />
            <End end="high" range={range} scale={scale} floor={floor} />
          </>
        )
      }
      {...rest}
    />
  );
}

interface EndProps {
  end: keyof Range;
  range: Range;
  scale: Scale;
  floor: number | undefined;
}

/** How far an arrow key moves an end, as a share of the ramp. */
const STRIDE = 0.05;

/** One end of the range: where it is let go becomes the end of the ramp. */
function End({ end, range, scale, floor = LOG_FLOOR }: EndProps) {
  const words = say();
  const grip = useRef<{ x: number; range: Range; width: number } | null>(null);
  const [shift, shiftBy] = useState(0);
  const at = end === "high" ? 1 : 0;
  const weight = (shaded: number, from: Range) =>
    moved(from, end, weightAt(shaded, scale, from, floor));
  const release = () => {
    if (dragged.peek()) chooseRange(dragged.peek());
    grip.current = null;
    shiftBy(0);
  };
  return (
    <div
      class="end"
      role="slider"
      tabIndex={0}
      aria-label={words[end]}
      aria-valuemin={0}
      aria-valuemax={1}
      aria-valuenow={range[end]}
      title={`${words[end]}: ${words.how}`}
      data-end={end}
      style={{ left: `${100 * at}%`, ...px({ "margin-left": shift }) }}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        const width = event.currentTarget.parentElement?.clientWidth || 1;
        grip.current = { x: event.clientX, range, width };
      }}
      onPointerMove={(event) => {
        const held = grip.current;
        if (!held) return;
        const by = Math.max(-held.width, Math.min(held.width, event.clientX - held.x));
        shiftBy(by);
        dragged.value = weight(at + by / held.width, held.range);
      }}
      onPointerUp={release}
      onPointerCancel={release}
      onDblClick={() => chooseRange(null)}
      onKeyDown={(event) => {
        const by = { ArrowLeft: -STRIDE, ArrowRight: STRIDE }[event.key];
        if (!by || event.shiftKey) return;
        event.preventDefault();
        chooseRange(weight(at + by, range));
      }}
    />
  );
}
