/** The message tables: one per language, each in three files; both hold the same keys. */
import { attention as attentionEn } from "./en/attention.ts";
import { shell as shellEn } from "./en/shell.ts";
import { weights as weightsEn } from "./en/weights.ts";
import { attention as attentionZh } from "./zh/attention.ts";
import { shell as shellZh } from "./zh/shell.ts";
import { weights as weightsZh } from "./zh/weights.ts";

export const en = { shell: shellEn, attention: attentionEn, weights: weightsEn };
export const zh: typeof en = { shell: shellZh, attention: attentionZh, weights: weightsZh };
