/** The measures of the site in view over all steps, as several panels show them. */
import { useMemo } from "preact/hooks";
import { type Broken, brokenOf, type Series, seriesOf } from "../../answers/series.ts";
import { useAnswer } from "../../controls/use_answer.ts";
import { absent, runName, site } from "../../state/run.ts";
import { selection } from "../../state/selection.ts";
import type { Problem } from "../../types.ts";

interface Measured {
  readonly series: readonly Series[];
  /** How many examples they are means of. */
  readonly examples: number;
  readonly problem: Problem | null;
  /** Rows that are NaN; null: none. */
  readonly broken: Broken | null;
}

/** A distance along an image's rows and lines is none in the image: it is left out. */
const ALONG = "token";

export function useSeries(): Measured {
  const name = site.value?.name ?? absent.value?.name;
  const { answer, problem } = useAnswer(
    runName.value !== null && name !== undefined
      ? { what: "measures", run: runName.value, site: name, steps: 1000 }
      : null,
  );
  const image = site.value?.key_layout != null;
  const series = useMemo(() => {
    const all = answer ? seriesOf(answer) : [];
    return image ? all.filter(({ units }) => units !== ALONG) : all;
  }, [answer, image]);
  const broken = useMemo(() => answer && brokenOf(answer), [answer]);
  return { broken, series, examples: Number(answer?.attrs.examples ?? 0), problem };
}

/** The measure that the heads grid shows, else the usual. */
export function shownOf(series: readonly Series[]): Series | undefined {
  const { colour } = selection.value;
  const named = (name: string) => series.find((measure) => measure.name === name);
  return named(colour) ?? named("entropy") ?? series[0];
}
