/** The message tables: one per language, each in three files; both hold the same keys. */
import { attention as attentionEn } from "./en/attention.ts";
import { parameters as parametersEn } from "./en/parameters.ts";
import { shell as shellEn } from "./en/shell.ts";
import { attention as attentionZh } from "./zh/attention.ts";
import { parameters as parametersZh } from "./zh/parameters.ts";
import { shell as shellZh } from "./zh/shell.ts";

export const en = { shell: shellEn, attention: attentionEn, parameters: parametersEn };
export const zh: typeof en = { shell: shellZh, attention: attentionZh, parameters: parametersZh };
