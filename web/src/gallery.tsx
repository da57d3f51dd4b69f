/**
 * One lens or panel by itself, for a picture to be taken of: `?part=lenses/map&theme=dark`. Which
 * there are is told by the folders. Not part of the tab.
 */
import { render } from "preact";
import { ask, refresh } from "./client/client.ts";
import { Drawn } from "./controls/late.tsx";
import { evenText, textBoxes } from "./gallery_text.ts";
import { busy } from "./ready.ts";
import { bindLanguage } from "./state/language.ts";
import { factsOf, runs } from "./state/run.ts";
import { type Selection, select } from "./state/selection.ts";
import { bindTheme } from "./state/theme.ts";
import type { Example, Site } from "./types.ts";
import { lenses } from "./views/lenses.ts";
import { panels } from "./views/panels.tsx";
import type { Lens } from "./views/parts/lens.ts";
import { isLong } from "./views/parts/long_head.ts";

const styles = import.meta.glob<string>(
  ["./style.css", "./controls/*.css", "./views/parts/*.css", "./gallery.css"],
  { query: "?inline", import: "default", eager: true },
);

const nameOf = (path: string) => path.replace(/^\.\//, "").replace(/\.tsx$/, "");

/** The panel that draws lenses. */
const looking = panels.find(({ about }) => about.where === "head");

/** The site that a lens suits best; of several a short one, with most heads and queries. */
async function subjectOf(lens: Lens): Promise<Partial<Selection>> {
  const subjects: { run: string; site: Site; example: Example; fit: number }[] = [];
  for (const { name: run } of runs.value) {
    const { sites, examples } = factsOf(
      await ask({ what: "run", run }, AbortSignal.timeout(60_000)),
    );
    for (const site of sites) {
      for (const example of examples) {
        subjects.push({ run, site, example, fit: lens.suits(site, example) });
      }
    }
  }
  subjects.sort(
    (a, b) =>
      b.fit - a.fit ||
      Number(isLong(a.site)) - Number(isLong(b.site)) ||
      b.site.heads - a.site.heads ||
      b.site.queries - a.site.queries,
  );
  const best = subjects[0];
  if (!best?.fit) throw new Error(`The lens "${lens.name}" suits no site of the planted runs.`);
  const { run, site, example } = best;
  const query = Math.min(3, site.queries - 1);
  return { run, site: site.name, example: example.index, head: site.heads - 1, query, key: 1 };
}

function picture(part: string) {
  const lens = lenses.find(({ path }) => nameOf(path) === part);
  if (lens && looking) return { lens: lens.about, late: looking.late, className: "picture lens" };
  const panel = panels.find(({ path }) => nameOf(path) === part);
  if (!panel) throw new Error(`There is no lens or panel "${part}".`);
  const { pages, where } = panel.about;
  const wide = where === "side" ? "picture side" : "picture";
  return { lens: null, late: panel.late, className: `${wide} ${pages[0]}` };
}

/** What every element below one looks like, as the browser computes it. */
function computedStyles(root: Element): string[] {
  return [root, ...root.querySelectorAll("*")].map((element) => {
    const style = getComputedStyle(element);
    const rules = Array.from(style, (name) => `${name}: ${style.getPropertyValue(name)}`);
    return `${element.tagName}.${element.getAttribute("class")} ${rules.join("; ")}`;
  });
}

/** Load every lens and panel, and so put their styles into the page beside what is drawn. */
function loadAll() {
  for (const { late } of [...lenses, ...panels]) late.want();
}

async function show() {
  const style = document.createElement("style");
  style.textContent = Object.values(styles).join("\n");
  document.head.append(style);
  const root = document.createElement("div");
  root.id = "limelight";
  root.className = "gallery";
  root.dataset.parts = JSON.stringify(
    [...lenses, ...panels.filter((panel) => panel !== looking)].map(({ path }) => nameOf(path)),
  );
  document.body.append(root);
  evenText();
  Object.assign(window, { computedStyles, loadAll, textBoxes });
  bindTheme();
  bindLanguage();
  const wanted = new URLSearchParams(window.location.search);
  const part = wanted.get("part");
  if (part === null) return;
  const done = busy();
  await refresh();
  const { lens, late, className } = picture(part);
  const usual = { run: "words", site: "encoder/attention", head: 0, query: 3, key: 1 };
  const chosen = lens ? { ...(await subjectOf(lens)), lens: lens.name } : usual;
  const theme = wanted.get("theme") === "dark" ? "dark" : "light";
  const parameters = ["dense/kernel"];
  select({ ...chosen, theme, parameters, language: "en" });
  render(
    <div class={className}>
      <Drawn late={late} props={{}} />
    </div>,
    root,
  );
  done();
}

void show();
