/** The names beside the heads grid: sites on the left, which are buttons, and heads above. */
import { Fragment } from "preact";
import type { Layout } from "../../cells/thumbs.ts";
import { measure } from "../../controls/canvas.tsx";
import { px } from "../../controls/px.ts";
import { choose, site } from "../../state/run.ts";
import { headings, type Placed } from "./site_order.ts";

/** Most room that the names of sites take. */
const NAMES = 120;

/** Room that names take left of the thumbnails. */
export function namesRoom(names: readonly string[]): number {
  const context = measure();
  context.font = "12px system-ui, 'Noto Sans', 'Noto Sans CJK SC', sans-serif";
  const widths = names.map((name) => context.measureText(name).width);
  return Math.min(NAMES, Math.ceil(Math.max(8, ...widths)) + 12);
}

interface NamesProps {
  order: readonly Placed[];
  layout: Layout;
  left: number;
}

export function SiteNames({ order, layout, left }: NamesProps) {
  const widest = layout.boxes.reduce((a, b) => (b.length > a.length ? b : a), []);
  const pitch = (widest[1]?.x ?? 99) - (widest[0]?.x ?? 0);
  const every = Math.max(1, Math.ceil(20 / pitch));
  // Names need more room than the lowest rows have: then some stay blank, as on the columns.
  const lower = (layout.boxes[1]?.[0]?.y ?? 99) - (layout.boxes[0]?.[0]?.y ?? 0);
  const skip = Math.max(1, Math.ceil(14 / lower));
  return (
    <>
      {layout.boxes.map((row, index) => {
        const each = order[index];
        const box = row[0];
        if (!each || !box) return null;
        const grouped = order.some((other) => other.heading);
        const height = index % skip === 0 ? Math.max(16, box.height) : box.height;
        const top = 18 + box.y + (box.height - height) / 2;
        return (
          <Fragment key={each.site.name}>
            {each.heading && (
              <span class="heading" style={px({ top: 18 + box.y - 17 })}>
                {headings()[each.heading]}
              </span>
            )}
            <button
              type="button"
              class="site"
              tabIndex={each.site.name === site.value?.name ? 0 : -1}
              aria-label={grouped ? `${headings()[each.group]} ${each.short}` : each.short}
              aria-pressed={each.site.name === site.value?.name}
              title={each.site.name}
              style={px({ top, height, width: left - 10 })}
              onClick={() => choose({ site: each.site.name })}
            >
              {index % skip === 0 && <bdi>{each.short}</bdi>}
            </button>
          </Fragment>
        );
      })}
      {widest.map(
        (box, index) =>
          index % every === 0 && (
            <span class="column" key={box.x} style={px({ left: left + box.x + box.width / 2 })}>
              {index}
            </span>
          ),
      )}
    </>
  );
}
