/** Quantiles over steps of the tensor looked at: where most of its values lie, and how far they reach. */

import { lineOf, numberAt, type Tensors, tensorsTable } from "../../answers/tensors.ts";
import { bulk, type Domain, robustDomain, stretched } from "../../cells/axis.ts";
import { PanelMenu } from "../../controls/panel_menu.tsx";
import { spoken } from "../../state/language.ts";
import { selection } from "../../state/selection.ts";
import { harmOf } from "../parts/alerts.ts";
import { Chart } from "../parts/chart.tsx";
import type { ChartLine } from "../parts/chart_marks.tsx";
import type { Panel } from "../parts/panel.ts";
import { coloured, linesIn, useBeside } from "../parts/runs_beside.ts";
import { TensorCaption } from "../parts/tensor_caption.tsx";
import { python } from "../parts/tensor_rows.ts";
import {
  chosenTensors,
  kindShown,
  ordinalOf,
  type Recorded,
  useRecorded,
} from "../parts/tensors.ts";

export const panel: Panel = { pages: ["parameters"], where: "below", order: 2 };

const say = spoken({
  en: {
    quantiles: "quantiles over steps",
    bands: "5 – 95 %, 25 – 75 %, median; thin: least and greatest",
    of: (name: string) => `Quantiles of ${name} over steps`,
    band: "5 – 95 %",
    median: "median",
    q: (share: string) => `${share} %`,
    min: "min",
    max: "max",
    beside: (run: string) => `median, ${run}`,
  },
  zh: {
    quantiles: "分位数随步变化",
    bands: "5 – 95 %、25 – 75 %、中位数；细线：最小与最大",
    of: (name) => `${name} 的分位数随步变化`,
    band: "5 – 95 %",
    median: "中位数",
    q: (share) => `${share} %`,
    min: "最小",
    max: "最大",
    beside: (run) => `中位数，${run}`,
  },
});

export default function Bands() {
  const recorded = useRecorded();
  const chosen = chosenTensors(recorded);
  const [name] = chosen;
  const beside = useBeside(kindShown(), name ? [name] : [], chosen.length === 1);
  // Of several, ridges take the room; their curves are drawn together.
  if (!recorded.shown || name === undefined || chosen.length > 1) return null;
  const others = coloured(linesIn(beside, "q50", name)).map(({ name: run, ...line }) => ({
    ...line,
    name: say().beside(run),
  }));
  return <Quantiles recorded={recorded} name={name} lines={recorded.shown.lines} others={others} />;
}

interface QuantilesProps {
  recorded: Recorded;
  name: string;
  lines: Tensors;
  others: readonly ChartLine[];
}

function Quantiles({ recorded, name, lines, others }: QuantilesProps) {
  const words = say();
  const at = ordinalOf(lines, name);
  const line = (column: string) => lineOf(lines, column, at);
  const all = { q05: line("q05"), q25: line("q25"), q50: line("q50"), q75: line("q75") };
  const [q95, min, max] = [line("q95"), line("min"), line("max")];
  const domain = domainOf(lines, at);
  if (!domain) return null;
  const { steps } = lines;
  const own = (called: string, values: ArrayLike<number>, colour: string, wide: number) => ({
    name: called,
    steps,
    values,
    colour,
    wide,
  });
  const accent = "var(--accent)";
  const faint = "var(--faint)";
  return (
    <figure class="panel bands" data-parameter={name}>
      <TensorCaption recorded={recorded} name={null} text={words.quantiles} hint={words.bands}>
        <PanelMenu
          name={words.of(name)}
          table={() => tensorsTable(lines, [name])}
          python={python(kindShown(), [name])}
        />
      </TensorCaption>
      <Chart
        label={words.of(name)}
        steps={steps}
        domain={domain}
        bad={sinceOf(recorded, name)}
        areas={[
          { steps, low: all.q05, high: q95, colour: accent, opacity: 0.16 },
          { steps, low: all.q25, high: all.q75, colour: accent, opacity: 0.18 },
        ]}
        lines={[
          own(words.max, max, faint, 1),
          { ...own(words.q("95"), q95, "transparent", 0), label: words.band },
          own(words.q("75"), all.q75, "transparent", 0),
          ...others,
          own(words.median, all.q50, accent, 1.8),
          own(words.q("25"), all.q25, "transparent", 0),
          own(words.q("5"), all.q05, "transparent", 0),
          own(words.min, min, faint, 1),
        ]}
      />
    </figure>
  );
}

/** Steps at which something began to go wrong with a tensor. */
function sinceOf({ alerts }: Recorded, name: string): readonly number[] {
  const alert = harmOf(alerts, name);
  return alert ? [alert.since] : [];
}

type Four = [number, number, number, number];

function domainOf(lines: Tensors, at: number): Domain | null {
  const { extent, stretch } = selection.value;
  const spans = lines.steps
    .map((_, row) => {
      const number = (name: string) => numberAt(lines, name, row, at);
      if (extent === "whole") return { low: number("min"), high: number("max") };
      const [q001, q05, q95, q999] = ["q001", "q05", "q95", "q999"].map(number) as Four;
      return bulk({ q001, q05, q95, q999 });
    })
    .filter((span) => Number.isFinite(span.low + span.high));
  if (spans.length === 0) return null;
  const all = {
    low: Math.min(...spans.map((span) => span.low)),
    high: Math.max(...spans.map((span) => span.high)),
  };
  const robust = extent === "whole" ? all : (robustDomain(spans) ?? all);
  const half = robust.high > robust.low ? 0.05 * (robust.high - robust.low) : 0.5;
  return stretched({ low: robust.low - half, high: robust.high + half }, stretch);
}
