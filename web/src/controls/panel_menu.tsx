/** What leaves a panel: a link to what is in view, its picture, its numbers, and the line that gives them. */
import { useEffect, useRef, useState } from "preact/hooks";
import { csv, type Table } from "../answers/table.ts";
import { PALETTES } from "../draw/palette.ts";
import { savePng, saveText } from "../picture/save.ts";
import { pictureOf } from "../picture/svg.ts";
import { t } from "../state/language.ts";
import { runName } from "../state/run.ts";
import { outer, selection, write } from "../state/selection.ts";
import { theme } from "../state/theme.ts";
import { toClipboard } from "./clipboard.ts";
import { px } from "./px.ts";

interface PanelMenuProps {
  /** What the panel is called. */
  name: string;
  /** Its numbers, as they are shown. */
  table: () => Table | Promise<Table>;
  /** The Python that gives them. */
  python: string;
}

export function PanelMenu({ name, table, python }: PanelMenuProps) {
  const words = t.value.frame;
  const [open, setOpen] = useState(false);
  const [said, setSaid] = useState("");
  const fading = useRef<ReturnType<typeof setTimeout>>(undefined);
  const box = useRef<HTMLSpanElement>(null);
  useOutside(box, open, () => setOpen(false));
  const file = fileName(name);
  const picture = () => {
    const panel = box.current?.closest("section, figure");
    if (!panel) throw new Error("This menu belongs to no panel.");
    return pictureOf(panel, PALETTES[theme.value].ground, link());
  };
  const deeds: readonly (readonly [string, string, () => unknown])[] = [
    ["link", words.copyLink, () => toClipboard(link())],
    ["png", words.savePng, () => savePng(picture(), `${file}.png`)],
    ["svg", words.saveSvg, () => saveText(picture().svg, "image/svg+xml", `${file}.svg`)],
    ["csv", words.saveCsv, async () => saveText(csv(await table()), "text/csv", `${file}.csv`)],
    ["python", words.copyPython, () => toClipboard(python)],
  ];
  const act = async (deed: () => unknown) => {
    setOpen(false);
    try {
      setSaid((await deed()) === false ? words.failed : words.done);
    } catch (cause) {
      setSaid(`${words.failed}: ${cause instanceof Error ? cause.message : cause}`);
    }
    clearTimeout(fading.current);
    fading.current = setTimeout(() => setSaid(""), 4000);
  };
  return (
    <span class="panel-menu" ref={box} data-no-picture="">
      <span class="sub" role="status">
        {said}
      </span>
      <button
        type="button"
        class="plain"
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={words.menu(name)}
        title={words.menu(name)}
        onClick={() => setOpen(!open)}
      >
        ⋯
      </button>
      {open && (
        <span
          class="menu"
          role="menu"
          aria-label={words.menu(name)}
          style={below(box.current)}
          onKeyDown={walk}
        >
          {deeds.map(([key, text, deed], at) => (
            <button
              type="button"
              role="menuitem"
              key={key}
              data-take={key}
              title={key === "python" ? python : undefined}
              ref={at === 0 ? focused : undefined}
              onClick={() => void act(deed)}
            >
              {text}
            </button>
          ))}
        </span>
      )}
    </span>
  );
}

/** Below its button, and never beyond the right edge of the page. */
function below(button: HTMLElement | null) {
  const rect = button?.getBoundingClientRect();
  return px({
    top: (rect?.bottom ?? 0) + 3,
    right: Math.max(4, document.documentElement.clientWidth - (rect?.right ?? 0)),
  });
}

const focused = (element: HTMLElement | null) => element?.focus();

/** The address of what is in view, with the run named: another may be the newest tomorrow. */
function link(): string {
  const { location } = outer();
  const hash = write({ ...selection.value, run: runName.value }, location.hash);
  return `${location.href.split("#")[0]}${hash}`;
}

function fileName(panel: string): string {
  const name = `${runName.value ?? "run"} ${panel}`.toLowerCase();
  return name.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "");
}

function walk(event: KeyboardEvent): void {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (by === undefined) return;
  const items = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("button")];
  const at = items.indexOf(document.activeElement as HTMLElement);
  items[(at + by + items.length) % items.length]?.focus();
  event.preventDefault();
  event.stopPropagation();
}

/** Close on a press outside, and on Esc, which gives the focus back. */
function useOutside(
  box: { readonly current: HTMLElement | null },
  open: boolean,
  close: () => void,
) {
  useEffect(() => {
    if (!open) return undefined;
    const pressed = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) close();
    };
    const typed = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      close();
      box.current?.querySelector("button")?.focus();
    };
    document.addEventListener("pointerdown", pressed, true);
    document.addEventListener("keydown", typed, true);
    document.addEventListener("scroll", close, true);
    return () => {
      document.removeEventListener("scroll", close, true);
      document.removeEventListener("pointerdown", pressed, true);
      document.removeEventListener("keydown", typed, true);
    };
  }, [open]);
}
