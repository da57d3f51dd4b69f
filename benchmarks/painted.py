"""All heads of one step, from click to painted: the tab inside TensorBoard against BertViz.

One Chromium does both, in turns. Ours: TensorBoard shows a recorded run; a click on the arrow
beside the step slider asks for a step that was not loaded yet; the end is one frame after the tab
says that nothing is under way and everything is painted. BertViz: the browser opens the page
``model_view`` wrote of the same maps; the end is two frames after the last line is in the page.
Writing that page, which comes before any click, is not counted.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import browser, libraries, models, peers
from benchmarks.figure import Figure

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "build" / "benchmarks"
_MOST_MS = 120_000
_MOST_PEER_MS = 1_200_000

_CLICKED = """
addEventListener("click", (event) => {
  const root = document.getElementById("limelight");
  if (!root) return;
  let away = false;
  window.painted = null;
  const watch = new MutationObserver(() => {
    if (root.dataset.ready !== "true") { away = true; return; }
    if (!away) return;
    watch.disconnect();
    requestAnimationFrame(() => { window.painted = performance.now() - event.timeStamp; });
  });
  watch.observe(root, { attributes: true, attributeFilter: ["data-ready"] });
}, true);
"""

_DRAWN = """
const fail = (event) => { window.failed = event.message || "a file did not load"; };
addEventListener("error", fail, true);
const lines = document.getElementsByTagName("line");
const look = () => {
  if (lines.length < LINES) { requestAnimationFrame(look); return; }
  requestAnimationFrame(() => requestAnimationFrame(() => { window.painted = performance.now(); }));
};
requestAnimationFrame(look);
"""


@dataclass(frozen=True)
class Scale:
    """How many heads, how often."""

    sizes: models.Sizes
    steps: int
    every: int
    rounds: int


FULL = Scale(models.Sizes(12, 12, width=96, words=2000), steps=6, every=30, rounds=2)
TINY = Scale(models.Sizes(2, 2, 16, 50, 16), steps=3, every=1, rounds=1)


def measure(tiny: bool = False) -> list[Figure]:
    """Train and record a model, then draw it both ways in turns."""
    scale = TINY if tiny else FULL
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models.record(folder / "logs" / "run", scale.sizes, 8, scale.every, scale.steps)
        page = write_page(folder)
        files = libraries.fetch(OUTPUT / "libraries")
        ours, theirs, chromium = [], [], ""
        with browser.tensorboard(folder / "logs") as address, browser.chromium() as started:
            chromium = started.version
            for _ in range(scale.rounds):
                ours.append(click(started, address, scale))
                theirs.append(draw(started, page.path, files, scale))
    return [_figure(scale, ours, theirs, page, chromium)]


def _figure(
    scale: Scale, ours: list[list[float]], theirs: list[float], page: peers.Page, chromium: str
) -> Figure:
    heads = scale.sizes.layers * scale.sizes.heads
    by_round = np.array(theirs) / [np.median(times) for times in ours]
    clicks = np.concatenate(ours)
    return Figure(
        what=(
            f"{heads} heads × {scale.sizes.positions}², one step, from click to painted: times "
            "faster than BertViz's model_view of the same maps in the same Chromium"
        ),
        bar=20,
        at_most=False,
        value=float(np.median(by_round)),
        unit="×",
        absolute=(
            f"{np.median(clicks):.0f} ms ({clicks.min():.0f} to {clicks.max():.0f}) against "
            f"{np.median(theirs) / 1000:.1f} s ({min(theirs) / 1000:.1f} to "
            f"{max(theirs) / 1000:.1f}); Chromium {chromium}, BertViz "
            f"{page.version}; its page had {page.size / 1e6:.0f} MB and "
            f"took {page.seconds:.1f} s to write, not counted"
        ),
        how=(
            f"wall time, median of the rounds' ratios ({by_round.min():.3g} to "
            f"{by_round.max():.3g}); {len(clicks)} clicks against {len(theirs)} pages; the tab "
            "draws each head by at most 32 × 32 cells and the chosen one in full, BertViz one line "
            "a weight"
        ),
    )


def write_page(folder: Path) -> peers.Page:
    """Let BertViz write its page of the newest recorded step."""
    maps = peers.save_maps(folder / "logs" / "run", folder / "maps.npz")
    return peers.write("bertviz", maps, folder / "bertviz.html")


def click(started: Any, address: str, scale: Scale) -> list[float]:
    """Open the tab on the first step, go on step by step, and return milliseconds for each."""
    context = started.new_context(viewport={"width": 1440, "height": 1000})
    try:
        page = context.new_page()
        page.add_init_script(_CLICKED)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}#limelight&p.limelight.step=0&p.limelight.follow=false")
        tab = page.frame_locator("iframe[src*='plugin_entry.html?name=limelight']")
        tab.locator("#limelight[data-ready='true'] canvas").first.wait_for(timeout=_MOST_MS)
        frame = next(inner for inner in page.frames if "name=limelight" in inner.url)
        times = []
        for number in range(1, scale.steps):
            asked.clear()
            tab.locator(".steps button").nth(1).click()
            frame.wait_for_function("window.painted", timeout=_MOST_MS)
            times.append(float(frame.evaluate("window.painted")))
            step = f"step={number * scale.every}"
            if not any("what=grid" in url and step in url.split("&") for url in asked):
                raise RuntimeError(f"The click on the step arrow did not ask for {step}.")
        page.screenshot(path=OUTPUT / "limelight.png")
        return times
    finally:
        context.close()


def draw(started: Any, file: Path, files: dict[str, Path], scale: Scale) -> float:
    """Open BertViz's page and return the milliseconds until all its lines are painted."""
    context = started.new_context(viewport={"width": 1440, "height": 1000})
    try:
        page = context.new_page()

        def give(route: Any) -> None:
            name = route.request.url.rsplit("/", 1)[-1]
            if name in files:
                route.fulfill(path=files[name], content_type="text/javascript")
            else:
                route.abort()

        page.route(re.compile("^https://"), give)
        sizes = scale.sizes
        lines = sizes.layers * sizes.heads * sizes.positions**2
        page.add_init_script(_DRAWN.replace("LINES", str(lines)))
        page.goto(file.as_uri(), timeout=_MOST_PEER_MS)
        page.wait_for_function("window.painted || window.failed", timeout=_MOST_PEER_MS)
        if failed := page.evaluate("window.failed"):
            raise RuntimeError(f"BertViz's page failed: {failed}")
        milliseconds = float(page.evaluate("window.painted"))
        page.screenshot(path=OUTPUT / "bertviz.png", timeout=_MOST_PEER_MS)
        return milliseconds
    finally:
        context.close()
