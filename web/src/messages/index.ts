/** The words that several parts of the page share; a file's own words stand in that file. */
import { attention as attentionEn } from "./en/attention.ts";
import { shell as shellEn } from "./en/shell.ts";
import { attention as attentionZh } from "./zh/attention.ts";
import { shell as shellZh } from "./zh/shell.ts";

export const en = { shell: shellEn, attention: attentionEn };
export const zh: typeof en = { shell: shellZh, attention: attentionZh };
