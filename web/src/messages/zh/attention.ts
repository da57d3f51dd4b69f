import type { attention as english } from "../en/attention.ts";

const measures: Readonly<Record<string, string>> = {
  entropy: "熵",
  distance: "距离",
  maximum: "最大权重",
  first_key_share: "首键份额",
};
const answers: Readonly<Record<string, string>> = {
  entropy: "每个查询的注意力在键上有多分散。",
  distance: "每个查询与它所看的键之间的平均距离。",
  maximum: "每个查询的注意力中，单个键所占的最大份额。",
  first_key_share: "每个查询的注意力中，落在第一个键上的份额。",
};
const units: Readonly<Record<string, string>> = { token: "词元", share: "份额", nat: "纳特" };

export const attention: typeof english = {
  title: "注意力",
  examples: "样本",
  exampleNumber: (example) => `样本 ${example}`,
  colours: "颜色",
  colour: "显示",
  colourWhat: "每个头的小图显示什么：缩小的注意力图，或一项度量",
  map: "注意力图",
  scale: "标度",
  scaleWhat: "权重如何变成颜色；在线性标度上，一个占去大部分的键会掩盖其余的键",
  scales: { linear: "线性", sqrt: "√", log: "对数", percentile: "行内百分位" },
  weightScale: {
    linear: "权重（占一行的份额），线性标度",
    sqrt: "权重（占一行的份额），√ 标度",
    log: "权重（占一行的份额），对数标度",
    percentile: "权重在所在行内的百分位",
  },
  reduce: "缩小时",
  reduceWhat: "一个格子代表多个时显示什么",
  reduces: { max: "最大值", mean: "平均值" },
  joined: { max: "已缩小：格子的最大值", mean: "已缩小：格子的平均值" },
  under: (reduce, block) =>
    block
      ? `小图：至多 ${block} 个格子的${reduce === "max" ? "最大值" : "平均值"}`
      : "小图：逐格显示",
  thisHead: "这个头",
  measure: (name) => measures[name] ?? name,
  answers: (name) => answers[name] ?? "",
  unit: (unit) => units[unit] ?? unit,
  intervalWhat: (examples) => `对 ${examples} 个样本自助抽样的 95% 区间`,
  uniform: "均匀注意力",
  uniformShort: "均匀",
  uniformWhat: "所有允许的键权重相同时的度量值",
  meanOf: (examples) => (examples === "1" ? "仅一个样本" : `${examples} 个样本的均值，95% 区间`),
  sites: (sites) => `${sites} 处注意力`,
  sitesHeads: (sites, heads) => `${sites} 层 × ${heads} 个头`,
  axes: "键 → · 查询 ↓",
  gridLabel: (title) => `头的网格，${title}。方向键选择一个头。`,
  head: (head) => `头 ${head}`,
  otherHeads: "同一层的其他头",
  over: (measure) => `训练中的${measure}`,
  curveWhat: (unit, heads) => (heads === 1 ? unit : `${unit}，这个头与同层共 ${heads} 个头`),
  lens: "视图",
  lenses: { map: "注意力图", image: "图像", tokens: "词元", links: "连线" },
  kinds: { self: "自注意力", cross: "交叉注意力", pooling: "注意力池化" },
  stored: (name, error) => (error === 0 ? name : `${name}，精确到 ${error.toPrecision(1)}`),
  mapLabel: (site, head, queries, keys) =>
    `${site} 头 ${head} 的注意力图：${queries} 个查询 × ${keys} 个键`,
  imageLabel: (site, head) => `${site} 头 ${head} 在图像上的权重`,
  row: (query) => `第 ${query} 行`,
  cell: (query, key) => `格 [${query}, ${key}]`,
  position: (key) => `键 ${key}`,
  more: (count) => ` … 还有 ${count} 个`,
  notAllowed: "不允许",
  hoverRow: "指向一行可看到数值；点击固定，Esc 取消。",
  hoverPixel: "指向一个像素可看到它的权重；点击固定。",
  hoverQuery: "指向发出查询的像素；点击固定后，再指向它所看的地方。",
  hoverToken: "指向一个词可看到它的权重；点击固定。",
  zoomHow: "滚轮缩放 · 拖动平移 · 双击显示全部",
  zoomKeys: "滚轮、拖动、+ − 和 0 缩放 · 双击到达格子，再双击返回",
  joinedCells: (reduce, down, across) =>
    `每格：${down} × ${across} 个权重的${reduce === "max" ? "最大值" : "平均值"}`,
  everyCell: "每格：一个权重",
  ofCells: (reduce, down, across) =>
    `${down} × ${across} 个的${reduce === "max" ? "最大值" : "平均值"}：`,
  noPercentiles: "行内百分位需要整行，此处改用对数",
  together: (keys, share) => `最强的 ${keys} 个：占该行的 ${share}%`,
  mass: (weights, share) => `最强的 ${weights} 个权重，占此处总量的 ${share}%`,
  massRecorded: (weights) => `整张图最强的权重中的 ${weights} 个`,
  strip: "所有键并排显示，每列的强度为其中最强的权重",
  linksLabel: (site, head) => `${site} 头 ${head} 最强的权重，从左侧的查询连到右侧的键`,
  hoverLink: "指向左侧的查询或右侧的键可看到它的连线；点击固定。",
  caution: "注意力显示一个头看向哪里，并不说明模型为何如此决定。",
  copy: "复制得到这个数组的 Python 代码",
  copied: "已复制",
  none: "这个运行没有注意力图",
  noneHow:
    "Limelight 在模型中没有发现注意力，或没有给它探针。给出探针后，回调会记录每个头看向哪里：",
  noneLine:
    'probe = ll.Probe(x_val[:8], tokens=words)\nmodel.fit(x, y, callbacks=[ll.KerasCallback("logs/run", probe)])',
  goTo: (page) => `查看它的${page} →`,
};
