/** A view's way to ask: the outcome of a question, followed as it changes. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { follow, type Outcome } from "../client/client.ts";
import type { Query } from "../types.ts";

export function useAnswer(query: Query | null): Outcome {
  const asked = useSignal<Query | null>(query);
  if (JSON.stringify(asked.peek()) !== JSON.stringify(query)) asked.value = query;
  const followed = useMemo(() => follow(() => asked.value), [asked]);
  useEffect(() => followed.stop, [followed]);
  return followed.outcome.value;
}
