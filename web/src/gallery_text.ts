/**
 * Text in pictures that are compared across machines: it takes the same room in every font, and
 * where it stands is known, because its letters are not the same anywhere.
 */

/** Letters of a canvas are so many ems wide, in whatever font: Chinese ones, and all others. */
const WIDE = 1;
const NARROW = 0.56;

/** Left, top, right, bottom, in pixels of the page. */
export type TextBox = readonly [number, number, number, number];

const written = new Map<HTMLCanvasElement, TextBox[]>();

/** Make canvases give text the room that it has in every font, and note where it stands. */
export function evenText(): void {
  const canvas = CanvasRenderingContext2D.prototype;
  const fill = canvas.fillText;
  const widthOf = (context: CanvasRenderingContext2D, text: string) => {
    const size = Number.parseFloat(context.font);
    const ems = [...text].map((letter) => (/[\u2e80-\uffff]/.test(letter) ? WIDE : NARROW));
    return size * ems.reduce((sum, em) => sum + em, 0);
  };
  canvas.measureText = function (text) {
    return { width: widthOf(this, text) } as TextMetrics;
  };
  canvas.fillText = function (text, x, y) {
    const width = widthOf(this, text);
    fill.call(this, text, x, y, width);
    const left = x - width * ({ center: 0.5, right: 1, end: 1 }[this.textAlign as string] ?? 0);
    const tall = Number.parseFloat(this.font);
    const corners = [left, left + width].flatMap((across) =>
      [y - tall, y + tall].map((down) =>
        this.getTransform().transformPoint({ x: across, y: down }),
      ),
    );
    const [xs, ys] = [corners.map((corner) => corner.x), corners.map((corner) => corner.y)];
    const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] as const;
    written.set(this.canvas, [...(written.get(this.canvas) ?? []), box]);
  };
}

/** Where text stands in an element. */
export function textBoxes(element: Element): TextBox[] {
  const origin = element.getBoundingClientRect();
  const boxes: TextBox[] = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const line = node.textContent?.trim() && lineOf(node.parentElement as Element);
    if (line) boxes.push([line.left, line.top, line.right, line.bottom]);
  }
  for (const [canvas, drawn] of written) {
    if (!canvas.isConnected) continue;
    const { left, top } = canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    for (const [x, y, right, bottom] of drawn) {
      boxes.push([left + x / ratio, top + y / ratio, left + right / ratio, top + bottom / ratio]);
    }
  }
  const { left, top } = origin;
  return boxes.map(([x, y, right, bottom]) => [x - left, y - top, right - left, bottom - top]);
}

/** The line that text stands on, as long as it may be in any font. */
function lineOf(parent: Element): DOMRect {
  const letters = parent.getBoundingClientRect();
  if (parent instanceof SVGElement) {
    return new DOMRect(letters.x - letters.width / 2, letters.y, 2 * letters.width, letters.height);
  }
  let block = parent;
  while (getComputedStyle(block).display === "inline" && block.parentElement) {
    block = block.parentElement;
  }
  const whole = block.getBoundingClientRect();
  return new DOMRect(whole.x, letters.y, whole.width, letters.height);
}
