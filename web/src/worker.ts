/** Decodes answers off the main thread, so that large maps never block a frame. */
import { buffers, decode } from "./wire.ts";

interface Port {
  onmessage: ((event: MessageEvent<{ id: number; bytes: ArrayBuffer }>) => void) | null;
  postMessage(message: unknown, transfer?: Transferable[]): void;
}

const port = self as unknown as Port;

port.onmessage = ({ data: { id, bytes } }) => {
  try {
    const answer = decode(bytes);
    port.postMessage({ id, answer }, buffers(answer));
  } catch (cause) {
    port.postMessage({ id, message: cause instanceof Error ? cause.message : String(cause) });
  }
};
