/** The Paths page: how does this input reach the output? Nothing records what it draws yet, and it says so. */
import { EmptyPage } from "../../controls/missing.tsx";
import type { Page } from "../../controls/pages.ts";
import { spoken } from "../../state/language.ts";
import { PageFrame } from "../page_frame.tsx";

export const page: Page = {
  name: "paths",
  order: 3,
  title: { en: "Paths", zh: "路径" },
  accepts: () => false,
};

const say = spoken({
  en: {
    caution:
      "A path of weights is one reading among several; masking a word says whether the output needs it.",
    none: "No paths in this run",
    noneHow:
      "How an input reaches the output is not recorded by this version. Its attention maps are, layer by layer, and multiply in Python:",
  },
  zh: {
    caution: "权重的路径只是多种读法之一；遮住一个词才知道输出是否需要它。",
    none: "这个运行没有路径",
    noneHow: "此版本不记录输入如何到达输出。它逐层记录注意力图，可在 Python 中相乘：",
  },
});

const LINE =
  'run = ll.open_run("logs/run")\nmaps = [run.weights(site)[0].mean("head") for site in run.sites]';

export default function Paths() {
  const words = say();
  return (
    <PageFrame page={page} caution={words.caution} python="">
      <EmptyPage page={page} title={words.none} code={LINE}>
        {words.noneHow}
      </EmptyPage>
    </PageFrame>
  );
}
