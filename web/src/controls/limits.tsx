/** What no number of these pages shows, for who asks. */
import { useRef } from "preact/hooks";
import { t } from "../state/language.ts";

export function Limits() {
  const words = t.value.frame;
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <>
      <button type="button" class="link" onClick={() => dialog.current?.showModal()}>
        {words.limits}
      </button>
      <dialog ref={dialog} class="keys limits" aria-labelledby="limits">
        <h2 id="limits">{words.limits}</h2>
        {words.limitsAre.map((sentence) => (
          <p key={sentence}>{sentence}</p>
        ))}
        <button type="button" class="pill" onClick={() => dialog.current?.close()}>
          {t.value.shell.close}
        </button>
      </dialog>
    </>
  );
}
