"""What one tensor of parameters looks like: a histogram and a few numbers.

Room: lowest; the one source of bins for capture, store and answers. Comes in: a NumPy array. Goes
out: :class:`Statistics`. Works block by block, so that a large tensor is never copied; the counts
are exactly those of :func:`numpy.histogram`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: How many equal bins a histogram has, unless its caller wants others.
BINS = 64
#: A weight counts as near zero when it is at most this share of its tensor's std.
NEAR_ZERO = 1e-3

# Elements worked on at once: 256 KiB of float32 stay in a core's cache.
_BLOCK = 1 << 16
# Each bin is first cut this fine (a power of 2); only values in cells that touch an edge are
# compared exactly. All cells' numbers fit in 16 bits, of so many bins at most.
_FINE = 256
_MOST = (1 << 16) // _FINE - 1
# Below this many elements NumPy's own histogram is quicker than setting up ours.
_SMALL = 1 << 14
# And below this many, looking each value up is quicker still.
_TINY = 1 << 10


@dataclass(frozen=True)
class Statistics:
    """A tensor's histogram and moments, over its finite values.

    Attributes
    ----------
    count : array [bin]
        Values per bin, int64.
    low, high : float
        Outer edges: the bins' edges are ``linspace(low, high, bins + 1)``. Where all values are
        equal they lie half a unit either side, as in :func:`numpy.histogram`.
    mean, std, min, max : float
        ``std`` is that of the values themselves (divided by n). NaN when no value is finite.
    norm : float
        Euclidean norm.
    near_zero : float
        Share of values with ``|w| <= 0.001 std``, 0 to 1; exact zeros always count.
    nonfinite : int
        How many values are NaN or infinite.
    """

    count: NDArray[np.int64]
    low: float
    high: float
    mean: float
    std: float
    min: float
    max: float
    norm: float
    near_zero: float
    nonfinite: int


def statistics(values: NDArray[Any], bins: int = BINS) -> Statistics:
    """Sum up one tensor.

    Parameters
    ----------
    values : array
        Weights of any shape. Half precision is read as float32, whole numbers as float64.
    bins : int
        Of the histogram, equally wide.

    Returns
    -------
    Statistics

    Examples
    --------
    >>> summed = statistics(np.array([0.0, 1.0, 2.0, np.nan], dtype=np.float32))
    >>> summed.mean, summed.nonfinite, int(summed.count.sum())
    (1.0, 1, 3)
    """
    flat = _plain(values)
    nonfinite = 0
    low, high = _range(flat)
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = flat[np.isfinite(flat)]
        nonfinite = flat.size - finite.size
        flat = finite
        low, high = _range(flat)
    if flat.size == 0:
        nan = float("nan")
        return Statistics(
            np.zeros(bins, np.int64), 0.0, 1.0, nan, nan, nan, nan, nan, nan, nonfinite
        )
    mean, std, norm = _moments(flat, low, high)
    limit = NEAR_ZERO * std
    near = sum(int(np.count_nonzero(np.abs(block) <= limit)) for block in _blocks(flat))
    count = histogram(flat, low, high, bins)
    constant = low == high
    return Statistics(
        count=count,
        low=float(low) - 0.5 if constant else float(low),
        high=float(high) + 0.5 if constant else float(high),
        mean=mean,
        std=std,
        min=float(low),
        max=float(high),
        norm=norm,
        near_zero=near / flat.size,
        nonfinite=nonfinite,
    )


def histogram(flat: NDArray[Any], low: Any, high: Any, bins: int = BINS) -> NDArray[np.int64]:
    """Count finite values in equal bins, as :func:`numpy.histogram` does.

    Parameters
    ----------
    flat : array [value]
        Finite values.
    low, high : scalar
        Their least and greatest, in their own dtype.
    bins : int
        How many.

    Returns
    -------
    array [bin]
        int64.
    """
    with np.errstate(over="ignore", divide="ignore"):
        span = flat.dtype.type(high) - flat.dtype.type(low)
        scale = flat.dtype.type(bins * _FINE / float(span)) if span > 0 else np.inf
    unfit = not np.isfinite(scale) or not np.isfinite(span)
    if unfit or scale < np.finfo(flat.dtype).tiny or bins > _MOST:
        return _histogram_extreme(flat, bins)
    edges = np.linspace(low, high, bins + 1, dtype=flat.dtype).astype(np.float64)
    if bool((edges[1:] <= edges[:-1]).any()):
        return _histogram_extreme(flat, bins)
    if flat.size < _TINY:
        return _count(np.searchsorted(edges[1:-1], flat, side="right"), bins)
    if flat.size < _SMALL:
        return _as_numpy(flat, bins)
    drift = (edges[1:-1] - float(low)) * float(scale) / _FINE - np.arange(1, bins)
    if bool((np.abs(drift) > 0.9 / _FINE).any()):
        return _histogram_extreme(flat, bins)  # the edges themselves are rounded by whole cells
    return _finely(flat, low, scale, edges, bins)


def _finely(
    flat: NDArray[Any], low: Any, scale: Any, edges: NDArray[np.float64], bins: int
) -> NDArray[np.int64]:
    """Count many values: cells first, and exactly only what lies in one that touches an edge."""
    above = np.append(edges[1:-1], np.inf).astype(flat.dtype)  # the last bin is closed
    cells = np.zeros(bins * _FINE + 2, np.int64)
    count = np.zeros(bins, np.int64)
    work = np.empty(_BLOCK, flat.dtype)
    index = np.empty(_BLOCK, np.uint16)
    for block in _blocks(flat):
        shifted = np.subtract(block, low, out=work[: block.size])
        np.multiply(shifted, scale, out=shifted)
        cell = index[: block.size]
        np.copyto(cell, shifted, casting="unsafe")
        cells += np.bincount(cell, minlength=cells.size)
        unsure = np.flatnonzero(_touches_edge(cell))
        lower = (cell.take(unsure).astype(np.intp) - (_FINE // 2)) // _FINE
        np.maximum(lower, 0, out=lower)
        count += _count(lower + (block.take(unsure) >= above.take(lower)), bins)
    cells[_touches_edge(np.arange(cells.size, dtype=np.uint16))] = 0
    count += cells[: bins * _FINE].reshape(bins, _FINE).sum(axis=1)
    return count


def _touches_edge(cell: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Say which cells lie just below or just above an edge.

    Rounding moves a value by far less than a tenth of a cell, so any other cell's values all lie
    in the one bin.
    """
    return ((cell + np.uint16(1)) & np.uint16(_FINE - 1)) < 2


def _count(indices: NDArray[np.intp], bins: int) -> NDArray[np.int64]:
    return np.bincount(indices, minlength=bins).astype(np.int64)


def _as_numpy(flat: NDArray[Any], bins: int) -> NDArray[np.int64]:
    return np.histogram(flat, bins=bins)[0].astype(np.int64)


def _histogram_extreme(flat: NDArray[Any], bins: int) -> NDArray[np.int64]:
    """Count constants and tensors whose range float arithmetic hardly holds."""
    largest = float(np.abs(flat).max())
    wide = flat.astype(np.float64)
    if largest > 1e300:
        wide = wide / largest  # equal bins keep their counts when everything shrinks alike
    for candidate in (flat, wide):
        try:
            with np.errstate(over="raise", invalid="raise", divide="raise"):
                return _as_numpy(candidate, bins)
        except (ValueError, FloatingPointError):
            continue
    # Neighbouring floats: no bin edge fits between them.
    count = np.zeros(bins, np.int64)
    count[0] = int(np.count_nonzero(wide == wide.min()))
    count[-1] = wide.size - count[0]
    return count


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values in one row, float32 or float64."""
    flat = np.asarray(values).reshape(-1)
    if flat.dtype in (np.float32, np.float64):
        return flat
    half = flat.dtype.itemsize == 2 and flat.dtype.kind not in "iub"
    return flat.astype(np.float32 if half else np.float64)


def _range(flat: NDArray[Any]) -> tuple[Any, Any]:
    if flat.size == 0:
        return flat.dtype.type(0), flat.dtype.type(0)
    blocks = [(block.min(), block.max()) for block in _blocks(flat)]
    lows, highs = zip(*blocks, strict=True)
    return np.min(lows), np.max(highs)  # min and max hand a NaN on


def _moments(flat: NDArray[Any], low: Any, high: Any) -> tuple[float, float, float]:
    """Return mean, std and norm, without overflow."""
    largest = max(abs(float(low)), abs(float(high)))
    if low == high:
        return float(low), 0.0, largest * float(np.sqrt(flat.size))
    unit = 1.0
    if flat.dtype == np.float64 or not 1e-12 < largest < 1e12:
        unit = largest
    elif flat.size < _SMALL:
        flat = flat.astype(np.float64)
    total = sum(float(_scaled(block, unit).sum(dtype=np.float64)) for block in _blocks(flat))
    mean = total / flat.size
    squares = variance = 0.0
    centre = (flat.dtype if unit == 1.0 else np.dtype(np.float64)).type(mean)
    for block in _blocks(flat):
        scaled = _scaled(block, unit)
        squares += float(np.dot(scaled, scaled))
        centred = scaled - centre
        variance += float(np.dot(centred, centred))
    # The centre was rounded to the tensor's dtype; take out what that added.
    variance = max(variance - flat.size * (mean - float(centre)) ** 2, 0.0)
    return mean * unit, float(np.sqrt(variance / flat.size)) * unit, float(np.sqrt(squares)) * unit


def _scaled(block: NDArray[Any], unit: float) -> NDArray[Any]:
    return block if unit == 1.0 else block.astype(np.float64) / unit


def _blocks(flat: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for start in range(0, flat.size, _BLOCK):
        yield flat[start : start + _BLOCK]
