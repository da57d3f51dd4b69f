"""Zooming and panning in Chromium: one head of 16,384 positions, and 1,024 heads of 2,048.

The gestures: the wheel over a spot on the diagonal until 64 positions are in view, drags along it,
the wheel back; with several heads, clicks on some of them before. Times are those between
animation frames in the tab while the gestures last, and the main thread's own long tasks.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import browser, peers
from benchmarks.figure import Figure
from benchmarks.long_store import Planted, write

_MOST_MS = 60_000
_WATCH = """
window.intervals = [];
window.tasks = [];
let last = performance.now();
const tick = (now) => { intervals.push(now - last); last = now; requestAnimationFrame(tick); };
requestAnimationFrame((now) => { last = now; requestAnimationFrame(tick); });
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) tasks.push(one.duration);
}).observe({ type: "longtask" });
"""


@dataclass(frozen=True)
class Moved:
    """What the gestures took.

    Attributes
    ----------
    intervals : list of float
        Milliseconds between animation frames.
    tasks : list of float
        Milliseconds of each main-thread task over 50 ms.
    elements : int
        Of TensorBoard's page and the tab together.
    memory : float
        Most bytes that the renderer held.
    """

    intervals: list[float]
    tasks: list[float]
    elements: int
    memory: float


FULL = (Planted(16384), Planted(2048, layers=32, heads=32))
TINY = (Planted(1024), Planted(64, layers=2, heads=3))


def measure(tiny: bool = False) -> list[Figure]:
    """Record planted attention and move about in it."""
    figures = []
    for size in TINY if tiny else FULL:
        with tempfile.TemporaryDirectory() as name:
            logs = Path(name) / "logs"
            write(logs / "run", size)
            with browser.tensorboard(logs) as address, browser.chromium() as started:
                figures += _figures(size, move(started, address, size), started.version)
    return figures


def move(started: Any, address: str, size: Planted) -> Moved:
    """Open the tab, make the gestures, and return what they took."""
    context = started.new_context(viewport=peers.VIEWPORT)
    with peers.watched() as memory:
        try:
            page = context.new_page()
            page.goto(f"{address}#limelight")
            tab = page.frame_locator("iframe[src*='plugin_entry.html?name=limelight']")
            ready = tab.locator("#limelight[data-ready='true']")
            ready.locator("canvas[data-grid]").wait_for(timeout=_MOST_MS)
            frame = next(inner for inner in page.frames if "name=limelight" in inner.url)
            frame.evaluate(_WATCH)
            if size.heads > 1:
                _choose(tab, ready)
            _zoom_and_pan(page, tab)
            ready.wait_for(timeout=_MOST_MS)
            elements = sum(
                document.evaluate("document.querySelectorAll('*').length")
                for document in (page, frame)
            )
            series = [frame.evaluate(name) for name in ("intervals", "tasks")]
            return Moved(*series, elements, memory.most)
        finally:
            context.close()


def _choose(tab: Any, ready: Any) -> None:
    grid = tab.locator("canvas[data-grid]")
    box = grid.bounding_box()
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        grid.click(position={"x": share * box["width"], "y": share * box["height"]})
        ready.wait_for(timeout=_MOST_MS)


def _zoom_and_pan(page: Any, tab: Any) -> None:
    canvas = tab.locator("canvas[data-box]")

    def shown() -> Any:
        return json.loads(canvas.get_attribute("data-box"))

    canvas.scroll_into_view_if_needed()
    frame, plot = canvas.bounding_box(), shown()
    x = frame["x"] + plot["x"] + plot["width"] / 2
    y = frame["y"] + plot["y"] + plot["height"] / 2
    page.mouse.move(x, y)
    for _ in range(60):
        if shown()["rows"] <= 64:
            break
        page.mouse.wheel(0, -240)
        time.sleep(0.05)
    for way in (1, -1, 1, -1):
        page.mouse.down()
        for step in range(1, 26):
            page.mouse.move(x - 6 * way * step, y - 6 * way * step)
            time.sleep(0.02)
        page.mouse.up()
        page.mouse.move(x, y)
    for _ in range(30):
        page.mouse.wheel(0, 240)
        time.sleep(0.05)


def _figures(size: Planted, moved: Moved, chromium: str) -> list[Figure]:
    heads = size.layers * size.heads
    subject = f"zooming and panning, {heads:,} head{'s' * (heads > 1)} × {size.positions:,}²"
    intervals = sorted(moved.intervals)
    slow = sum(interval > 50 for interval in intervals)
    how = f"headless Chromium {chromium} without a GPU, one pass of the gestures"
    return [
        Figure(
            what=f"{subject}: longest time between two frames",
            bar=50,
            at_most=True,
            value=intervals[-1],
            unit=" ms",
            absolute=(
                f"{len(intervals)} frames, {slow} of them over 50 ms; median "
                f"{intervals[len(intervals) // 2]:.1f} ms, 99 of 100 within "
                f"{intervals[int(0.99 * (len(intervals) - 1))]:.1f} ms; {len(moved.tasks)} "
                f"main-thread tasks over 50 ms, the longest {max(moved.tasks, default=0):.0f} ms"
            ),
            how=f"wall time; {how}",
        ),
        Figure(
            what=f"{subject}: most memory of the renderer",
            bar=1,
            at_most=True,
            value=moved.memory / 1e9,
            unit=" GB",
            absolute=f"{moved.memory / 1e6:.0f} MB, TensorBoard's own page included",
            how=f"resident memory, looked at four times a second; {how}",
        ),
        Figure(
            what=f"{subject}: elements in the document",
            bar=5000,
            at_most=True,
            value=moved.elements,
            absolute=f"{moved.elements:,}, TensorBoard's own page included",
            how=f"after the gestures; {how}",
        ),
    ]
