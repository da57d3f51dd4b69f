"""Opening the tab: from an address to 72 painted heads, against pages that other tools write.

One Chromium does all. Ours: a fresh page, with nothing kept from before, goes to the address of a
TensorBoard that has answered before; the end is one frame after the tab says, for good, that
nothing is under way and everything is painted. The others: a fresh page opens the file the tool
wrote of the same maps; the end is two frames after all that the page paints by itself is painted.
Writing these files is not counted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import browser, libraries, models, peers
from benchmarks.figure import Figure
from benchmarks.peers import Opened, Page, Peer

OUTPUT = Path(__file__).resolve().parent.parent / "build" / "benchmarks"
_MOST_MS = 60_000
#: Milliseconds without work that make "painted" final.
_QUIET = 1000

_PAINTED = """
if (location.href.includes("plugin_entry.html")) {
  const there = () => document.querySelector("canvas[data-grid]") &&
    document.querySelector("canvas[data-box]");
  const watch = (root) => new MutationObserver(() => {
    window.painted = null;
    if (root.dataset.ready !== "true" || !there()) return;
    requestAnimationFrame(() => { window.painted = performance.timeOrigin + performance.now(); });
  }).observe(root, { attributes: true, attributeFilter: ["data-ready"] });
  const look = () => {
    const root = document.getElementById("limelight");
    if (root) watch(root); else requestAnimationFrame(look);
  };
  look();
}
"""


@dataclass(frozen=True)
class Scale:
    """How many heads, how long, how often.

    Attributes
    ----------
    sizes : Sizes
        Of the model, but for the positions.
    bars : dict of int to float
        Positions to the most seconds.
    train : int
        Batches.
    opens : int
        Of the tab, half before the other tools and half after; one more warms TensorBoard.
    most : float
        Seconds that another tool's page may take.
    """

    sizes: models.Sizes
    bars: dict[int, float]
    train: int
    opens: int
    most: float

    @property
    def heads(self) -> int:
        """Of all layers."""
        return self.sizes.layers * self.sizes.heads


FULL = Scale(models.Sizes(6, 12), {256: 3, 1024: 5}, train=20, opens=8, most=120)
TINY = Scale(models.Sizes(2, 2, width=16, words=50), {16: 3, 32: 5}, train=1, opens=2, most=20)


@dataclass(frozen=True)
class Tab:
    """Opening the tab once, in seconds since the address was entered.

    Attributes
    ----------
    painted : float
    shell : float
        When TensorBoard began to load the tab.
    """

    painted: float
    shell: float


@dataclass(frozen=True)
class Theirs:
    """What came of another tool.

    Attributes
    ----------
    peer : Peer
    positions : int
    page : Page or None
        None if none was written.
    opened : Opened
        Without a page: of the maps with fewer positions, which cannot take longer.
    """

    peer: Peer
    positions: int
    page: Page | None
    opened: Opened


def measure(tiny: bool = False) -> list[Figure]:
    """Record maps of each length, then open them every way there is."""
    scale = TINY if tiny else FULL
    files = libraries.fetch(OUTPUT / "libraries")
    figures: list[Figure] = []
    theirs: list[Theirs] = []
    for positions, bar in scale.bars.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            sizes = replace(scale.sizes, positions=positions)
            models.record(folder / "logs" / "run", sizes, max(1, 2048 // positions), scale.train)
            half = scale.opens // 2
            with browser.tensorboard(folder / "logs") as address, browser.chromium() as started:
                ours = [open_tab(started, address) for _ in range(half + 1)][1:]
                theirs = [
                    _theirs(started, peer, folder, scale, positions, files, theirs)
                    for peer in peers.PEERS
                    if peer.there()
                ]
                ours += [open_tab(started, address) for _ in range(half)]
                chromium = started.version
        subject = f"{scale.heads} heads × {positions:,}², from the address entered to all painted"
        figures += [
            _first(subject, bar, ours, chromium),
            _faster(subject, ours, theirs, scale.most),
        ]
    return figures


def open_tab(started: Any, address: str) -> Tab:
    """Open the tab in a fresh context."""
    context = started.new_context(viewport=peers.VIEWPORT)
    try:
        page = context.new_page()
        page.add_init_script(_PAINTED)
        page.goto(f"{address}#limelight")
        tab = page.frame_locator("iframe[src*='plugin_entry.html?name=limelight']")
        tab.locator("#limelight[data-ready='true'] canvas[data-grid]").wait_for(timeout=_MOST_MS)
        frame = next(inner for inner in page.frames if "name=limelight" in inner.url)
        quiet = f"window.painted && performance.timeOrigin + performance.now() > painted + {_QUIET}"
        frame.wait_for_function(quiet, timeout=_MOST_MS)
        start = float(page.evaluate("performance.timeOrigin"))
        times = frame.evaluate("[painted, performance.timeOrigin]")
        page.screenshot(path=OUTPUT / "opened.png")
        return Tab(*((moment - start) / 1000 for moment in times))
    finally:
        context.close()


def _theirs(
    started: Any,
    peer: Peer,
    folder: Path,
    scale: Scale,
    positions: int,
    files: dict[str, Path],
    shorter: Sequence[Theirs],
) -> Theirs:
    """Write a tool's page and open it, unless shorter maps tell that no browser can."""
    before = next((opened for opened in shorter if opened.peer is peer and opened.page), None)
    if before and before.page:
        expected = before.page.size * (positions / before.positions) ** 2
        if expected > peers.LONGEST:
            why = f"not written, since V8 does not run a script of {expected / 1e9:.1f} GB"
            if before.opened.why:
                why += f" (with {before.positions} positions {before.opened.why})"
            return Theirs(peer, positions, None, replace(before.opened, why=why))
    maps = folder / "maps.npz"
    if not maps.exists():
        peers.save_maps(folder / "logs" / "run", maps)
    page = peers.write(peer.module, maps, folder / f"{peer.module}.html")
    painted = peer.painted.replace("HEADS", str(scale.heads)).replace("POSITIONS", str(positions))
    opened = peers.open_page(started, page.path, painted, files, scale.most)
    return Theirs(peer, positions, page, opened)


def _first(subject: str, bar: float, ours: Sequence[Tab], chromium: str) -> Figure:
    painted, shell = ([getattr(tab, name) for tab in ours] for name in ("painted", "shell"))
    alone = [tab.painted - tab.shell for tab in ours]
    return Figure(
        what=f"{subject}: seconds",
        bar=bar,
        at_most=True,
        value=float(np.median(painted)),
        unit=" s",
        absolute=(
            f"{min(painted):.2f} to {max(painted):.2f} s; of these TensorBoard's own page takes "
            f"{np.median(shell):.2f} s before it loads the tab, and the tab "
            f"{np.median(alone):.2f} s ({min(alone):.2f} to {max(alone):.2f}); Chromium {chromium}"
        ),
        how=(
            f"wall time, median of {len(ours)} fresh pages, after one that warmed TensorBoard; the "
            "tab draws each head by at most 32 × 32 cells and the chosen one in full"
        ),
    )


def _faster(subject: str, ours: Sequence[Tab], theirs: Sequence[Theirs], most: float) -> Figure:
    """Compare with the fastest tool that shows all heads; NaN, not met, if there is none."""
    median = float(np.median([tab.painted for tab in ours]))
    alone = float(np.median([tab.painted - tab.shell for tab in ours]))
    fastest = min(
        (tool for tool in theirs if tool.peer.all_heads),
        key=lambda tool: tool.opened.seconds,
        default=None,
    )
    value = fastest.opened.seconds / median if fastest else np.nan
    least = "at least, since it was never painted: " if fastest and fastest.opened.why else ""
    return Figure(
        what=f"{subject}: times faster than the fastest other tool that shows all heads",
        bar=20,
        at_most=False,
        value=float(value),
        unit="×",
        absolute=f"{least}{median:.2f} s against " + "; ".join(map(_said, theirs)),
        how=(
            f"wall time; without TensorBoard's own page {value * median / alone:.3g} times; each "
            f"other page was opened once and may take {most:.0f} s and "
            f"{peers.MOST_BYTES / 1e9:.0f} GB; V8, Chromium's JavaScript, runs no script longer "
            "than 0.54 GB; no GPU"
        ),
    )


def _said(tool: Theirs) -> str:
    """Tell how one tool did."""
    shows = "" if tool.peer.all_heads else " (shows one row of one head at a time)"
    if tool.page is None:
        return f"{tool.peer.name}{shows}: {tool.opened.why}"
    took = tool.opened.why or f"{tool.opened.seconds:.1f} s"
    return (
        f"{tool.peer.name} {tool.page.version}{shows}: {took}, {tool.opened.memory / 1e9:.1f} GB "
        f"held by the page, a file of {tool.page.size / 1e6:.0f} MB that took "
        f"{tool.page.seconds:.1f} s to write"
    )
