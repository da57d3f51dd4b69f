/** What colours stand for: a stretch of the table with its numbers and units, and the marks. */
import type { ComponentChildren } from "preact";
import { t } from "../state/language.ts";

interface LegendProps {
  /** The colour of a shade from 0 to 1. */
  colour: (shade: number) => string;
  ticks: readonly { text: string; shade: number }[];
  /** Quantity, unit and scale in words. */
  meaning: string;
  /** Whether every key may be attended; where not, the mark of those that may not is explained. */
  allAllowed?: boolean;
  nan?: boolean;
  /** What the ends of the ramp are moved by. */
  ends?: ComponentChildren;
  children?: ComponentChildren;
}

const STOPS = 24;

export function Legend(props: LegendProps) {
  const { colour, ticks, meaning, allAllowed = true, nan, ends, children } = props;
  const words = t.value.attention;
  const stops = Array.from({ length: STOPS + 1 }, (_, index) => colour(index / STOPS));
  return (
    <div class="legend">
      <div class="ramp">
        <div
          role="img"
          aria-label={`${meaning}: ${ticks.map((tick) => tick.text).join(", ")}`}
          style={{ background: `linear-gradient(to right, ${stops.join(", ")})` }}
        />
        {ticks.map((tick) => (
          <span key={tick.text} style={{ left: `${100 * tick.shade}%` }}>
            {tick.text}
          </span>
        ))}
        {ends}
      </div>
      <p class="sub">
        {/* A space, so that a line may break here. */}
        {meaning}{" "}
        {!allAllowed && (
          <span class="key">
            <i class="swatch not-allowed" aria-hidden="true" />
            {words.notAllowed}
          </span>
        )}
        {nan && (
          <span class="key">
            <i class="swatch nan" aria-hidden="true" />
            NaN
          </span>
        )}
        {children}
      </p>
    </div>
  );
}
