const units: Readonly<Record<string, string>> = { token: "tokens" };

export const attention = {
  weightScale: {
    linear: "weight (share of a row), linear scale",
    sqrt: "weight (share of a row), √ scale",
    log: "weight (share of a row), log scale",
    percentile: "percentile of the weight within its row",
  },
  unit: (unit: string) => units[unit] ?? unit,
  head: (head: number) => `head ${head}`,
  mapLabel: (site: string, head: number, queries: number, keys: number) =>
    `Attention map of ${site}, head ${head}: ${queries} queries by ${keys} keys`,
  imageLabel: (site: string, head: number) => `Weights of ${site}, head ${head}, over the image`,
  row: (query: number) => `row ${query}`,
  cell: (query: number, key: number) => `cell [${query}, ${key}]`,
  notAllowed: "not allowed",
  hoverRow: "Point at a row for its numbers; click to pin it, Esc to let go.",
  hoverPixel: "Point at a pixel for its weight; click to pin it.",
  hoverQuery: "Point at the pixel that asks; click to pin it, then point at what it looks at.",
  hoverToken: "Point at a word for its weight; click to pin it.",
  mass: (weights: string, share: string) =>
    `${weights} strongest weights, ${share} % of the mass here`,
  copy: "Copy the Python line that gives this array",
  copied: "copied",
};
