/** The Attention page: where does each head look, on this input, at this step? */
import { useEffect } from "preact/hooks";
import { onKey } from "../../controls/keys.ts";
import { EmptyPage } from "../../controls/missing.tsx";
import type { Page } from "../../controls/pages.ts";
import { spoken } from "../../state/language.ts";
import { facts } from "../../state/run.ts";
import { pythonLine } from "../lenses.ts";
import { PageFrame } from "../page_frame.tsx";
import { Panels } from "../panels.tsx";
import { moveHead, movePin, unpin } from "../parts/pointing.ts";
import style from "./attention.css?inline";

export { style };

export const page: Page = {
  name: "attention",
  order: 1,
  title: { en: "Attention", zh: "注意力" },
  accepts: (run) => run.attention,
};

const say = spoken({
  en: {
    caution: "Attention shows where a head looks, not why the model decides.",
    none: "This run has no attention maps",
    noneHow:
      "Limelight saw no attention in its model, or was given no probe. With a probe, the callback records where each head looks:",
    noneLine:
      'probe = ll.Probe(x_val[:8], tokens=words)\nmodel.fit(x, y, callbacks=[ll.KerasCallback("logs/run", probe)])',
  },
  zh: {
    caution: "注意力显示一个头看向哪里，并不说明模型为何如此决定。",
    none: "这个运行没有注意力图",
    noneHow:
      "Limelight 在模型中没有发现注意力，或没有给它探针。给出探针后，回调会记录每个头看向哪里：",
    noneLine:
      'probe = ll.Probe(x_val[:8], tokens=words)\nmodel.fit(x, y, callbacks=[ll.KerasCallback("logs/run", probe)])',
  },
});

export default function Attention() {
  useKeys();
  const words = say();
  const empty = facts.value && facts.value.sites.length === 0;
  return (
    <PageFrame page={page} caution={words.caution} python={empty ? "" : pythonLine()}>
      {empty ? (
        <EmptyPage page={page} title={words.none} code={words.noneLine}>
          {words.noneHow}
        </EmptyPage>
      ) : (
        <div class="attention">
          <div class="overview">
            <Panels page={page.name} where="overview" />
          </div>
          <Panels page={page.name} where="head" />
        </div>
      )}
    </PageFrame>
  );
}

function useKeys() {
  useEffect(() => {
    const stops = [
      onKey("ArrowLeft", () => moveHead(0, -1)),
      onKey("ArrowRight", () => moveHead(0, 1)),
      onKey("ArrowUp", () => moveHead(-1, 0)),
      onKey("ArrowDown", () => moveHead(1, 0)),
      onKey("Shift+ArrowLeft", () => movePin(0, -1)),
      onKey("Shift+ArrowRight", () => movePin(0, 1)),
      onKey("Shift+ArrowUp", () => movePin(-1, 0)),
      onKey("Shift+ArrowDown", () => movePin(1, 0)),
      onKey("Escape", unpin),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }, []);
}
