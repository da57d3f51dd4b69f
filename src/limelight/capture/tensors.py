"""Tensors of a model summed up: one labelled dataset for all of one kind.

Room: capture, below the adapters. Comes in: distributions by name. Goes out: a dataset of counts on
bins that can be added up, and of numbers, as the store keeps them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.distribution import BINS, Distribution, TensorTable, counting, distribution
from limelight.distribution.columns import NEAR_ZERO, NUMBERS, QUANTILES

#: The largest finite value of a type, by its name.
_LARGEST: Final = {
    "float16": 65504.0, "bfloat16": 3.3895313892515355e38, "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308, "float8_e4m3fn": 448.0, "float8_e5m2": 57344.0,
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """A tensor summed up.

    Attributes
    ----------
    distribution : Distribution
    shape : tuple of int
    trainable : bool
    note : str
        What its numbers are of, where that is not its values.
    dtype : str
        In which it was computed with; says how far it may still grow.
    numbers : dict of str to float
        What else is known of it.
    """

    distribution: Distribution
    shape: tuple[int, ...]
    trainable: bool = True
    note: str = ""
    dtype: str = "float32"
    numbers: Mapping[str, float] = field(default_factory=dict)


def table(tensors: Mapping[str, Tensor], more: Sequence[str] = ()) -> xr.Dataset:
    """Lay summed up tensors out.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        By name.
    more : sequence of str
        What else of their numbers is kept; NaN where one has none.

    Returns
    -------
    Dataset
        Dims ``parameter`` (whatever the tensors are) and ``bin``; ``count`` [parameter, bin]
        uint32, on the bins of :mod:`limelight.distribution`; float64 [parameter]: ``mean``,
        ``std``, ``skew``, ``kurtosis`` (excess), ``min``, ``max``, ``norm`` (Euclidean); shares of
        values that are exactly zero (``zeros``) and at most 0.001 std away from it
        (``near_zero``); ``nonfinite``, of which ``nan``; ``headroom``, how many times its largest
        value may double before it overflows; quantiles ``q001`` to ``q999``; ``near_start`` and
        ``w1_from_start``, NaN until a first step is known. Coords as
        :func:`limelight.capture.parameters` has them. ``attrs["encoding"]`` is ``bits``.

    Examples
    --------
    >>> from limelight.distribution import distribution
    >>> laid = table({"w": Tensor(distribution(np.ones(3, np.float32)), (3,))})
    >>> float(laid["norm"][0] ** 2).__round__(6), int(laid["count"].sum())
    (3.0, 3)
    """
    return summed_up(tensors, more).dataset()


def summed_up(tensors: Mapping[str, Tensor], more: Sequence[str] = ()) -> TensorTable:
    """Lay summed up tensors out, without labels; :func:`table` says what of them."""
    names, described = tuple(tensors), list(tensors.values())
    counts = np.zeros((len(names), BINS), np.uint32)
    for at, tensor in enumerate(described):
        counts[at] = tensor.distribution.counts
    columns = numbers_of(described, counts) | _numbers(described, more)
    unknown = np.full(len(names), math.nan)
    return TensorTable(
        names,
        counts=counts,
        columns={name: columns.get(name, unknown) for name in (*NUMBERS, *more)},
        **_said(described),
    )


def facts(
    tensors: Mapping[str, Mapping[str, float]],
    columns: Sequence[str],
    notes: Sequence[str] = (),
    trainable: bool = False,
) -> TensorTable:
    """Lay out what is known of things that have no values of their own.

    Parameters
    ----------
    tensors : mapping of str to mapping of str to float
        Numbers by name.
    columns : sequence of str
        Which of them are kept; NaN where there is none.
    notes : sequence of str
        Of each.
    trainable : bool
        What is said of each.

    Returns
    -------
    TensorTable
        Its counts are empty.

    Examples
    --------
    >>> facts({"all": {"steps": 3.0}}, ("steps",)).columns["steps"]
    array([3.])
    """
    every = notes or ("",) * len(tensors)
    described = [Tensor(_NOTHING, (), trainable, note, numbers=numbers)
                 for note, numbers in zip(every, tensors.values(), strict=True)]  # fmt: skip
    counts = np.zeros((len(tensors), BINS), np.uint32)
    numbers = _numbers(described, columns)
    return TensorTable(tuple(tensors), counts=counts, columns=numbers, **_said(described))


def _numbers(tensors: Sequence[Tensor], names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return numbers of tensors by name."""
    return {
        name: np.array([tensor.numbers.get(name, math.nan) for tensor in tensors], np.float64)
        for name in names
    }


def _said(tensors: Sequence[Tensor]) -> dict[str, Any]:
    """Return what is said of tensors beside their numbers."""
    return {
        "shapes": tuple("×".join(map(str, tensor.shape)) or "scalar" for tensor in tensors),
        "sizes": tuple(math.prod(tensor.shape) for tensor in tensors),
        "trainable": tuple(tensor.trainable for tensor in tensors),
        "notes": tuple(tensor.note for tensor in tensors),
    }


def numbers_of(
    tensors: Sequence[Tensor], counts: NDArray[np.uint32]
) -> dict[str, NDArray[np.float64]]:
    """Return the numbers that follow from tensors' distributions.

    Parameters
    ----------
    tensors : sequence of Tensor
    counts : array [tensor, bin]
        Theirs.

    Returns
    -------
    dict of str to array [tensor]
        By their names, without those that follow from the first step.
    """
    columns, zeros = _moments(tensors)
    parts = []
    for start in range(0, len(tensors), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        limits = NEAR_ZERO * columns["std"][part]
        near = counting.within(counts[part], limits, zeros[part])
        quantiles = counting.quantiles(counts[part], QUANTILES.values(), zeros[part])
        ends = (columns[end][part, None] for end in ("min", "max"))
        parts.append(np.column_stack([near, np.clip(quantiles, *ends)]))
    names = ("near_zero", *QUANTILES)
    whole = np.concatenate(parts) if parts else np.zeros((0, len(names)))
    return columns | dict(zip(names, whole.T, strict=True))


#: Tensors of which counts are summed at once: of very many, sums would take more than counts do.
_AT_ONCE: Final = 256
_NOTHING: Final = distribution(np.zeros(0, np.float32))


def _moments(
    tensors: Sequence[Tensor],
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    """Return what follows from sums of tensors' values, and how many values are exactly zero."""
    rows = [tensor.distribution.sums for tensor in tensors]
    size, mean, m2, m3, m4, least, most, zeros, nan, infinite, unit = (
        np.array(rows, np.float64).reshape(-1, 11).T
    )
    limits = np.array([_LARGEST.get(tensor.dtype, math.nan) for tensor in tensors])
    with np.errstate(all="ignore"):  # of nothing, or of values that are all alike: NaN
        spread = m2 / size
        varied = np.where(spread > 0, spread, math.nan)
        largest = np.maximum(np.abs(least), np.abs(most))
        columns = {
            "mean": mean,
            "std": np.sqrt(spread) * unit,
            "skew": m3 / size / varied**1.5,
            "kurtosis": m4 / size / varied / varied - 3,
            "min": least,
            "max": most,
            "norm": np.hypot(np.sqrt(m2) * unit, np.sqrt(size) * mean),
            "zeros": zeros / size,
            "nonfinite": nan + infinite,
            "nan": nan,
            "headroom": np.where(largest > 0, np.log2(limits / largest),
                                 np.where(size > 0, math.inf, math.nan)),
        }  # fmt: skip
    return columns, zeros.astype(np.int64)
