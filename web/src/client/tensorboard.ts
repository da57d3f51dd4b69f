/** Bytes from the TensorBoard plugin's routes, and word from TensorBoard that data was reloaded. */
import type { Catalogue, Query } from "../types.ts";
import { Refusal, type Source } from "./source.ts";

/** What a person calls the program that serves this page. */
export const SERVER =
  typeof document !== "undefined" && document.querySelector('meta[name="limelight-host"]')
    ? "limelight show"
    : "TensorBoard";

export const tensorboard: Source = {
  async catalogue(signal) {
    const response = await reach("catalogue", signal);
    return (await response.json()) as Catalogue;
  },
  async answer(query, signal) {
    const response = await reach(`answer?${form(query)}`, signal);
    return response.arrayBuffer();
  },
};

/** A query as the fields of a URL; fields left out keep their defaults on the other side. */
export function form(query: Query): string {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    if (name === "rows" || name === "columns") fields.append(name, value.join(":"));
    else
      for (const element of Array.isArray(value) ? value : [value])
        fields.append(name, String(element));
  }
  return fields.toString();
}

// Relative paths resolve under the page's <base href="plugin/limelight/">, whatever the prefix.
async function reach(path: string, signal: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { signal });
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new Refusal({
      code: "unreachable",
      came: `${SERVER} did not answer.`,
      wanted: "It should still be running.",
      fix: "Start it again; this page goes on by itself.",
    });
  }
  if (response.ok) return response;
  throw new Refusal(await refusal(response));
}

export async function refusal(response: Response) {
  try {
    const problem = (await response.json()).error;
    if (typeof problem?.came === "string") return problem;
  } catch {
    // not ours: told below
  }
  return {
    code: `http-${response.status}`,
    came: `${SERVER} answered ${response.status} ${response.statusText}.`,
    wanted: "Wanted labelled arrays.",
    fix: `Look at the terminal that ${SERVER} runs in.`,
  };
}

/** Call back whenever TensorBoard's reload button or timer has run. */
export function onReload(callback: () => void): void {
  if (window.parent === window) return;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = (event) => {
    try {
      const message = JSON.parse(String(event.data));
      if (message.type === "experimental.DataReloaded") callback();
    } catch {
      // another plugin protocol's words are none of our business
    }
  };
  window.parent.postMessage("experimental.bootstrap", "*", [port2]);
}
