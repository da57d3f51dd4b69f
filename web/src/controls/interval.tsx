/** How sure a number is, within a drawing: thin 95 %, thick 50 % where that is known. */

export interface Span {
  readonly low: number;
  readonly high: number;
}

interface IntervalProps {
  /** Where a value lies across. */
  x: (value: number) => number;
  y: number;
  wide: Span | null;
  half?: Span | null;
  colour?: string;
}

export function Interval({ x, y, wide, half, colour = "currentColor" }: IntervalProps) {
  const path = ({ low, high }: Span) => `M${x(low)},${y}H${x(high)}`;
  return (
    <g stroke={colour} fill="none">
      {wide && known(wide) && (
        <path data-interval={`${wide.low}:${wide.high}`} d={path(wide)} stroke-width={1.3} />
      )}
      {half && known(half) && <path d={path(half)} stroke-width={3.4} />}
    </g>
  );
}

const known = ({ low, high }: Span) => Number.isFinite(low + high);
