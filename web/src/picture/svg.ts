/**
 * A panel as a drawing of its own: what the page shows of it, text as text, canvases as images. It
 * needs nothing of the page any more, and opens wherever SVG does.
 */

import { boxesOf, gradientOf } from "./boxes.ts";
import { inlined } from "./inlined.ts";
import { linesOf } from "./lines.ts";

export interface Picture {
  readonly svg: string;
  readonly width: number;
  readonly height: number;
}

/** Room around what is drawn. */
const MARGIN = 8;

/** Elements that are controls of the page, not part of what is shown. */
const LEFT_OUT = "[data-no-picture], script, style, input, dialog";

export function pictureOf(element: Element, ground: string, source: string): Picture {
  const outer = element.getBoundingClientRect();
  const width = Math.ceil(outer.width) + 2 * MARGIN;
  const height = Math.ceil(outer.height) + 2 * MARGIN;
  const drawing = new Drawing(outer.left - MARGIN, outer.top - MARGIN);
  drawing.element(element);
  const defs = drawing.defs.length > 0 ? `<defs>${drawing.defs.join("")}</defs>` : "";
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}"><desc>${escaped(source)}</desc>${defs}` +
    `<rect width="100%" height="100%" fill="${escaped(ground)}"/>${drawing.parts.join("")}</svg>`;
  return { svg: fit(svg), width, height };
}

/** Text as it may stand in a document, in content and in attributes alike. */
export function escaped(text: string): string {
  const named: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return text.replace(/[&<>"]/g, (letter) => named[letter] ?? letter);
}

/** A document without the letters that none may hold: half a pair, and most that command. */
export function fit(text: string): string {
  return [...text]
    .map((letter) => (isFit(letter.codePointAt(0) ?? 0) ? letter : "\ufffd"))
    .join("");
}

function isFit(code: number): boolean {
  if (code < 0x20) return code === 0x9 || code === 0xa || code === 0xd;
  return !(code >= 0xd800 && code <= 0xdfff) && code !== 0xfffe && code !== 0xffff;
}

class Drawing {
  readonly parts: string[] = [];
  readonly defs: string[] = [];
  private readonly left: number;
  private readonly top: number;

  constructor(left: number, top: number) {
    this.left = left;
    this.top = top;
  }

  element(element: Element): void {
    if (element.matches(LEFT_OUT)) return;
    const style = getComputedStyle(element);
    if (style.display === "none" || style.visibility === "hidden" || style.opacity === "0") return;
    const rect = element.getBoundingClientRect();
    const opacity = style.opacity === "1" ? "" : ` opacity="${style.opacity}"`;
    this.parts.push(`<g${opacity}${this.clip(element, style, rect)}>`);
    this.ground(style, rect);
    if (element instanceof HTMLCanvasElement) this.canvas(element, rect);
    else if (element instanceof SVGSVGElement) this.drawn(element, rect);
    else if (element instanceof HTMLSelectElement) this.choice(element, style, rect);
    else for (const child of element.childNodes) this.node(child, style);
    this.parts.push("</g>");
  }

  private node(node: Node, style: CSSStyleDeclaration): void {
    if (node instanceof Element) this.element(node);
    else if (node instanceof Text) for (const line of linesOf(node, style)) this.text(line, style);
  }

  /** What an element cuts off where it does not let it show. */
  private clip(element: Element, style: CSSStyleDeclaration, rect: DOMRect): string {
    if (style.overflowX === "visible" || element instanceof SVGElement) return "";
    if (style.display === "inline") return "";
    const name = `cut-${this.defs.length}`;
    this.defs.push(`<clipPath id="${name}"><rect ${this.at(rect)}/></clipPath>`);
    return ` clip-path="url(#${name})"`;
  }

  private ground(style: CSSStyleDeclaration, rect: DOMRect): void {
    const gradient = gradientOf(style.backgroundImage, `ramp-${this.defs.length}`);
    if (gradient) this.defs.push(gradient.definition);
    for (const box of boxesOf(style, rect, gradient?.fill ?? null)) {
      this.parts.push(`<rect ${this.at(box.rect)} ${box.look}/>`);
    }
  }

  private canvas(canvas: HTMLCanvasElement, rect: DOMRect): void {
    this.parts.push(
      `<image ${this.at(rect)} href="${canvas.toDataURL()}" preserveAspectRatio="none"/>`,
    );
  }

  private drawn(svg: SVGSVGElement, rect: DOMRect): void {
    this.parts.push(inlined(svg, rect.left - this.left, rect.top - this.top));
  }

  private choice(select: HTMLSelectElement, style: CSSStyleDeclaration, rect: DOMRect): void {
    const text = select.selectedOptions[0]?.textContent ?? "";
    const size = Number.parseFloat(style.fontSize);
    const left = rect.left + Number.parseFloat(style.paddingLeft);
    this.text({ text, left, base: rect.top + rect.height / 2 + 0.36 * size, width: null }, style);
  }

  private text(
    line: { text: string; left: number; base: number; width: number | null },
    style: CSSStyleDeclaration,
  ): void {
    const { fontFamily, fontSize, fontWeight, fontStyle, color } = style;
    // As wide as here, also where another font stands in for ours.
    const width =
      line.width === null
        ? ""
        : ` textLength="${round(line.width)}" lengthAdjust="spacingAndGlyphs"`;
    this.parts.push(
      `<text x="${round(line.left - this.left)}" y="${round(line.base - this.top)}"${width} ` +
        `font-family="${escaped(fontFamily)}" font-size="${fontSize}" font-weight="${fontWeight}" ` +
        `font-style="${fontStyle}" fill="${color}" xml:space="preserve">${escaped(line.text)}</text>`,
    );
  }

  private at({ left, top, width, height }: Pick<DOMRect, "left" | "top" | "width" | "height">) {
    return `x="${round(left - this.left)}" y="${round(top - this.top)}" width="${round(Math.max(0, width))}" height="${round(Math.max(0, height))}"`;
  }
}

const round = (value: number) => String(Math.round(100 * value) / 100);
