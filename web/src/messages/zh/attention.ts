import type { attention as english } from "../en/attention.ts";

const units: Readonly<Record<string, string>> = { token: "词元", share: "份额", nat: "纳特" };

export const attention: typeof english = {
  weightScale: {
    linear: "权重（占一行的份额），线性标度",
    sqrt: "权重（占一行的份额），√ 标度",
    log: "权重（占一行的份额），对数标度",
    percentile: "权重在所在行内的百分位",
  },
  unit: (unit) => units[unit] ?? unit,
  head: (head) => `头 ${head}`,
  mapLabel: (site, head, queries, keys) =>
    `${site} 头 ${head} 的注意力图：${queries} 个查询 × ${keys} 个键`,
  imageLabel: (site, head) => `${site} 头 ${head} 在图像上的权重`,
  row: (query) => `第 ${query} 行`,
  cell: (query, key) => `格 [${query}, ${key}]`,
  notAllowed: "不允许",
  hoverRow: "指向一行可看到数值；点击固定，Esc 取消。",
  hoverPixel: "指向一个像素可看到它的权重；点击固定。",
  hoverQuery: "指向发出查询的像素；点击固定后，再指向它所看的地方。",
  hoverToken: "指向一个词可看到它的权重；点击固定。",
  mass: (weights, share) => `最强的 ${weights} 个权重，占此处总量的 ${share}%`,
  copy: "复制得到这个数组的 Python 代码",
  copied: "已复制",
};
