"""The same pass by torch, block by block of whole rows: on a GPU, or where Numba is not installed.

Room: analyses. Comes in and goes out: what the pass in NumPy takes and gives. torch is never loaded
for it; whoever has it loaded may have its vectors measured so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from limelight.analyses.blockwise.cells import Grid, Pooled, across, rows_of
from limelight.analyses.blockwise.numpy_pass import LOWEST
from limelight.analyses.blockwise.sums import (
    APART,
    FIRST,
    NAMES,
    OFFSETS,
    SLOPE,
    TOP,
    TOTAL,
    blank,
    logs_of,
)
from limelight.factors import Factors, blocks
from limelight.rule import Rule

#: Weights of a block: enough for all cores, or all of a card.
_MOST: Final = {"cpu": 1 << 20, "cuda": 1 << 24}


def walk(
    factors: Factors,
    wanted: Collection[str],
    grid: Grid | None = None,
    known: NDArray[np.float64] | None = None,
    device: str = "cpu",
) -> tuple[NDArray[np.float64], Pooled | None]:
    """Make one pass over the scores on a device; see the NumPy form of the same name."""
    raw = blank(factors, wanted)
    pooled = None if grid is None else Pooled.blank(factors.shape, grid)
    heads, keys = factors.shape[1], factors.shape[3]
    with torch.inference_mode(), _exactly():
        query, key = (_moved(vectors, device) for vectors in (factors.query, factors.key))
        groups = torch.arange(heads, device=device) // (heads // key.shape[1])
        for example, part, rows in blocks(factors.shape, _MOST[device]):
            vectors = key[example, part if heads == key.shape[1] else groups[part]]
            scores = (query[example, part, rows] * factors.scale) @ vectors.mT
            if factors.softcap is not None:
                scores.div_(factors.softcap).tanh_().mul_(factors.softcap)
            forbidden = ~_allowed(factors.rule, example, part, rows, device)
            scores.masked_fill_(forbidden, -np.inf)
            into = raw[:, example, part, rows]
            _note(scores, rows, wanted, into)
            exponentials = _exponentials(scores, wanted, into)
            if grid is not None and pooled is not None:
                ratio = _ratio(factors, into, known, example, part, rows)
                weights = exponentials * _moved(ratio, device)[..., None]
                weights.masked_fill_(forbidden, 0)  # of a row that is NaN too
                first = example * heads
                sites = slice(first + part.start, first + part.stop)
                pooled.take(sites, *_cells(weights, rows, grid))
            if "apart" in wanted:
                positions = torch.arange(rows.start, rows.stop, device=device)
                exponentials *= (positions[:, None] - torch.arange(keys, device=device)).abs()
                into[APART] = _back(exponentials.sum(-1, dtype=torch.float64))
    return raw, pooled


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


def _back(tensor: torch.Tensor) -> NDArray[Any]:
    return np.asarray(tensor.cpu().numpy())


def _allowed(rule: Rule, example: int, heads: slice, queries: slice, device: str) -> torch.Tensor:
    """Return some rows' pattern, [query, key] or [head, query, key], made where it is used."""
    if rule.cells is not None:
        part = rule.allowed(example, heads, queries, slice(None))
        return torch.tensor(part, device=device)
    first, stop, valid = (
        torch.tensor(values[example if len(values) > 1 else 0], device=device)
        for values in (rule.first, rule.stop, rule.valid)
    )
    keys = torch.arange(len(valid), device=device)
    return (keys >= first[queries, None]) & (keys < stop[queries, None]) & valid


def _note(
    scores: torch.Tensor, queries: slice, wanted: Collection[str], into: NDArray[np.float64]
) -> None:
    """Keep the scores of single keys, and the best one."""
    into[TOP] = _back(scores.amax(-1))
    if "first" in wanted:
        into[FIRST] = _back(scores[..., 0])
    for name in OFFSETS.keys() & {*wanted}:
        # The scores of the keys so many positions from each query's own, where there are such.
        start = queries.start + OFFSETS[name]
        line = scores.diagonal(start, -2, -1) if start < scores.shape[-1] else scores[..., 0, :0]
        skipped = max(0, -start)
        into[NAMES.index(name)][:, skipped : skipped + line.shape[-1]] = _back(line)


def _exponentials(
    scores: torch.Tensor, wanted: Collection[str], into: NDArray[np.float64]
) -> torch.Tensor:
    """Return exponentials of scores less the best one, and keep their sums; spoils ``scores``."""
    top = scores.amax(-1, keepdim=True)
    scores -= top.masked_fill(top.isneginf(), 0)
    exponentials = scores.exp()
    into[TOTAL] = _back(exponentials.sum(-1, dtype=torch.float64))
    if "slope" in wanted:
        scores.clamp_(min=float(LOWEST)).mul_(exponentials)  # 0 times -inf would be NaN
        into[SLOPE] = _back(scores.sum(-1, dtype=torch.float64))
    return exponentials


def _ratio(
    factors: Factors, into: Any, known: Any, example: int, heads: slice, queries: slice
) -> NDArray[np.float64]:
    """Return what the exponentials of each row are to be multiplied with."""
    if known is None:
        logits = None if factors.sink_logit is None else factors.sink_logit[None, heads]
        logs = logs_of(into[:, None], logits)[0]
    else:
        logs = known[example, heads, queries]
    with np.errstate(invalid="ignore"):  # from infinite scores; the row is NaN then
        return np.asarray(np.exp(into[TOP] - np.where(np.isneginf(logs), np.inf, logs)))


def _cells(weights: torch.Tensor, queries: slice, grid: Grid) -> tuple[slice, Any, Any, Any]:
    """Pool some whole rows [head, query, key]; see what :meth:`Pooled.take` takes."""
    rows, edges = rows_of(queries, grid)
    parts = [weights[:, a:b] for a, b in pairwise(edges.tolist())]
    largest = torch.stack([part.amax(1) for part in parts], 1)
    total = torch.stack([part.sum(1, dtype=torch.float64) for part in parts], 1)
    return rows, *across(_back(largest), _back(total), grid)
