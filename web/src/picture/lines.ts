/** The lines that a text of the page takes, as they are broken there. */
export interface Line {
  readonly text: string;
  readonly left: number;
  /** Where its letters stand. */
  readonly base: number;
  readonly width: number;
}

/** Letters of one text that are looked at. */
const MOST = 20_000;

export function linesOf(node: Text, style: CSSStyleDeclaration): Line[] {
  const text = node.data.slice(0, MOST);
  if (text.trim() === "") return [];
  const rise = riseOf(style);
  const range = document.createRange();
  const lines: { text: string; left: number; top: number; right: number }[] = [];
  let at = 0;
  for (const letter of text) {
    range.setStart(node, at);
    at += letter.length;
    range.setEnd(node, at);
    const rect = range.getClientRects()[0];
    if (!rect || rect.width === 0) continue;
    const line = lines.at(-1);
    if (line && Math.abs(line.top - rect.top) < 2 && rect.left >= line.left) {
      line.text += letter;
      line.right = Math.max(line.right, rect.right);
    } else lines.push({ text: letter, left: rect.left, top: rect.top, right: rect.right });
  }
  const cased = (words: string) =>
    style.textTransform === "uppercase" ? words.toUpperCase() : words;
  return lines
    .filter((line) => line.text.trim() !== "")
    .map((line) => ({
      text: cased(line.text.replace(/\s/g, " ")),
      left: line.left,
      base: line.top + rise,
      width: line.right - line.left,
    }));
}

/** From the top of a line's letters to where they stand. */
function riseOf(style: CSSStyleDeclaration): number {
  measuring ??= document.createElement("canvas").getContext("2d");
  if (!measuring) return 0.9 * Number.parseFloat(style.fontSize);
  measuring.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  return measuring.measureText("x").fontBoundingBoxAscent;
}

let measuring: CanvasRenderingContext2D | null = null;
