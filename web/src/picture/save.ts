/** Pictures and text as files that a person keeps. */
import type { Picture } from "./svg.ts";

/** Pixels of a saved picture for each of the page's units. */
const SHARP = 2;

export function saveText(text: string, kind: string, name: string): void {
  save(new Blob([text], { type: `${kind};charset=utf-8` }), name);
}

export async function savePng({ svg, width, height }: Picture, name: string): Promise<void> {
  const image = new Image();
  // Not by an address of an object: what is drawn from one may not be read back everywhere.
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = width * SHARP;
  canvas.height = height * SHARP;
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("The browser makes no PNG of this size.");
  save(blob, name);
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
