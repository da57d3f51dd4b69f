import type { frame as english } from "../en/frame.ts";

const units: Readonly<Record<string, string>> = { examples: "个样本", units: "个单元" };

export const frame: typeof english = {
  tiers: {
    observed: "观察",
    "gradient-attributed": "梯度归因",
    intervened: "干预",
    outcome: "结果",
  },
  goTo: (page) => `查看它的${page} →`,
  notRecorded: "未记录",
  menu: (panel) => `带走“${panel}”`,
  copyLink: "复制链接",
  savePng: "保存 PNG",
  saveSvg: "保存 SVG",
  saveCsv: "保存 CSV",
  copyPython: "复制 Python 代码",
  done: "完成",
  failed: "未成功",
  n: (n, of) => `n = ${n} ${of}`,
  nSoFar: (n, all, of) => `n = ${n} / ${all} ${of}`,
  nTasks: (n, of, done, tasks) => `目前 n = ${n} ${of}，已完成 ${done} / ${tasks} 个任务`,
  oneUnit: (of) => `仅 1 ${of}，没有区间`,
  unit: (of) => units[of] ?? of,
  limits: "这不能说明什么",
  limitsAre: [
    "看向并不等于使用：如果下一层忽略某个向量，再大的权重也不起作用。模型用了什么，要拿掉它再测量才知道。",
    "第一层之后，一个位置已混合了其他位置：两个位置之间的联系不是两个词之间的联系。",
    "一个数值要与随机或均匀注意力的结果相比才有意义；它们写在旁边。",
    "区间只针对所测的样本，对与之不同的数据没有说明。",
  ],
};
