/** The Bias page: does the model lean on the wrong thing, and did a remedy help? Nothing records what it draws yet, and it says so. */
import { EmptyPage } from "../../controls/missing.tsx";
import type { Page } from "../../controls/pages.ts";
import { spoken } from "../../state/language.ts";
import { PageFrame } from "../page_frame.tsx";

export const page: Page = {
  name: "bias",
  order: 5,
  title: { en: "Bias", zh: "偏差" },
  accepts: () => false,
};

const say = spoken({
  en: {
    caution:
      "Attention is a good smoke detector until you train on it. No verdict here rests on attention.",
    none: "No audit in this run",
    noneHow:
      "Whether the model leans on the wrong thing is not measured by this version. What a head does for the loss of a group is:",
  },
  zh: {
    caution: "在用它训练之前，注意力是好的烟雾探测器。这里的结论都不依赖注意力。",
    none: "这个运行没有审计",
    noneHow: "此版本不测量模型是否依赖了错误的东西。它可以测量一个头对某一组的损失有何作用：",
  },
});

const LINE = 'll.ablation(model, (x_group, y_group), metric="loss", run="logs/run")';

export default function Bias() {
  const words = say();
  return (
    <PageFrame page={page} caution={words.caution} python="">
      <EmptyPage page={page} title={words.none} code={LINE}>
        {words.noneHow}
      </EmptyPage>
    </PageFrame>
  );
}
