/** Room that names take beside what they name. */
import { measure } from "./canvas.tsx";

/** Most of it: longer names are cut in their middle before. */
const MOST = 136;

export function labelRoom(names: readonly string[]): number {
  const context = measure();
  context.font = "650 11.5px system-ui, 'Noto Sans', 'Noto Sans CJK SC', sans-serif";
  const widths = names.map((name) => context.measureText(name).width);
  return Math.min(MOST, Math.ceil(Math.max(8, ...widths)));
}
