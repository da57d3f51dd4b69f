const measures: Readonly<Record<string, string>> = {
  entropy: "entropy",
  distance: "distance",
  maximum: "greatest weight",
  first_key_share: "first-key share",
};
const units: Readonly<Record<string, string>> = { token: "tokens" };

export const attention = {
  title: "Attention",
  examples: "Examples",
  exampleNumber: (example: number) => `example ${example}`,
  colours: "Colours",
  colour: "show",
  colourWhat: "What a head's picture shows: its map in small, or one measure",
  map: "map",
  scale: "scale",
  scaleWhat: "How weights become colours; one key that takes most hides the rest on a linear scale",
  scales: { linear: "linear", sqrt: "√", log: "log", percentile: "row percentile" },
  weightScale: {
    linear: "weight (share of a row), linear scale",
    sqrt: "weight (share of a row), √ scale",
    log: "weight (share of a row), log scale",
    percentile: "percentile of the weight within its row",
  },
  reduce: "zoomed out",
  reduceWhat: "What a cell shows that stands for several",
  reduces: { max: "max", mean: "mean" },
  joined: { max: "zoomed out: max of the cells", mean: "zoomed out: mean of the cells" },
  under: (reduce: "max" | "mean", block: string | null) =>
    block ? `thumbnails: ${reduce} of up to ${block} cells` : "thumbnails: every cell",
  thisHead: "This head",
  measure: (name: string) => measures[name] ?? name,
  answers: (_name: string) => "",
  unit: (unit: string) => units[unit] ?? unit,
  intervalWhat: (examples: number) => `95 % bootstrap interval over ${examples} examples`,
  uniform: "uniform attention",
  uniformShort: "uniform",
  uniformWhat: "What the measure gives when every allowed key gets the same weight",
  meanOf: (examples: string) =>
    examples === "1" ? "of one example" : `mean of ${examples} examples, 95 % interval`,
  sites: (sites: number) => `${sites} ${sites === 1 ? "site" : "sites"}`,
  sitesHeads: (sites: number, heads: number) =>
    `${sites} ${sites === 1 ? "layer" : "layers"} × ${heads} ${heads === 1 ? "head" : "heads"}`,
  axes: "key → · query ↓",
  gridLabel: (title: string) => `Heads grid, ${title}. Arrow keys choose a head.`,
  head: (head: number) => `head ${head}`,
  otherHeads: "other heads of this layer",
  over: (measure: string) => `${measure.charAt(0).toUpperCase()}${measure.slice(1)} over training`,
  curveWhat: (unit: string, heads: number) =>
    heads === 1 ? unit : `${unit}, this head among the ${heads} of its layer`,
  lens: "View",
  lenses: { map: "map", image: "image", tokens: "tokens", links: "links" },
  kinds: { self: "self attention", cross: "cross attention", pooling: "attention pooling" },
  stored: (name: string, error: number) =>
    error === 0 ? name : `${name}, exact to ${error.toPrecision(1)}`,
  mapLabel: (site: string, head: number, queries: number, keys: number) =>
    `Attention map of ${site}, head ${head}: ${queries} queries by ${keys} keys`,
  imageLabel: (site: string, head: number) => `Weights of ${site}, head ${head}, over the image`,
  row: (query: number) => `row ${query}`,
  cell: (query: number, key: number) => `cell [${query}, ${key}]`,
  position: (key: number) => `key ${key}`,
  more: (count: number) => ` … ${count} more`,
  notAllowed: "not allowed",
  hoverRow: "Point at a row for its numbers; click to pin it, Esc to let go.",
  hoverPixel: "Point at a pixel for its weight; click to pin it.",
  hoverQuery: "Point at the pixel that asks; click to pin it, then point at what it looks at.",
  hoverToken: "Point at a word for its weight; click to pin it.",
  zoomHow: "wheel zooms · drag moves · double click shows all",
  zoomKeys: "wheel, drag, + − and 0 zoom · double click goes to the cells and back",
  joinedCells: (reduce: "max" | "mean", down: number, across: number) =>
    `each cell: ${reduce} of ${down} × ${across} weights`,
  everyCell: "each cell: one weight",
  ofCells: (reduce: "max" | "mean", down: number, across: number) =>
    `${reduce} of ${down} × ${across}:`,
  noPercentiles: "row percentile needs the whole row: log instead",
  together: (keys: number, share: string) => `the ${keys} strongest: ${share} % of the row`,
  mass: (weights: string, share: string) =>
    `${weights} strongest weights, ${share} % of the mass here`,
  massRecorded: (weights: string) => `${weights} of the strongest weights of the whole map`,
  strip: "All keys side by side, each column as strong as its strongest weight",
  linksLabel: (site: string, head: number) =>
    `Strongest weights of ${site}, head ${head}, as lines from queries, left, to keys, right`,
  hoverLink: "Point at a query on the left or a key on the right for its lines; click to pin it.",
  caution: "Attention shows where a head looks, not why the model decides.",
  copy: "Copy the Python line that gives this array",
  copied: "copied",
  none: "This run has no attention maps",
  noneHow:
    "Limelight saw no attention in its model, or was given no probe. With a probe, the callback records where each head looks:",
  noneLine:
    'probe = ll.Probe(x_val[:8], tokens=words)\nmodel.fit(x, y, callbacks=[ll.KerasCallback("logs/run", probe)])',
  goTo: (page: string) => `See its ${page.toLowerCase()} →`,
};
