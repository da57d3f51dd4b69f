/** Does off the main thread what takes long, so that large maps never block a frame. */
import { type Grain, tileOf } from "../answers/tile.ts";
import { buffers, decode } from "../answers/wire.ts";
import { percentiles } from "../cells/scale.ts";

/** Rows of weights side by side, whose ranks are asked for. */
export interface Rows {
  readonly values: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

/** Decode an answer, or a tile whose cells are to be no finer than a grain; or rank rows. */
export type Work =
  | { readonly bytes: ArrayBuffer; readonly grain: Grain | null }
  | { readonly ranked: readonly Rows[] };

type Task = Work & { readonly id: number };

interface Port {
  onmessage: ((event: MessageEvent<Task>) => void) | null;
  postMessage(message: unknown, transfer?: Transferable[]): void;
}

const port = self as unknown as Port;

/** What is made of it, and the buffers that travel with it. */
function done(work: Work): [unknown, ArrayBuffer[]] {
  if ("ranked" in work) {
    const ranks = work.ranked.map(({ values, rows, columns }) =>
      percentiles(values, rows, columns),
    );
    return [ranks, ranks.map((each) => each.buffer as ArrayBuffer)];
  }
  const answer = decode(work.bytes);
  if (!work.grain) return [answer, buffers(answer)];
  const tile = tileOf(answer, work.grain);
  return [tile, [tile.values.buffer as ArrayBuffer]];
}

port.onmessage = ({ data: { id, ...work } }) => {
  try {
    const [made, transfer] = done(work);
    return port.postMessage({ id, done: made }, transfer);
  } catch (cause) {
    return port.postMessage({
      id,
      message: cause instanceof Error ? cause.message : String(cause),
    });
  }
};
