/** The Compare page: what changed between two of anything? Nothing records what it draws yet, and it says so. */
import { EmptyPage } from "../../controls/missing.tsx";
import type { Page } from "../../controls/pages.ts";
import { spoken } from "../../state/language.ts";
import { PageFrame } from "../page_frame.tsx";

export const page: Page = {
  name: "compare",
  order: 6,
  title: { en: "Compare", zh: "对比" },
  accepts: () => false,
};

const say = spoken({
  en: {
    caution: "A difference says that something changed, not that it became better.",
    none: "No comparison in this run",
    noneHow:
      "Two maps are not yet drawn side by side here. In Python their difference is one line, of two steps, two runs or two heads:",
  },
  zh: {
    caution: "差异只说明有变化，不说明变好了。",
    none: "这个运行没有对比",
    noneHow: "这里还不能并排绘制两张图。在 Python 中，两个步、两个运行或两个头之差只需一行：",
  },
});

const LINE =
  'run = ll.open_run("logs/run")\nsite = list(run.sites)[0]\nrun.weights(site, step=-1) - run.weights(site, step=0)';

export default function Compare() {
  const words = say();
  return (
    <PageFrame page={page} caution={words.caution} python="">
      <EmptyPage page={page} title={words.none} code={LINE}>
        {words.noneHow}
      </EmptyPage>
    </PageFrame>
  );
}
