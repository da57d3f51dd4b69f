/**
 * What is loaded when it is first shown: the drawing of a page, a panel or a lens, whose file says
 * what it is before. While one is under way the page is not at rest.
 */
import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { busy } from "../ready.ts";
import { ProblemNotice } from "./notice.tsx";

/** What a file of a page, a panel or a lens holds beside what it says of itself. */
export interface Drawing<Props> {
  readonly default: ComponentType<Props>;
  /** Its style sheet; put into the page before anything is drawn. */
  readonly style?: string;
}

export type Load<Props> = () => Promise<Drawing<Props>>;

export class Late<Props> {
  private readonly loaded = signal<ComponentType<Props> | null>(null);
  private readonly failed = signal<unknown>(null);
  private readonly load: Load<Props>;
  private asked = false;

  constructor(load: Load<Props>) {
    this.load = load;
  }

  /** The drawing, or null until it is there; asking for it loads it. */
  get component(): ComponentType<Props> | null {
    this.want();
    return this.loaded.value;
  }

  /** Why it could not be loaded, if so. */
  get cause(): unknown {
    return this.failed.value;
  }

  /** Whether nothing is left to wait for. */
  get over(): boolean {
    return this.component !== null || this.cause !== null;
  }

  want(): void {
    if (this.asked) return;
    this.asked = true;
    const done = busy();
    this.load()
      .then(
        (drawing) => {
          if (drawing.style) put(drawing.style);
          this.loaded.value = drawing.default;
        },
        (cause) => {
          this.failed.value = cause;
        },
      )
      .finally(done);
  }
}

function put(style: string): void {
  const element = document.createElement("style");
  element.textContent = style;
  document.head.append(element);
}

/** A late drawing where it belongs, or nothing until it is there. */
export function Drawn<Props extends object>({ late, props }: { late: Late<Props>; props: Props }) {
  const Component = late.component;
  if (late.cause !== null) {
    const came = late.cause instanceof Error ? late.cause.message : String(late.cause);
    const wanted = "Wanted a part of this page, which TensorBoard serves.";
    return <ProblemNotice problem={{ code: "page", came, wanted, fix: "Reload the page." }} />;
  }
  return Component && <Component {...props} />;
}

/** A file that is there by being in its folder: what it says of itself, and its drawing. */
export interface Part<About, Props> {
  /** Of its file, below the folder that lists it. */
  readonly path: string;
  readonly about: About;
  readonly late: Late<Props>;
}

/** The files of a folder from two globs over it: what each says, and how each is loaded. */
export function partsIn<About, Props>(
  abouts: Readonly<Record<string, About>>,
  drawings: Readonly<Record<string, Load<Props>>>,
): Part<About, Props>[] {
  return Object.entries(abouts).map(([path, about]) => {
    const load = drawings[path] ?? (() => Promise.reject(new Error(`Nothing draws ${path}.`)));
    return { path, about, late: new Late(load) };
  });
}
