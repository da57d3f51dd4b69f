/** The Heads page: which heads do what, and which matter? */
import { useEffect } from "preact/hooks";
import { onKey } from "../../controls/keys.ts";
import { EmptyPage } from "../../controls/missing.tsx";
import type { Page } from "../../controls/pages.ts";
import { spoken } from "../../state/language.ts";
import { choose, facts, runCard, step } from "../../state/run.ts";
import { PageFrame } from "../page_frame.tsx";
import { Panels } from "../panels.tsx";
import { studyLine } from "../parts/head_words.ts";
import { chosenHead, type Heads as Known, useHeads } from "../parts/heads.ts";
import style from "./heads.css?inline";

export { style };

export const page: Page = {
  name: "heads",
  order: 2,
  title: { en: "Heads", zh: "注意力头" },
  accepts: (run) => run.studied > 0 || run.attention,
};

const say = spoken({
  en: {
    caution: "A map says where a head looks; only taking it away says whether the output needs it.",
    none: "This run has neither attention maps nor studies of heads",
    noneHow:
      "With a probe, the callback records where each head looks; a study says which heads matter:",
  },
  zh: {
    caution: "图上的数值说明头看向哪里；只有去掉它才能说明输出是否需要它。",
    none: "这个运行既没有注意力图，也没有对头的研究",
    noneHow: "给出探针后，回调会记录每个头看向哪里；研究则说明哪些头重要：",
  },
});

const LINE = `probe = ll.Probe(x_val[:8], tokens=words)
model.fit(x, y, callbacks=[ll.KerasCallback("logs/run", probe)])
ll.ablation(model, (x_val, y_val), metric="loss", run="logs/run")`;

export default function Heads() {
  const words = say();
  const heads = useHeads();
  useKeys(heads);
  const studied = (runCard.value?.studied ?? 0) > 0;
  const none = !studied && facts.value !== null && facts.value.sites.length === 0;
  return (
    <PageFrame
      page={page}
      caution={words.caution}
      python={none ? "" : pythonOf(heads)}
      stepless={studied}
    >
      {none ? (
        <EmptyPage page={page} title={words.none} code={LINE}>
          {words.noneHow}
        </EmptyPage>
      ) : (
        <div class={heads.rows.length === 1 ? "heads lone" : "heads"}>
          {heads.rows.length !== 1 && (
            <>
              <div class="hub">
                <Panels page={page.name} where="hub" />
              </div>
              <div class="matter">
                <Panels page={page.name} where="matter" />
              </div>
            </>
          )}
          <div class="card-room">
            <Panels page={page.name} where="card" />
          </div>
        </div>
      )}
    </PageFrame>
  );
}

function pythonOf(heads: Known): string {
  const row = chosenHead(heads);
  if (!row) return "";
  const where = `.sel(site=${JSON.stringify(row.site)}, ${heads.by}=${row.head})`;
  if (heads.ablation) return `${studyLine(heads.ablation, "ablation")}${where}`;
  return `run.measures(step=${step.value})${where}`;
}

/** Arrow keys walk over the matrix. */
function useKeys(heads: Known) {
  useEffect(() => {
    const move = (down: number, across: number) => {
      const from = chosenHead(heads);
      if (!from) return;
      const at = from.at + down;
      const layer = heads.rows.filter((row) => row.at === at);
      const head = Math.max(0, Math.min(layer.length - 1, from.head + across));
      const to = layer[head];
      if (to) choose({ site: to.site, head: to.head });
    };
    const stops = [
      onKey("ArrowLeft", () => move(0, -1)),
      onKey("ArrowRight", () => move(0, 1)),
      onKey("ArrowUp", () => move(-1, 0)),
      onKey("ArrowDown", () => move(1, 0)),
      onKey("Escape", () => choose({ site: null, head: 0 })),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  });
}
