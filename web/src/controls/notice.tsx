/** What is said where there is nothing to draw. */
import type { ComponentChildren } from "preact";
import { t } from "../state/language.ts";
import type { Problem } from "../types.ts";

interface NoticeProps {
  title: string;
  code?: string;
  busy?: boolean;
  /** What can be done from here. */
  action?: ComponentChildren;
  children?: ComponentChildren;
}

export function Notice({ title, code, busy, action, children }: NoticeProps) {
  return (
    <div class="notice" role="status">
      <h2>
        {busy && <i class="spinner" aria-hidden="true" />}
        {title}
      </h2>
      {children && <p>{children}</p>}
      {code && <pre>{code}</pre>}
      {action && <p>{action}</p>}
    </div>
  );
}

/** An error with its facts: what came, what was wanted, what to do. */
export function ProblemNotice({ problem }: { problem: Problem }) {
  const words = t.value.shell;
  return (
    <div class="notice problem" role="alert" data-code={problem.code}>
      <h2>{words.problem}</h2>
      <dl>
        <dt>{words.came}</dt>
        <dd>{problem.came}</dd>
        <dt>{words.wanted}</dt>
        <dd>{problem.wanted}</dd>
        <dt>{words.fix}</dt>
        <dd>{problem.fix}</dd>
      </dl>
    </div>
  );
}
