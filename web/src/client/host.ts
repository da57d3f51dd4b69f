/** Who serves this page: TensorBoard, or limelight alone, which may run a model too. */
import { Refusal } from "./source.ts";
import { refusal } from "./tensorboard.ts";

/** What can be run, as the server says. */
export interface Model {
  readonly asks: "text" | "ids";
  /** Titles of the examples there are. */
  readonly examples: readonly string[];
}

/** One input for the model. */
export type Asked = { readonly text: string } | { readonly example: number };

const KEPT = "limelight.token";
const HEADER = "X-Limelight-Token";

const meta = (name: string) =>
  typeof document === "undefined"
    ? null
    : (document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? null);

/** The model that may be run; null where there is none, as always within TensorBoard. */
export const model: Model | null = JSON.parse(meta("limelight-model") ?? "null");

/** The token of the printed address; it leaves the address at once, so that no copied link has it. */
export const token: string | null = model && taken();

function taken(): string | null {
  const url = new URL(window.location.href);
  const given = url.searchParams.get("token");
  try {
    if (given !== null) sessionStorage.setItem(KEPT, given);
    if (given !== null) {
      url.searchParams.delete("token");
      window.history.replaceState(window.history.state, "", url);
    }
    return given ?? sessionStorage.getItem(KEPT);
  } catch {
    return given; // a page without storage forgets it with the next reload
  }
}

/** Run the model once; the name of the run that its attention was recorded as. */
export async function runModel(asked: Asked): Promise<string> {
  let response: Response;
  try {
    response = await fetch("run", {
      method: "POST",
      headers: { [HEADER]: token ?? "", "Content-Type": "application/json" },
      body: JSON.stringify(asked),
    });
  } catch {
    throw new Refusal({
      code: "unreachable",
      came: "The server did not answer.",
      wanted: "It should still be running.",
      fix: "Start limelight show again, and open the address it prints.",
    });
  }
  if (!response.ok) throw new Refusal(await refusal(response));
  return String((await response.json()).run);
}
