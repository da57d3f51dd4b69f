/**
 * What a number may claim, as a mark: a ring is observed, a half-filled one attributed by gradients,
 * a full one intervened, a square an outcome. The same in charts, tables and legends.
 */
import { t } from "../state/language.ts";

export type Tier = "observed" | "gradient-attributed" | "intervened" | "outcome";

interface MarkProps {
  tier: Tier;
  x: number;
  y: number;
  /** Half of its width. */
  size?: number;
  /** Takes this colour instead of the text's. */
  colour?: string;
}

/** The mark within a drawing. */
export function Mark({ tier, x, y, size = 4.2, colour = "currentColor" }: MarkProps) {
  const inner = size - 0.4;
  if (tier === "outcome")
    return (
      <rect
        data-tier={tier}
        x={x - inner}
        y={y - inner}
        width={2 * inner}
        height={2 * inner}
        fill={colour}
      />
    );
  if (tier === "intervened")
    return <circle data-tier={tier} cx={x} cy={y} r={size} fill={colour} />;
  return (
    <g data-tier={tier}>
      <circle cx={x} cy={y} r={inner} fill="var(--ground)" stroke={colour} stroke-width={1.5} />
      {tier === "gradient-attributed" && (
        <path
          fill={colour}
          d={`M${x},${y - size + 0.2}A${size - 0.2},${size - 0.2} 0 0 0 ${x},${y + size - 0.2}Z`}
        />
      )}
    </g>
  );
}

/** The mark and what it stands for. */
export function TierKey({ tier, text }: { tier: Tier; text?: string }) {
  return (
    <span class="tier">
      <svg width="10" height="10" aria-hidden="true">
        <Mark tier={tier} x={5} y={5} />
      </svg>
      {text ?? t.value.frame.tiers[tier]}
    </span>
  );
}

/** The tier that a study or an analysis names, or observed where it names none of ours. */
export function tierOf(name: string): Tier {
  const known: readonly Tier[] = ["observed", "gradient-attributed", "intervened", "outcome"];
  return known.find((tier) => tier === name) ?? "observed";
}
