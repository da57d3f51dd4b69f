/** The chosen head in numbers: each measure, its 95 % interval, and what uniform attention gives. */
import { pointOf, type Series } from "../../answers/series.ts";
import { count, short } from "../../controls/format.ts";
import { t } from "../../state/language.ts";
import { answersOf } from "../../state/run.ts";

interface ThisHeadProps {
  series: readonly Series[];
  head: number;
  step: number;
  examples: number;
}

export function ThisHead({ series, head, step, examples }: ThisHeadProps) {
  const words = t.value.attention;
  return (
    <section class="this-head">
      <h3>{words.thisHead}</h3>
      <dl>
        {series.map((measure) => {
          const point = pointOf(measure, head, step);
          return (
            <div key={measure.name} data-measure={measure.name} data-value={point.value}>
              <dt title={answers(measure.name)}>{words.measure(measure.name)}</dt>
              <dd>
                {short(point.value)} <span class="sub">{words.unit(measure.units)}</span>
              </dd>
              <dd class="sub">
                {Number.isFinite(point.low) && (
                  <span title={words.intervalWhat(examples)}>
                    {short(point.low)} – {short(point.high)}
                  </span>
                )}
                <span title={words.uniformWhat}>
                  {words.uniformShort} {short(point.uniform)}
                </span>
              </dd>
            </div>
          );
        })}
      </dl>
      <p class="sub">{words.meanOf(count(examples))}</p>
    </section>
  );
}

function answers(name: string): string {
  const words = t.value.attention.answers(name);
  return words || answersOf(name);
}
