/** Keeps the page alive: looks for new steps while it is seen, and at TensorBoard's word. */
import { signal } from "@preact/signals";
import { refresh } from "../client/client.ts";
import { onReload } from "../client/tensorboard.ts";

const EVERY = 2000;
/** A run counts as training for this long after its last step, in seconds. */
const FRESH = 30;

/** Unix seconds, as of the last look. */
export const now = signal(Date.now() / 1000);

export function isLive(written: number): boolean {
  return now.value - written < FRESH;
}

export function bindLife(): void {
  const look = async () => {
    if (!hidden()) {
      now.value = Date.now() / 1000;
      await refresh(AbortSignal.timeout(15_000));
    }
    setTimeout(look, EVERY);
  };
  void look();
  onReload(() => void refresh());
}

/** TensorBoard hides a tab's frame by style alone, so the document itself still counts as visible. */
export function hidden(): boolean {
  if (document.visibilityState === "hidden") return true;
  try {
    const frame = window.frameElement;
    return frame !== null && window.parent.getComputedStyle(frame).visibility === "hidden";
  } catch {
    return false;
  }
}
