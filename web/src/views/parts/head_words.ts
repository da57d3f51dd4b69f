/** Words about heads and studies that several panels share. */
import type { HeadStudy } from "../../answers/head_numbers.ts";
import { count } from "../../controls/format.ts";
import { spoken, t } from "../../state/language.ts";
import { runName, wordsOf } from "../../state/run.ts";

const say = spoken({
  en: {
    delta: (metric: string) => `Δ ${metric}`,
    replaced: {
      zero: "zeroed",
      mean: "mean put in",
      sample: "another example's put in",
      uniform: "made uniform",
    } as Readonly<Record<string, string>>,
    firstOrder: "first order, −∂L/∂gate",
    importance: "importance, |∂L/∂gate|",
    nan: "–",
  },
  zh: {
    delta: (metric) => `Δ ${metric}`,
    replaced: { zero: "置零", mean: "换成均值", sample: "换成其他样本", uniform: "改为均匀" },
    firstOrder: "一阶，−∂L/∂gate",
    importance: "重要性，|∂L/∂gate|",
    nan: "–",
  },
});

/** What was done to a head, and what was looked at. */
export function ablationWords(study: HeadStudy | null): string {
  const words = say();
  const replace = String(study?.answer.attrs.replace ?? study?.fact.settings.replace ?? "zero");
  const done = words.replaced[replace] ?? replace;
  return `${done}: ${words.delta(study?.metric ?? "loss")}`;
}

export function fillWords(name: string, study: HeadStudy | null): string {
  if (name === "ablation") return ablationWords(study);
  if (name === "first_order") return say().firstOrder;
  if (name === "importance") return say().importance;
  return wordsOf(name).title;
}

/** The unit of a study's numbers; of a metric without one, its name says enough. */
export function unitOf(study: HeadStudy | null): string {
  const units = study?.units ?? "";
  return units === "its own" ? "" : t.value.attention.unit(units.replace(/ \(.*\)$/, ""));
}

/** How many units a study's numbers rest on, also while it runs. */
export function nOf({ fact, answer }: HeadStudy): string {
  const words = t.value.frame;
  const of = words.unit(fact.of);
  if (fact.state === "finished") return words.n(count(Number(answer.attrs.n ?? fact.n)), of);
  return words.nTasks(count(fact.n), of, count(fact.done), count(fact.tasks));
}

/** A signed number with the digits that its interval leaves sure. */
export function signed(value: number, low: number, high: number): string {
  if (!Number.isFinite(value)) return say().nan;
  const text = plain(Math.abs(value), low, high);
  return `${value < 0 ? "−" : "+"}${text}`;
}

/** A number with the digits that its interval leaves sure, and one more. */
export function plain(value: number, low: number, high: number): string {
  if (!Number.isFinite(value)) return say().nan;
  return value.toFixed(decimals(value, high - low)).replace("-", "−");
}

function decimals(value: number, width: number): number {
  const size = width > 0 ? width : Math.abs(value) / 10;
  if (!(size > 0)) return 2;
  return Math.max(0, Math.min(6, 1 - Math.floor(Math.log10(size))));
}

/** A p-value: never 0, and no digit more than it is known by. */
export function pWords(value: number): string {
  return value < 0.001 ? "< .001" : value.toFixed(3).replace(/^0/, "");
}

/** The Python that opens this run's study of some name. */
export function studyLine(study: HeadStudy | null, name: string): string {
  const replace = String(study?.answer.attrs.replace ?? "");
  const asked = replace && replace !== "zero" ? `, replace=${JSON.stringify(replace)}` : "";
  return `run.study(${JSON.stringify(name)}${asked})`;
}

/** The folder that a line of code names for this run. */
export function folderOf(): string {
  const run = runName.value;
  return run === null || run === "." ? "logs/run" : `logs/${run}`;
}
