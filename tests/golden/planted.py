"""Small planted runs whose every number can be worked out by hand.

Weights are whole 64ths: float16 holds them exactly, and no machine rounds them otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import xarray as xr

from limelight.capture.parameters import summarise
from limelight.measure import LEFT_OUT, NAN_ROWS
from limelight.measuring import measures_of, uniform_of
from limelight.store import Writer
from limelight.store.write.step import sites_of

#: Text that breaks careless code: CJK, a joined emoji, right-to-left, markup, sub-word marks.
TOKENS = [
    ["电影", "🧑‍🚀", "שלום", "<img src=x onerror=alert(1)>", "##ing", "Ġthe"],
    ["a", "b", "c", "&amp;", "", ""],
]
STEPS = (0, 100, 250)
EPOCHS = (None, 1.0, 2.5)
#: Stands in for when the steps were written, seconds since 1970.
WALL_TIMES = (1767225600.0, 1767225660.5, 1767225721.25)
#: What is measured: these and no more, so that golden answers and pictures outlive a new measure.
MEASURES = (
    "distance", "entropy", "first_key_share", "gini", "maximum", "normalised_entropy",
    "share_beyond_uniform",
)  # fmt: skip


def rows(shape: tuple[int, ...], allowed: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """Return lawful weights in whole 64ths: each row with an allowed key sums to 1."""
    allowed = np.broadcast_to(allowed, shape)
    position = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    share = np.where(allowed, 1 + (position * 7 + seed * 13) % 11, 0)
    counts = np.maximum(share * 64 // np.maximum(share.sum(-1, keepdims=True), 1), 0)
    best = share.argmax(-1)[..., None]
    left = np.where(allowed.any(-1, keepdims=True), 64 - counts.sum(-1, keepdims=True), 0)
    np.put_along_axis(counts, best, np.take_along_axis(counts, best, -1) + left, -1)
    return (counts / 64).astype(np.float32)


def site(
    queries: int,
    keys: int,
    heads: int,
    *,
    seed: int,
    module: str,
    kind: str,
    module_class: str,
    causal: bool = False,
    query_length: tuple[int, int] | None = None,
    key_length: tuple[int, int] | None = None,
    **attrs: Any,
) -> xr.Dataset:
    """Build one site's dataset over two examples, the second of them padded."""
    query_length, key_length = query_length or (queries,) * 2, key_length or (keys,) * 2
    query_valid = np.arange(queries) < np.array(query_length)[:, None]
    key_valid = np.arange(keys) < np.array(key_length)[:, None]
    allowed = query_valid[:, :, None] & key_valid[:, None, :]
    if causal:
        allowed &= np.tri(queries, keys, dtype=bool)
    weights = rows((2, heads, queries, keys), allowed[:, None], seed)
    return xr.Dataset(
        {
            "weights": (("example", "head", "query", "key"), weights),
            "allowed": (("example", "query", "key"), allowed),
            "query_valid": (("example", "query"), query_valid),
            "key_valid": (("example", "key"), key_valid),
        },
        attrs={
            "module": module,
            "kind": kind,
            "module_class": module_class,
            "framework": "keras",
            "mode": "inference",
            "dropout": "before",
            **attrs,
        },
    )


def words(step: int) -> xr.DataTree:
    """Return the maps of a small language model at one step; head 1 diverges at the last step."""
    at = STEPS.index(step)
    encoder = site(
        6, 6, 2, seed=at, module="encoder/attention", kind="self",
        module_class="MultiHeadAttention", causal=True, query_length=(6, 4), key_length=(6, 4),
    )  # fmt: skip
    if step == STEPS[-1]:
        encoder["weights"][0, 1, 4, :5] = np.nan
    text = xr.DataArray(np.array(TOKENS, dtype=object), dims=("example", "position"))
    encoder["query_token"] = text.rename(position="query")
    encoder["key_token"] = text.rename(position="key")
    cross = site(
        3, 6, 2, seed=at + 3, module="decoder/cross", kind="cross",
        module_class="MultiHeadAttention", key_length=(6, 4),
    )  # fmt: skip
    cross["key_token"] = text.rename(position="key")
    pool = site(
        1, 6, 1, seed=at + 5, module="pool", kind="pooling", module_class="SoftAttention",
        key_length=(6, 4),
    )  # fmt: skip
    pool["key_token"] = text.rename(position="key")
    long = site(40, 70, 1, seed=at + 7, module="long", kind="cross", module_class="Attention")
    return xr.DataTree.from_dict(
        {"encoder/attention": encoder, "decoder/cross": cross, "pool": pool, "long": long}
    )


def digits(step: int) -> xr.DataTree:
    """Return the maps of a small image model: one query over a 4 × 4 image's pixels."""
    attention = site(
        1, 16, 2, seed=STEPS.index(step) + 9, module="attention", kind="pooling",
        module_class="SoftAttention", key_layout=(4, 4),
    )  # fmt: skip
    return xr.DataTree.from_dict({"attention": attention})


def images() -> np.ndarray[Any, Any]:
    """Return two 4 × 4 images of float32 [example, row, column] from 0 to 1."""
    return (np.arange(32).reshape(2, 4, 4) / 32).astype(np.float32)


def parameters_of(step: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return parameters at one step: a matrix, a constant bias, and one with NaN and inf."""
    at = STEPS.index(step)
    kernel = ((np.arange(64 * 8) * 37 + at * 11) % 101 - 50).reshape(64, 8) / 64
    broken = np.linspace(-1, 1, 12) * (at + 1)
    if at == 2:
        broken[[0, 5]] = np.nan, np.inf
    return {
        "dense/kernel": kernel.astype(np.float32),
        "dense/bias": np.full(8, at / 4, np.float32),
        "层/<b>scale</b>": broken.astype(np.float32),
    }


def chosen(measured: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """Return what some measures gave, and how many rows each left out."""
    counts = [name + LEFT_OUT for name in names]
    return measured[[x for x in measured.data_vars if x in {*names, *counts, NAN_ROWS}]]


@contextmanager
def writer(
    folder: Path,
    tree: Callable[[int], xr.DataTree] | None,
    precision: Any = "float16",
    names: Sequence[str] = MEASURES,
) -> Iterator[Callable[[int], None]]:
    """Yield a function that records a step of a planted run with the real writer."""
    tokens = TOKENS if tree is words else None
    probe = SimpleNamespace(
        examples=2,
        labels=["7", "8"] if tree is digits else None,
        images=images() if tree is digits else None,
        tokens_of=lambda example: None if tokens is None else tokens[example],
    )
    with Writer(folder, precision=precision) as opened:

        def write(step: int) -> None:
            at = STEPS.index(step)
            maps = None if tree is None else tree(step)
            sites = {} if maps is None else sites_of(maps)
            opened.append(
                step,
                tree=maps,
                measures={key: chosen(measures_of(site), names) for key, site in sites.items()},
                uniform={key: chosen(uniform_of(site), names) for key, site in sites.items()},
                parameters=summarise(parameters_of(step)),
                probe=None if tree is None else probe,
                epoch=EPOCHS[at],
                time=WALL_TIMES[at],
            )

        yield write


def write(
    folder: Path,
    tree: Callable[[int], xr.DataTree] | None,
    steps: Sequence[int] = STEPS,
    precision: Any = "float16",
    names: Sequence[str] = MEASURES,
) -> Path:
    """Record a planted run; without a tree, its parameters only. Return its folder."""
    with writer(folder, tree, precision, names) as record:
        for step in steps:
            record(step)
    return folder
