"""Evidence of all heads as a labelled dataset.

Room: studying. Comes in: what :mod:`limelight.maps.evidence` gathered of each site. Goes out: a
dataset [site, head, …].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.maps.evidence import DISTANCES, Evidence

#: What an entry says beside its weight.
COLUMNS: Final = ("example", "query", "key")
#: Tokens and pairs of tokens that are named for each head.
_TOKENS: Final = 32
_DECILES: Final = 10


def shown(held: Mapping[str, Evidence], ranks: int, samples: int) -> xr.Dataset:
    """Lay evidence of all sites out.

    Parameters
    ----------
    held : mapping of str to Evidence
        By site.
    ranks, samples : int
        Strongest entries of a head, and sampled ones for each decile.

    Returns
    -------
    Dataset [site, head, …]
    """
    width = max(len(evidence.sums["rows"]) for evidence in held.values())
    grid = _Grid(len(held), width)
    for site, evidence in enumerate(held.values()):
        entries = evidence.entries
        grid.entries("strongest", ("rank",), site, _padded(entries["top"], ranks))
        grid.entries("sample", ("decile", "draw"), site, _by_decile(entries["drawn"], samples))
        if "link_top" in entries:
            grid.entries("link_strongest", ("rank",), site, _padded(entries["link_top"], ranks))
        for name in ("near", "near_null"):
            if name in evidence.sums:
                sums = evidence.sums[name]
                whole = np.maximum(sums.sum(-1, keepdims=True), 1e-12)
                grid.put(name, ("distance",), site, sums / whole, np.nan)
        if "link" in evidence.sums:
            given, even, count = np.moveaxis(evidence.sums["link"], -1, 0)
            there = np.where(count > 0, count, np.nan)
            grid.put("link_weight", (), site, given / there, np.nan)
            grid.put("link_null", (), site, even / there, np.nan)
            grid.put("link_count", (), site, count, np.nan)
        for name, values in _named(evidence).items():
            grid.put(name, ("top",), site, values, "" if values.dtype.kind == "U" else np.nan)
    return xr.Dataset(grid.columns, coords={
        "site": np.array(list(held), np.str_), "head": np.arange(width),
        "decile": np.arange(1, _DECILES + 1), "distance": DISTANCES,
    })  # fmt: skip


class _Grid:
    """Columns [site, head, …], filled site by site."""

    def __init__(self, sites: int, width: int) -> None:
        self.shape = (sites, width)
        self.columns: dict[str, Any] = {}

    def put(
        self, name: str, dims: tuple[str, ...], site: int, values: NDArray[Any], empty: Any
    ) -> None:  # fmt: skip
        """Write a site's values [head, …] into a column, which is made when it is first needed."""
        if name not in self.columns:
            kind = values.dtype if values.dtype.kind == "U" else type(empty)
            whole = np.full((*self.shape, *values.shape[1:]), empty, dtype=kind)
            self.columns[name] = (("site", "head", *dims), whole)
        dims, column = self.columns[name]
        if values.dtype.kind == "U" and values.dtype.itemsize > column.dtype.itemsize:
            column = column.astype(values.dtype)
            self.columns[name] = (dims, column)
        column[site, : len(values)] = values

    def entries(self, name: str, dims: tuple[str, ...], site: int, rows: NDArray[Any]) -> None:
        """Write entries [head, …, 5]: their weights, and where they are."""
        there = rows[..., 0] >= 0
        self.put(name, dims, site, np.where(there, rows[..., 4], np.nan), np.nan)
        for number, part in enumerate(COLUMNS, 1):
            values = np.where(there, rows[..., number], -1).astype(np.int64)
            self.put(f"{name}_{part}", dims, site, values, -1)


def _padded(entries: NDArray[Any], count: int) -> NDArray[Any]:
    made = np.full((len(entries), count, entries.shape[-1]), -1.0)
    made[:, : entries.shape[1]] = entries[:, :count]
    return made


def _by_decile(entries: NDArray[Any], samples: int) -> NDArray[Any]:
    """Return some of the drawn rows [head, decile, draw, 5] for each tenth of their weights."""
    made = np.full((len(entries), _DECILES, samples, 5), -1.0)
    for head, rows in enumerate(entries):
        there = rows[rows[:, 0] >= 0]
        order = there[np.argsort(there[:, 4], kind="stable")]
        for decile, part in enumerate(np.array_split(order, _DECILES)):
            # The greatest priorities, which are random.
            chosen = part[np.argsort(-part[:, 0], kind="stable")][:samples]
            made[head, decile, : len(chosen)] = chosen
    return made


def _named(evidence: Evidence) -> dict[str, NDArray[Any]]:
    """Return tokens and pairs of tokens that get most, by head."""
    made: dict[str, list[Any]] = {}
    for head, sums in enumerate(evidence.tokens):
        rows = max(float(evidence.sums["rows"][head]), 1.0)
        top = sorted(sums, key=lambda name: (-sums[name][0], name))[:_TOKENS]
        blank = _TOKENS - len(top)
        made.setdefault("key_token", []).append([*top, *[""] * blank])
        for column, name in enumerate(("key_share", "key_null")):
            shares = [float(sums[word][column]) / rows for word in top]
            made.setdefault(name, []).append([*shares, *[np.nan] * blank])
    for head, linked in enumerate(evidence.pairs):
        rows = max(float(evidence.sums["rows"][head]), 1.0)
        best = sorted(linked, key=lambda pair: (-linked[pair], pair))[:_TOKENS]
        blank = _TOKENS - len(best)
        made.setdefault("pair_query", []).append([*(query for query, _ in best), *[""] * blank])
        made.setdefault("pair_key", []).append([*(key for _, key in best), *[""] * blank])
        shares = [linked[pair] / rows for pair in best]
        made.setdefault("pair_share", []).append([*shares, *[np.nan] * blank])
    return {name: np.array(rows) for name, rows in made.items()}
