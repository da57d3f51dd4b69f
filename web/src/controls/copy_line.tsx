/** The Python line that gives the array in view; a click copies it. */
import { useState } from "preact/hooks";
import { t } from "../state/language.ts";
import { toClipboard } from "./clipboard.ts";

export function CopyLine({ line }: { line: string }) {
  const words = t.value.attention;
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    setCopied(await toClipboard(line));
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <button type="button" class="line" title={words.copy} onClick={copy}>
      <code>{line}</code>
      {copied ? null : (
        <svg width="13" height="13" viewBox="0 0 13 13" aria-hidden="true">
          <path d="M4.5 4.5h7v7h-7zM8.5 4.5v-3h-7v7h3" fill="none" stroke="currentColor" />
        </svg>
      )}
      <span role="status">{copied && words.copied}</span>
    </button>
  );
}
