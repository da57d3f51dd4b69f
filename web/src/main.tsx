/** The front end's one door: TensorBoard imports this module and calls `render()`. */
import { render as mount } from "preact";
import { App } from "./app.tsx";
import { bindLanguage } from "./state/language.ts";
import { bindLife } from "./state/life.ts";
import { bindAddress } from "./state/selection.ts";
import { bindTheme } from "./state/theme.ts";

// Those of pages, panels and lenses come with them.
const styles = import.meta.glob<string>(
  ["./style.css", "./controls/*.css", "./views/parts/*.css"],
  {
    query: "?inline",
    import: "default",
    eager: true,
  },
);

export function render(): void {
  const style = document.createElement("style");
  style.textContent = Object.values(styles).join("\n");
  document.head.append(style);
  const root = document.createElement("div");
  root.id = "limelight";
  root.dataset.ready = "false";
  document.body.append(root);
  nameFrame();
  bindAddress();
  bindTheme();
  bindLanguage();
  bindLife();
  mount(<App />, root);
  window.focus(); // so that keys work at once; the tab was just opened
}

/** Name the document, and the frame that TensorBoard shows it in: readers of screens say so. */
function nameFrame(): void {
  document.title = "Limelight";
  try {
    window.frameElement?.setAttribute("title", document.title);
  } catch {
    // a page of another origin around us is not ours to change
  }
}
