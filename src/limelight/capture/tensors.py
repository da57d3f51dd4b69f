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

from limelight.distribution import BINS, Distribution, counting
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
    names, described = list(tensors), list(tensors.values())
    counts = np.zeros((len(names), BINS), np.uint32)
    for at, tensor in enumerate(described):
        counts[at] = tensor.distribution.counts
    variables: dict[str, Any] = {"count": (("parameter", "bin"), counts)}
    columns = numbers_of(described, counts)
    columns |= {
        name: np.array([tensor.numbers.get(name, math.nan) for tensor in described], np.float64)
        for name in more
    }
    unknown = np.full(len(names), math.nan)
    for name in (*NUMBERS, *more):
        variables[name] = ("parameter", columns.get(name, unknown))
    sizes = [int(np.prod(tensor.shape, dtype=np.int64)) for tensor in described]
    shapes = ["×".join(map(str, tensor.shape)) or "scalar" for tensor in described]
    modules = [name.rpartition("/")[0] for name in names]
    return xr.Dataset(
        variables,
        coords={
            "parameter": np.array(names, np.str_),
            "module": ("parameter", np.array(modules, np.str_)),
            "size": ("parameter", np.array(sizes, np.int64)),
            "shape": ("parameter", np.array(shapes, np.str_)),
            "trainable": ("parameter", np.array([item.trainable for item in described], bool)),
            "note": ("parameter", np.array([item.note for item in described], np.str_)),
        },
        attrs={"encoding": "bits"},
    )


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
    rows = [_moments(tensor) for tensor in tensors]
    columns = dict(zip(_MOMENTS, np.array(rows, np.float64).reshape(-1, len(_MOMENTS)).T,
                       strict=True))  # fmt: skip
    zeros = np.array([tensor.distribution.zeros for tensor in tensors])
    parts = []
    for start in range(0, len(rows), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        limits = NEAR_ZERO * columns["std"][part]
        near = counting.within(counts[part], limits, zeros[part])
        quantiles = counting.quantiles(counts[part], QUANTILES.values(), zeros[part])
        ends = (columns[end][part, None] for end in ("min", "max"))
        parts.append(np.column_stack([near, np.clip(quantiles, *ends)]))
    names = ("near_zero", *QUANTILES)
    whole = np.concatenate(parts) if parts else np.zeros((0, len(names)))
    return columns | dict(zip(names, whole.T, strict=True))


_MOMENTS: Final = (
    "mean", "std", "skew", "kurtosis", "min", "max", "norm", "zeros", "nonfinite", "nan",
    "headroom",
)  # fmt: skip
#: Tensors of which counts are summed at once: of very many, sums would take more than counts do.
_AT_ONCE: Final = 256


def _moments(tensor: Tensor) -> tuple[float, ...]:
    known, share, headroom = tensor.distribution, math.nan, math.nan
    if known.size:
        share = known.zeros / known.size
        largest = max(abs(known.min), abs(known.max))
        most = _LARGEST.get(tensor.dtype, math.nan)
        headroom = math.log2(most / largest) if largest else math.inf
    return (
        known.mean, known.std, known.skew, known.kurtosis, known.min, known.max, known.norm, share,
        float(known.nan + known.infinite), float(known.nan), headroom,
    )  # fmt: skip
