/** A canvas as sharp as the screen, and the size of the room around it. */
import type { CanvasHTMLAttributes } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { px } from "./px.ts";

type Rest = Omit<CanvasHTMLAttributes<HTMLCanvasElement>, "width" | "height" | "ref" | "draw">;

interface CanvasProps extends Rest {
  /** In units of the page. */
  width: number;
  height: number;
  /** Paint afresh; the context is cleared and in units of the page. */
  paint: (context: CanvasRenderingContext2D, ratio: number) => void;
  /** Paint again when one of these changes. */
  when: readonly unknown[];
  label: string;
}

export function Canvas({ width, height, paint, when, label, ...rest }: CanvasProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const ratio = window.devicePixelRatio || 1;
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!canvas.current || !context) return;
    canvas.current.width = Math.max(1, Math.round(width * ratio));
    canvas.current.height = Math.max(1, Math.round(height * ratio));
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint(context, ratio);
  }, [width, height, ratio, ...when]);
  return (
    <canvas ref={canvas} role="img" aria-label={label} style={px({ width, height })} {...rest} />
  );
}

/** The inner size of an element, and the height of the page, followed as they change. */
export function useSize<E extends HTMLElement>() {
  const ref = useRef<E>(null);
  const [size, setSize] = useState({ width: 0, height: 0, page: 0 });
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    const look = () => {
      const { clientWidth: width, clientHeight: height } = element;
      const page = window.innerHeight;
      // A hidden tab's frame has no height; what was painted stays until it is seen again.
      if (width > 0)
        setSize((old) =>
          old.width === width && old.height === height && old.page === page
            ? old
            : { width, height, page },
        );
    };
    const observer = new ResizeObserver(look);
    observer.observe(element);
    window.addEventListener("resize", look);
    look();
    return () => {
      observer.disconnect();
      window.removeEventListener("resize", look);
    };
  }, []);
  return { ref, ...size };
}

/** A context to measure text with. */
let measuring: CanvasRenderingContext2D | null = null;
export function measure(): CanvasRenderingContext2D {
  measuring ??= document.createElement("canvas").getContext("2d") as CanvasRenderingContext2D;
  return measuring;
}
