/** A drawing of the page with the looks that its style sheets give it. */

const LOOKS = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "stroke-dasharray",
  "stroke-linecap",
  "stroke-linejoin",
  "opacity",
  "vector-effect",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
  "dominant-baseline",
  "display",
  "visibility",
] as const;

export function inlined(svg: SVGSVGElement, left: number, top: number): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const twins = [copy, ...copy.querySelectorAll("*")];
  for (const [at, element] of [svg, ...svg.querySelectorAll("*")].entries()) {
    const twin = twins[at];
    if (!(twin instanceof SVGElement)) continue;
    const style = getComputedStyle(element);
    for (const name of LOOKS) twin.style.setProperty(name, style.getPropertyValue(name));
    twin.removeAttribute("class");
  }
  const { width, height } = svg.getBoundingClientRect();
  copy.setAttribute("x", left.toFixed(2));
  copy.setAttribute("y", top.toFixed(2));
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  copy.style.setProperty("overflow", getComputedStyle(svg).overflow);
  return new XMLSerializer().serializeToString(copy);
}
