/** Decodes answers off the main thread, so that large maps never block a frame. */
import { type Grain, tileOf } from "../answers/tile.ts";
import { buffers, decode } from "../answers/wire.ts";

interface Task {
  readonly id: number;
  /** How coarse the tile's cells are to be; null asks for the answer itself. */
  readonly grain: Grain | null;
  readonly bytes: ArrayBuffer;
}

interface Port {
  onmessage: ((event: MessageEvent<Task>) => void) | null;
  postMessage(message: unknown, transfer?: Transferable[]): void;
}

const port = self as unknown as Port;

port.onmessage = ({ data: { id, grain, bytes } }) => {
  try {
    const answer = decode(bytes);
    if (!grain) return port.postMessage({ id, done: answer }, buffers(answer));
    const tile = tileOf(answer, grain);
    return port.postMessage({ id, done: tile }, [tile.values.buffer as ArrayBuffer]);
  } catch (cause) {
    return port.postMessage({
      id,
      message: cause instanceof Error ? cause.message : String(cause),
    });
  }
};
