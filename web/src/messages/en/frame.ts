/** Words that every page's frame shares. */
export const frame = {
  tiers: {
    observed: "observed",
    "gradient-attributed": "gradient-attributed",
    intervened: "intervened",
    outcome: "outcome",
  },
  goTo: (page: string) => `See its ${page.toLowerCase()} →`,
  notRecorded: "not recorded",
  menu: (panel: string) => `Take “${panel}” along`,
  copyLink: "Copy link",
  savePng: "Save PNG",
  saveSvg: "Save SVG",
  saveCsv: "Save CSV",
  copyPython: "Copy Python line",
  done: "done",
  failed: "did not work",
  n: (n: string, of: string) => `n = ${n} ${of}`,
  nSoFar: (n: string, all: string, of: string) => `n = ${n} of ${all} ${of}`,
  nTasks: (n: string, of: string, done: string, tasks: string) =>
    `n = ${n} ${of} so far, ${done} of ${tasks} tasks`,
  oneUnit: (of: string) => `one of the ${of}, no interval`,
  unit: (of: string) => of,
  limits: "What this does not show",
  limitsAre: [
    "Looked at is not used: a large weight on a vector that the next layer ignores changes nothing. What the model uses is seen by taking something away and measuring again.",
    "Beyond the first layer a position is a mixture of others: a link between two positions is no link between two words.",
    "A number says little without what chance or uniform attention gives; that stands beside it.",
    "Intervals are over the examples measured, and say nothing of data that does not resemble them.",
  ],
};
