"""The same pass by torch, block by block of whole rows: on a GPU, or where Numba is not installed.

torch is never loaded for it; whoever has it loaded may have its vectors measured so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from limelight.analyses._blockwise_numpy import (
    APART,
    FIRST,
    LOWEST,
    NEAR,
    OFFSETS,
    SLOPE,
    TOP,
    TOTAL,
    Grid,
    Shrunk,
    across,
    blank,
    down,
    logs_of,
)
from limelight.factors import Factors, blocks
from limelight.rule import Rule

#: Weights of a block: enough for all cores, or all of a card.
_MOST: Final = {"cpu": 1 << 20, "cuda": 1 << 24}


def walk(
    factors: Factors,
    apart: bool,
    near: bool,
    grid: Grid | None = None,
    known: NDArray[np.float64] | None = None,
    device: str = "cpu",
) -> tuple[NDArray[np.float64], Shrunk | None]:
    """Make one pass over the scores on a device; see the NumPy form of the same name."""
    raw = blank(factors, near)
    shrunk = None if grid is None else Shrunk.blank(factors.shape, grid)
    heads, keys = factors.shape[1], factors.shape[3]
    with torch.inference_mode(), _exactly():
        query, key = (_moved(one, device) for one in (factors.query, factors.key))
        owner = torch.arange(heads, device=device) // (heads // key.shape[1])
        for example, some, rows in blocks(factors.shape, _MOST[device]):
            own = key[example, some if len(owner) == key.shape[1] else owner[some]]
            scores = (query[example, some, rows] * factors.scale) @ own.mT
            if factors.softcap is not None:
                scores.div_(factors.softcap).tanh_().mul_(factors.softcap)
            barred = ~_allowed(factors.rule, example, some, rows, device)
            scores.masked_fill_(barred, -np.inf)
            into = raw[:, example, some, rows]
            into[FIRST] = _back(scores[..., 0])
            if near:
                for name, offset in OFFSETS.items():
                    _beside(scores, rows, offset, into[NEAR[name]])
            top = scores.amax(-1, keepdim=True)
            into[TOP] = _back(top[..., 0])
            scores -= top.masked_fill(top.isneginf(), 0)
            found = scores.exp()
            into[TOTAL] = _back(found.sum(-1, dtype=torch.float64))
            scores.clamp_(min=float(LOWEST)).mul_(found)  # 0 times -inf would be NaN
            into[SLOPE] = _back(scores.sum(-1, dtype=torch.float64))
            if grid is not None and shrunk is not None:
                share = _share(factors, into, known, example, some, rows)
                weights = found * _moved(share, device)[..., None]
                weights.masked_fill_(barred, 0)  # of a row that is NaN too
                first = example * heads
                sites = slice(first + some.start, first + some.stop)
                shrunk.take(sites, *_cells(weights, rows, grid))
            if apart:
                place = torch.arange(rows.start, rows.stop, device=device)
                found *= (place[:, None] - torch.arange(keys, device=device)).abs()
                into[APART] = _back(found.sum(-1, dtype=torch.float64))
    return raw, shrunk


@contextmanager
def _exactly() -> Iterator[None]:
    """Multiply in full single precision, whatever training was told to do without."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _moved(array: Any, device: str) -> torch.Tensor:
    return torch.tensor(np.asarray(array, np.float32), device=device)


def _back(found: torch.Tensor) -> NDArray[Any]:
    return np.asarray(found.cpu().numpy())


def _allowed(rule: Rule, example: int, heads: slice, queries: slice, device: str) -> torch.Tensor:
    """Return some rows' pattern, [query, key] or [head, query, key], made where it is used."""
    if rule.cells is not None:
        part = rule.allowed(example, heads, queries, slice(None))
        return torch.tensor(part, device=device)
    first, stop, valid = (
        torch.tensor(one[example if len(one) > 1 else 0], device=device)
        for one in (rule.first, rule.stop, rule.valid)
    )
    place = torch.arange(len(valid), device=device)
    return (place >= first[queries, None]) & (place < stop[queries, None]) & valid


def _beside(scores: torch.Tensor, queries: slice, offset: int, into: NDArray[np.float64]) -> None:
    """Read each query's score of the key so many positions from its own, where there is one."""
    start = queries.start + offset
    line = scores.diagonal(start, -2, -1) if start < scores.shape[-1] else scores[..., 0, :0]
    skipped = max(0, -start)
    into[:, skipped : skipped + line.shape[-1]] = _back(line)


def _share(
    factors: Factors, into: Any, known: Any, example: int, heads: slice, queries: slice
) -> NDArray[np.float64]:
    """Return what the exponentials of each row are to be multiplied with."""
    if known is None:
        sink = None if factors.sink_logit is None else factors.sink_logit[None, heads]
        logs = logs_of(into[:, None], sink)[0]
    else:
        logs = known[example, heads, queries]
    with np.errstate(invalid="ignore"):  # from infinite scores; the row is NaN then
        return np.asarray(np.exp(into[TOP] - np.where(np.isneginf(logs), np.inf, logs)))


def _cells(weights: torch.Tensor, queries: slice, grid: Grid) -> tuple[slice, Any, Any, Any]:
    """Shrink some whole rows [head, query, key]; see what :meth:`Shrunk.take` takes."""
    rows, edges = down(queries, grid)
    parts = [weights[:, a:b] for a, b in pairwise(edges.tolist())]
    largest = torch.stack([part.amax(1) for part in parts], 1)
    total = torch.stack([part.sum(1, dtype=torch.float64) for part in parts], 1)
    return rows, *across(_back(largest), _back(total), grid)
