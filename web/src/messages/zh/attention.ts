import type { attention as english } from "../en/attention.ts";

export const attention: typeof english = {
  title: "注意力",
};
