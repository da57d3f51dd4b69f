/** The numbers of tensors that a table has columns for, in which table they are, and their words. */
import { count } from "../../controls/format.ts";
import { spoken } from "../../state/language.ts";

export interface Column {
  readonly name: string;
  /** The kind of tensor whose number it is; null: the kind in view. */
  readonly kind: string | null;
  /** Its name in an answer. */
  readonly number: string;
  /** Its line has a logarithmic axis. */
  readonly log?: true;
  /** From where to where it usually is. */
  readonly usual?: readonly [number, number];
  /** It is a share, written in percent. */
  readonly share?: true;
  /** Digits after the point that its error allows. */
  readonly digits?: number;
}

const column = (number: string, more: Partial<Column> = {}): Column => ({
  name: number,
  kind: null,
  number,
  ...more,
});

/** Where an update divided by what it changes usually lies. */
export const USUAL = [1e-4, 1e-2] as const;

/** Every column, in the order of the list of them. */
export const COLUMNS: readonly Column[] = [
  column("std"),
  column("w1_from_start"),
  column("kurtosis", { digits: 1 }),
  { name: "gradient", kind: "gradient", number: "norm", log: true },
  { name: "ratio", kind: "update", number: "ratio", log: true, usual: USUAL },
  column("mean"),
  column("min"),
  column("max"),
  column("norm"),
  column("skew", { digits: 1 }),
  column("near_start", { share: true }),
  column("near_zero", { share: true }),
  column("zeros", { share: true }),
  column("nonfinite"),
  column("headroom"),
  column("dead", { share: true }),
  column("saturated", { share: true }),
  column("units"),
  column("moment1_norm", { kind: "update", log: true }),
  column("moment2_norm", { kind: "update", log: true }),
  column("spectral_norm", { kind: "spectrum" }),
  column("stable_rank", { kind: "spectrum" }),
  column("alpha", { kind: "spectrum" }),
];

/** Colours of several tensors side by side: Okabe and Ito's. */
export const COLOURS: readonly string[] = ["#e8710a", "#0072b2", "#009e73", "#b0518f"];

const USUAL_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  parameter: ["std", "w1_from_start", "kurtosis", "gradient", "ratio", "near_zero", "norm", "mean"],
  gradient: ["norm", "std", "kurtosis", "zeros", "ratio", "mean"],
  update: ["ratio", "norm", "std", "kurtosis", "moment2_norm", "mean"],
  activation: ["std", "mean", "dead", "saturated", "zeros", "kurtosis"],
};
const FALLBACK = ["std", "mean", "kurtosis", "norm", "zeros"];
/** Columns that there is room for at first. */
const AT_FIRST = 5;

/** The kind of tensor a column's numbers are in, where another kind is in view. */
export function kindOf(each: Column, kind: string): string {
  return each.kind ?? kind;
}

/** Columns that have numbers: `has` says which numbers of which kind are recorded. */
export function columnsOf(
  kind: string,
  has: (kind: string, number: string) => boolean,
): readonly Column[] {
  // An activation has a name of its own: no gradient or update is its.
  return COLUMNS.filter(
    (each) =>
      (kind !== "activation" || each.kind === null) &&
      !(each.name === "gradient" && kind === "gradient") &&
      has(kindOf(each, kind), each.number),
  );
}

/** The columns shown: those chosen, as far as there are such, else the usual ones. */
export function columnsShown(
  kind: string,
  chosen: readonly string[],
  all: readonly Column[],
): readonly Column[] {
  const named = all.filter(({ name }) => chosen.includes(name));
  if (named.length > 0) return named;
  const usual = USUAL_COLUMNS[kind] ?? FALLBACK;
  const there = usual.flatMap((name) => all.find((each) => each.name === name) ?? []);
  return there.slice(0, AT_FIRST);
}

/** A number of a column as it is written. */
export function written(each: Column, value: number): string {
  if (Number.isNaN(value)) return "—";
  if (each.share) return percent(value);
  if (each.digits !== undefined && Math.abs(value) < 1e4)
    return value.toFixed(each.digits).replace("-", "−");
  if (each.name === "units" || each.name === "nonfinite") return count(value);
  return compact(value);
}

/** A number in as few letters as a narrow column has room for. */
export function compact(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "—" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size < 1e-3 || size >= 1e5) return powerOf(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  const text = value.toFixed(digits);
  return text.replace("-", "−");
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

function powerOf(value: number): string {
  const [digits = "", exponent = ""] = value.toExponential(0).split("e");
  const raised = [...exponent.replace(/[+-]/, "")].map((digit) => RAISED[Number(digit)]).join("");
  return `${digits.replace("-", "−")}·10${exponent.startsWith("-") ? "⁻" : ""}${raised}`;
}

/** A share in percent, in no more digits than it has a use for. */
export function percent(share: number): string {
  if (!Number.isFinite(share)) return "—";
  const shown = 100 * share;
  const digits = shown === 0 || shown >= 10 ? 0 : shown >= 1 ? 1 : 2;
  if (shown > 0 && shown < 0.01) return "<0.01 %";
  return `${shown.toFixed(digits).replace("-", "−")} %`;
}

interface ColumnWords {
  readonly title: string;
  /** Its unit, or what it is measured by, in a few letters. */
  readonly unit: string;
  readonly what: string;
}

const words = (title: string, unit: string, what: string): ColumnWords => ({ title, unit, what });

export const columnWords = spoken({
  en: {
    std: words("std", "± of values", "Standard deviation of the finite values, divided by n"),
    w1_from_start: words(
      "moved",
      "W₁ from start",
      "Wasserstein-1 distance from the first recorded step: how far values moved, on average",
    ),
    kurtosis: words("kurtosis", "excess", "Excess kurtosis: 0 for a normal distribution"),
    gradient: words("gradient", "norm, log", "Norm of the gradient as the optimizer got it"),
    ratio: words(
      "update ÷ weight",
      "log; 10⁻⁴ – 10⁻²",
      "Norm of the change that the recorded step made, by the norm of what it changed",
    ),
    mean: words("mean", "of values", "Mean of the finite values"),
    min: words("min", "least", "Least finite value"),
    max: words("max", "greatest", "Greatest finite value"),
    norm: words("norm", "Euclidean", "Euclidean norm of the finite values"),
    skew: words("skew", "third moment", "Skewness: 0 where both sides are alike"),
    near_start: words(
      "near zero",
      "of first std",
      "Share of values within 0.01 of the std that the tensor began with",
    ),
    near_zero: words(
      "near zero",
      "of own std",
      "Share of values with |w| ≤ 0.001 × std; exact zeros always count",
    ),
    zeros: words("zeros", "exactly 0", "Share of values that are exactly zero"),
    nonfinite: words("not finite", "values", "How many values are NaN or infinite"),
    headroom: words("headroom", "doublings", "How often the largest value may double"),
    dead: words("dead", "of units", "Share of units that are zero at every position of the probe"),
    saturated: words("saturated", "of values", "Share of values at the ends of tanh or sigmoid"),
    units: words("units", "count", "How many units the layer has"),
    moment1_norm: words("moment 1", "norm, log", "Norm of the optimizer's mean of gradients"),
    moment2_norm: words("moment 2", "norm, log", "Norm of the optimizer's mean of squares"),
    spectral_norm: words("spectral norm", "σ₁", "Greatest singular value"),
    stable_rank: words("stable rank", "‖W‖² ÷ σ₁²", "Squared norm by the squared spectral norm"),
    alpha: words("tail α", "exponent", "Exponent of the tail of the spectrum"),
    first: words("gradient", "first time step", "Norm of the gradient at the first time step"),
    last: words("gradient", "last time step", "Norm of the gradient at the last time step"),
    most: words("gradient", "greatest", "Greatest norm of the gradient at a time step"),
  },
  zh: {
    std: words("标准差", "数值 ±", "有限值的标准差（除以 n）"),
    w1_from_start: words(
      "移动",
      "W₁，自首步",
      "与首个记录步的 Wasserstein-1 距离：数值平均移动了多少",
    ),
    kurtosis: words("峰度", "超额", "超额峰度：正态分布为 0"),
    gradient: words("梯度", "范数，对数", "优化器得到的梯度的范数"),
    ratio: words(
      "更新 ÷ 权重",
      "对数；10⁻⁴ – 10⁻²",
      "所记录的一步造成的变化的范数，除以被改变者的范数",
    ),
    mean: words("均值", "数值", "有限值的均值"),
    min: words("最小值", "最小", "最小的有限值"),
    max: words("最大值", "最大", "最大的有限值"),
    norm: words("范数", "欧几里得", "有限值的欧几里得范数"),
    skew: words("偏度", "三阶矩", "偏度：两侧相同时为 0"),
    near_start: words("接近零", "按首步标准差", "在初始标准差的 0.01 倍以内的数值所占比例"),
    near_zero: words(
      "接近零",
      "按自身标准差",
      "满足 |w| ≤ 0.001 × 标准差的数值所占比例；恰为零的总是计入",
    ),
    zeros: words("零", "恰为 0", "恰好为零的数值所占比例"),
    nonfinite: words("非有限", "个数", "NaN 或无穷大的个数"),
    headroom: words("余量", "可翻倍次数", "最大值还能翻倍多少次"),
    dead: words("失活", "占单元", "在探针的每个位置上都为零的单元所占比例"),
    saturated: words("饱和", "占数值", "处于 tanh 或 sigmoid 两端的数值所占比例"),
    units: words("单元", "个数", "该层有多少个单元"),
    moment1_norm: words("一阶矩", "范数，对数", "优化器的梯度均值的范数"),
    moment2_norm: words("二阶矩", "范数，对数", "优化器的平方均值的范数"),
    spectral_norm: words("谱范数", "σ₁", "最大的奇异值"),
    stable_rank: words("稳定秩", "‖W‖² ÷ σ₁²", "范数的平方除以谱范数的平方"),
    alpha: words("尾部 α", "指数", "谱尾部的指数"),
    first: words("梯度", "首个时间步", "首个时间步上梯度的范数"),
    last: words("梯度", "末个时间步", "末个时间步上梯度的范数"),
    most: words("梯度", "最大", "各时间步中梯度的最大范数"),
  },
});

/** A column's words; one that is not known has its name. */
export function wordsOfColumn(name: string): ColumnWords {
  const known: Readonly<Record<string, ColumnWords>> = columnWords();
  return known[name] ?? words(name.replaceAll("_", " "), "", name);
}
