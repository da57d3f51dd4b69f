/** The Attention page: where does each head look, on this input, at this step? */
import { Frame } from "../controls/frame.tsx";
import { Steps } from "../controls/steps.tsx";
import type { Page } from "../pages.ts";

function Attention() {
  return <Frame side={<Steps />}>{null}</Frame>;
}

export const page: Page = {
  name: "attention",
  order: 1,
  title: (words) => words.attention.title,
  accepts: (run) => run.attention,
  component: Attention,
};
