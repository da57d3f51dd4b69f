/** The words that several parts of the page share; a file's own words stand in that file. */
import { attention as attentionEn } from "./en/attention.ts";
import { frame as frameEn } from "./en/frame.ts";
import { shell as shellEn } from "./en/shell.ts";
import { attention as attentionZh } from "./zh/attention.ts";
import { frame as frameZh } from "./zh/frame.ts";
import { shell as shellZh } from "./zh/shell.ts";

export const en = { shell: shellEn, attention: attentionEn, frame: frameEn };
export const zh: typeof en = { shell: shellZh, attention: attentionZh, frame: frameZh };
