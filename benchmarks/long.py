"""Long attention: measured, bytes on disk, any part viewed, one cell found among 17 billion.

Vectors are synthetic: unit normal ones for the bytes and the views, planted ones (see
``long_store``) for the search. All of a head's map is causal.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import numpy as np

from benchmarks import browser, long_pass, memory
from benchmarks.figure import Figure
from benchmarks.long_store import Planted, record, write
from limelight.answer import answer
from limelight.factors import Factors, factored
from limelight.query import Query
from limelight.rule import Rule
from limelight.store import open_run

FEATURES = 64
#: Positions to the largest share of a float16 map's bytes.
BARS = {4096: 1 / 20, 16384: 1 / 100}
VIEW = 512
VIEWS = 200
FARTHEST = 131072
SITE = "layer_0/attention"


def measure(tiny: bool = False) -> list[Figure]:
    """Measure heads of several lengths, record them and look at them."""
    figures = long_pass.measure(tiny)
    for positions, bar in BARS.items():
        with tempfile.TemporaryDirectory() as name:
            logs = Path(name) / "logs"
            length = positions // 8 if tiny else positions
            record(logs / "run", {SITE: _normal(length)})
            figures.append(_bytes(logs / "run", length, bar))
            if positions == max(BARS):
                figures.append(_views(logs, length, 5 if tiny else VIEWS))
    with tempfile.TemporaryDirectory() as folder:
        figures.append(
            _search(Path(folder), Planted(2048 if tiny else FARTHEST, features=FEATURES))
        )
    return figures


def _normal(positions: int) -> Factors:
    random = np.random.default_rng(0)
    query, key = (random.normal(size=(1, 1, positions, FEATURES)) for _ in range(2))
    return factored(query, key, Rule.causal(positions, positions), FEATURES**-0.5)


def _bytes(folder: Path, positions: int, bar: float) -> Figure:
    files = [path for path in (folder / "plugins").rglob("*") if path.is_file()]
    stored, raw = sum(path.stat().st_size for path in files), 2 * positions**2
    form = open_run(folder).vectors(SITE)
    name = "maps" if form is None else form.precision.name
    error = 0.0 if form is None else form.precision.max_error
    return Figure(
        what=f"bytes on disk, one head at T = {positions:,}, d = {FEATURES}, against float16 dense",
        bar=bar,
        at_most=True,
        value=stored / raw,
        absolute=(
            f"{stored / 1e6:.2f} MB against {raw / 1e6:.1f} MB; {name}, stated error of a weight "
            f"{error:.2g}"
        ),
        how="every file of the recording counted; deterministic",
    )


def _views(logs: Path, positions: int, count: int) -> Figure:
    random = np.random.default_rng(1)
    size = min(VIEW, positions // 2)
    opener = build_opener(ProxyHandler({}))
    wall, sizes = [], []
    with browser.tensorboard(logs) as address:
        for turn in range(count + 3):
            row, column = (int(first) for first in random.integers(0, positions - size, 2))
            fields = {
                "run": "run", "what": "map", "site": SITE, "head": 0, "example": 0,
                "rows": f"{row}:{row + size}", "columns": f"{column}:{column + size}",
            }  # fmt: skip
            before = time.perf_counter()
            with opener.open(
                f"{address}data/plugin/limelight/answer?{urlencode(fields)}"
            ) as response:
                answered = response.read()
            if turn >= 3:  # the first ones load NumPy and open files
                wall.append(time.perf_counter() - before)
                sizes.append(len(answered))
    middle, high, worst = (1e3 * float(np.quantile(wall, q)) for q in (0.5, 0.95, 1))
    return Figure(
        what=f"a random view of {size} × {size} weights at T = {positions:,}: request to bytes, "
        "p95",
        bar=100,
        at_most=True,
        value=high,
        unit=" ms",
        absolute=(
            f"median {middle:.1f} ms, longest {worst:.1f} ms, {np.median(sizes) / 1e6:.2f} MB each"
        ),
        how=f"wall time of {count} requests to TensorBoard, one after another, after three that "
        "are not counted",
    )


def _search(folder: Path, size: Planted) -> Figure:
    started, before = time.perf_counter(), memory.reset()
    write(folder, size)
    seconds, risen = time.perf_counter() - started, memory.peak() - before
    run = open_run(folder)
    plain: dict[str, Any] = {"site": SITE, "head": 0, "example": 0}
    shown = answer(run, Query("map", **plain))
    cells, stride = shown["weights"].values, shown.attrs["stride_rows"]
    diagonal = bool((np.diag(cells) > 0.5).all())
    away = np.tril(cells, -2)
    cell = np.unravel_index(away.argmax(), away.shape)
    rows, columns = ((at * stride, (at + 1) * stride) for at in map(int, cell))
    strong = answer(run, Query("map", **plain, rows=rows, columns=columns, strongest=1))
    pair = int(strong["strong_query"][0]), int(strong["strong_key"][0])
    others = float(np.sort(away.ravel())[-2])
    return Figure(
        what=(
            f"of a planted diagonal and a planted far cell in one head at T = {size.positions:,}, "
            "found by number from the zoomed-out view"
        ),
        bar=2,
        at_most=False,
        value=int(diagonal) + int(pair == size.far),
        absolute=(
            f"the far cell has {float(strong['strong_weight'][0]):.3f} at query {pair[0]:,}, key "
            f"{pair[1]:,}; no other cell off the diagonal of the view exceeds {others:.2g}; "
            f"recorded in {seconds:.0f} s with {risen / 1e6:.0f} MB more than before; the map "
            f"in float16 is {2 * size.positions**2 / 1e9:.1f} GB"
        ),
        how="the largest cell of a view of 512 × 512, then its strongest weight; deterministic",
    )


if __name__ == "__main__":
    for figure in measure():
        print(figure.value, figure.unit, figure.what, "|", figure.absolute)
