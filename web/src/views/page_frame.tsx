/** What every page has: runs and controls in the rail, an answer, its panels, one line at the foot. */
import type { ComponentChildren } from "preact";
import { CopyLine } from "../controls/copy_line.tsx";
import { Frame } from "../controls/frame.tsx";
import { Limits } from "../controls/limits.tsx";
import type { Page } from "../controls/pages.ts";
import { Panels } from "./panels.tsx";

interface PageFrameProps {
  page: Page;
  /** What the numbers here do not show, in one sentence. */
  caution: string;
  /** The Python that gives what is in view; empty: nothing is. */
  python: string;
  /** Shown of a run without steps too. */
  stepless?: boolean;
  children: ComponentChildren;
}

export function PageFrame({ page, caution, python, stepless, children }: PageFrameProps) {
  return (
    <Frame side={<Panels page={page.name} where="side" />} stepless={stepless}>
      <Panels page={page.name} where="answer" />
      {children}
      <footer>
        <span>
          {caution} <Limits />
        </span>
        {python && <CopyLine line={python} />}
      </footer>
    </Frame>
  );
}
