import type { weights as english } from "../en/weights.ts";

export const weights: typeof english = {
  title: "权重",
};
