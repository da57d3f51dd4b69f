/** Grounds and borders of a page's element, as rectangles. */

interface Rect {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

interface Box {
  readonly rect: Rect;
  /** Attributes of its fill and stroke. */
  readonly look: string;
}

const SIDES = ["Top", "Right", "Bottom", "Left"] as const;

export function boxesOf(style: CSSStyleDeclaration, rect: Rect, ramp: string | null): Box[] {
  const boxes: Box[] = [];
  const round = Number.parseFloat(style.borderTopLeftRadius) || 0;
  const radius = style.borderTopLeftRadius.endsWith("%") ? (round / 100) * rect.width : round;
  const corners = radius > 0 ? ` rx="${Math.min(radius, rect.height / 2)}"` : "";
  if (seen(style.backgroundColor) || ramp) {
    boxes.push({ rect, look: `fill="${ramp ?? style.backgroundColor}"${corners}` });
  }
  const borders = SIDES.map((side) => ({
    wide:
      style[`border${side}Style`] === "none" ? 0 : Number.parseFloat(style[`border${side}Width`]),
    colour: style[`border${side}Color`],
  }));
  const [first] = borders;
  if (!first) return boxes;
  if (borders.every(({ wide, colour }) => wide === first.wide && colour === first.colour)) {
    if (first.wide > 0 && seen(first.colour)) {
      const half = first.wide / 2;
      const inner = {
        left: rect.left + half,
        top: rect.top + half,
        width: rect.width - first.wide,
        height: rect.height - first.wide,
      };
      boxes.push({
        rect: inner,
        look: `fill="none" stroke="${first.colour}" stroke-width="${first.wide}"${corners}`,
      });
    }
    return boxes;
  }
  for (const [at, { wide, colour }] of borders.entries()) {
    if (wide === 0 || !seen(colour)) continue;
    const side = SIDES[at];
    const across = side === "Top" || side === "Bottom";
    boxes.push({
      rect: {
        left: side === "Right" ? rect.left + rect.width - wide : rect.left,
        top: side === "Bottom" ? rect.top + rect.height - wide : rect.top,
        width: across ? rect.width : wide,
        height: across ? wide : rect.height,
      },
      look: `fill="${colour}"`,
    });
  }
  return boxes;
}

const seen = (colour: string) => colour !== "transparent" && !/,\s*0\)$/.test(colour);

/** A gradient from left to right, as legends have it. */
export function gradientOf(
  image: string,
  name: string,
): { definition: string; fill: string } | null {
  const inner = /^linear-gradient\(to right, (.*)\)$/.exec(image)?.[1];
  const stops = inner?.match(/rgba?\([^)]*\)(?: [\d.]+%)?/g);
  if (!stops || stops.length < 2) return null;
  const marks = stops.map((stop, at) => {
    const [, colour = "", share] = /^(rgba?\([^)]*\))(?: ([\d.]+)%)?$/.exec(stop) ?? [];
    return `<stop offset="${share ?? (100 * at) / (stops.length - 1)}%" stop-color="${colour}"/>`;
  });
  const definition = `<linearGradient id="${name}">${marks.join("")}</linearGradient>`;
  return { definition, fill: `url(#${name})` };
}
