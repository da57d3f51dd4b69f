"""The page of weights of a long run of a deep model: first paint, hover, filter, step.

One Chromium opens the tab inside TensorBoard on a planted recording of parameters, gradients and
updates: what is measured is TensorBoard's answers, the front end and the painting of it. First
paint: from the click on the tab "Weights", the run already chosen, to a frame after nothing is
under way any more. A deed: from the event to a frame after it was painted.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import browser
from benchmarks.figure import Figure
from limelight.capture.tensors import Tensor, table
from limelight.distribution import distribution
from limelight.store import Step, Writer

_MOST_MS = 120_000


@dataclass(frozen=True)
class Scale:
    """How many steps and tensors, and how often each deed."""

    steps: int
    tensors: int
    rounds: int


FULL = Scale(2_000, 500, 20)
TINY = Scale(12, 30, 2)
_KINDS = ("parameter", "gradient", "update")


def plant(folder: Path, steps: int, tensors: int) -> None:
    """Record tensors of three kinds over so many steps; a few shapes of histograms recur."""
    rng = np.random.default_rng(0)
    layers = ("attention/qkv", "attention/out", "dense_1/kernel", "dense_2/kernel", "norm/gamma")
    names = [f"block_{at // len(layers)}/{layers[at % len(layers)]}" for at in range(tensors)]
    variants = {}
    for kind, scale, numbers in zip(_KINDS, (0.1, 1e-3, 1e-5), ((), (), ("ratio",)), strict=True):
        variants[kind] = [
            table(
                {
                    name: Tensor(
                        distribution(rng.normal(0, scale * (1 + at % 7), 32).astype("f4")),
                        (4, 8),
                        numbers={"ratio": 1e-3} if numbers else {},
                    )
                    for at, name in enumerate(names)
                },
                numbers,
            )
            for _ in range(4)
        ]
    with Writer(folder) as writer:
        for step in range(steps):
            wave = 1 + 0.2 * np.sin(step / 90)
            made = {
                kind: tables[step % 4].assign(
                    {name: tables[step % 4][name] * wave for name in ("std", "norm")}
                )
                for kind, tables in variants.items()
            }
            parameters = made.pop("parameter")
            # Fewer of the others: it is the reading that is measured, not the disk.
            writer.publish(
                Step(10 * step, parameters=parameters, tensors=made if step % 20 == 0 else {})
            )


def measure(tiny: bool = False) -> list[Figure]:
    """Plant a recording, open the page on it and do what people do."""
    scale = TINY if tiny else FULL
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(folder / "logs" / "deep", scale.steps, scale.tensors)
        with browser.tensorboard(folder / "logs") as address, browser.chromium() as started:
            return figures(started, address, scale)


def figures(started: Any, address: str, scale: Scale) -> list[Figure]:
    """Measure on a TensorBoard that serves a planted recording as the run "deep"."""
    paints = [first_paint(started, address) for _ in range(2 if scale is TINY else 5)]
    times = deeds(started, address, scale)
    size = f"{scale.steps:,} steps × {scale.tensors} tensors"
    every = np.concatenate([times[name] for name in sorted(times)])
    worst = max(times, key=lambda name: float(np.percentile(times[name], 95)))
    said = "; ".join(
        f"{name} {np.percentile(values, 95):.0f} ms" for name, values in sorted(times.items())
    )
    return [
        Figure(
            what=f"page of weights, {size}: from the click on its tab to painted",
            bar=1.5,
            at_most=True,
            value=float(np.median(paints)) / 1000,
            unit=" s",
            absolute=f"{min(paints):.0f} to {max(paints):.0f} ms; Chromium {started.version}",
            how=f"wall time, median of {len(paints)} pages, each a new one",
        ),
        Figure(
            what=f"page of weights, {size}: hover, filter and step, from the event to painted, p95",
            bar=100,
            at_most=True,
            value=float(np.percentile(times[worst], 95)),
            unit=" ms",
            absolute=f"p95 of each: {said}; median of all {np.median(every):.0f} ms",
            how=f"wall time, the slowest of the three kinds; {scale.rounds} of each",
        ),
    ]


_DONE = """
window.measure = (deed, away) => new Promise((done) => {
  const root = document.getElementById("limelight");
  const start = performance.now();
  let left = !away;
  const painted = () => requestAnimationFrame(() => setTimeout(
    () => done(performance.now() - start), 0));
  const watch = new MutationObserver(() => {
    if (root.dataset.ready !== "true") left = true;
    else if (left) { watch.disconnect(); painted(); }
  });
  if (away) watch.observe(root, { attributes: true, attributeFilter: ["data-ready"] });
  deed(root);
  if (!away) painted();
});
"""

#: What is done, and whether something is asked of the server for it.
_DEEDS = {
    "hover": (
        """root => { const svg = root.querySelector(".bands svg, .curves svg");
        const box = svg.getBoundingClientRect();
        svg.dispatchEvent(new PointerEvent("pointermove",
          { bubbles: true, clientX: box.left + 60 + (NUMBER * 37) % (box.width - 80) })); }""",
        False,
    ),
    "filter": (
        """root => { const input = root.querySelector(".layers input.filter");
        input.value = NUMBER % 2 ? "" : `block_${NUMBER}`;
        input.dispatchEvent(new InputEvent("input", { bubbles: true })); }""",
        False,
    ),
    "step": ("root => root.querySelector('.steps button').click()", True),
}


def first_paint(started: Any, address: str) -> float:
    """Open the tab elsewhere, click on "Weights", and return milliseconds till all is drawn."""
    context = started.new_context(viewport={"width": 1440, "height": 900})
    try:
        frame = _opened(context, f"{address}#limelight&p.limelight.run=deep")
        return float(
            frame.evaluate(
                """() => window.measure(root => [...root.querySelectorAll("nav button")]
                .find(button => button.textContent === "Weights").click(), true)"""
            )
        )
    finally:
        context.close()


def deeds(started: Any, address: str, scale: Scale) -> dict[str, list[float]]:
    """Return the milliseconds of each deed."""
    context = started.new_context(viewport={"width": 1440, "height": 900})
    try:
        page = f"{address}#limelight&p.limelight.run=deep&p.limelight.page=parameters"
        frame = _opened(context, page)
        frame.locator(".layers tr[data-parameter], .layers tr[data-fold]").first.wait_for()
        times: dict[str, list[float]] = {name: [] for name in _DEEDS}
        for number in range(scale.rounds + 1):
            for name, (deed, asks) in _DEEDS.items():
                code = deed.replace("NUMBER", str(number))
                asked = f"() => window.measure({code}, {str(asks).lower()})"
                times[name].append(float(frame.evaluate(asked)))
                frame.locator('#limelight[data-ready="true"]').wait_for(state="attached")
        return {name: values[1:] for name, values in times.items()}  # the first of each warms up
    finally:
        context.close()


def _opened(context: Any, address: str) -> Any:
    page = context.new_page()
    page.set_default_timeout(_MOST_MS)
    page.add_init_script(_DONE)
    page.goto(address, wait_until="domcontentloaded")
    tab = page.frame_locator("iframe[src*='name=limelight']")
    tab.locator('#limelight[data-ready="true"]').wait_for(state="attached")
    return next(inner for inner in page.frames if "name=limelight" in inner.url)
