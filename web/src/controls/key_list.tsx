/** The list of keys, as a dialog. */
import { useEffect, useRef } from "preact/hooks";
import { t } from "../state/language.ts";
import { onKey } from "./keys.ts";

export function KeyList({ onClose }: { onClose: () => void }) {
  const words = t.value.shell;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
    // Esc is a key of the page's own, and so no longer closes the dialog by itself.
    return onKey("Escape", onClose);
  }, []);
  const rows: [string, string][] = [
    ["← →", words.keyHead],
    ["↑ ↓", words.keySite],
    ["⇧ ← ↑ → ↓", words.keyCell],
    ["+ − 0", words.keyZoom],
    ["← ↑ → ↓", words.keyMove],
    ["I", words.keyImage],
    ["[ ]", words.keyStep],
    ["Space", words.keyPlay],
    ["Esc", words.keyUnpin],
    ["?", words.keys],
  ];
  return (
    <dialog ref={dialog} class="keys" aria-label={words.keys} onClose={onClose}>
      <h2>{words.keys}</h2>
      <dl>
        {rows.map(([key, deed]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{deed}</dd>
          </div>
        ))}
      </dl>
      <button type="button" class="pill" onClick={() => dialog.current?.close()}>
        {words.close}
      </button>
    </dialog>
  );
}
