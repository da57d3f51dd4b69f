"""What the values of one tensor are like: counts, moments, quantiles; and several taken together.

Room: lowest. Comes in: an array, once. Goes out: :class:`Distribution`, a few kilobytes, from which
all else follows without another look at the values: also that of several tensors, shards, steps or
runs together, because their bins are the same and their moments can be merged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.distribution import counting, numpy_pass
from limelight.distribution.compiled import passes


@dataclass(frozen=True)
class Distribution:
    """What the finite values of a tensor are like.

    Attributes
    ----------
    counts : array [bin]
        Values in each bin of :mod:`limelight.distribution.bins`, int64 or uint32.
    mean : float
        NaN where no value is finite, as are ``min`` and ``max``.
    m2, m3, m4 : float
        Sums of the powers of what values differ from their mean by, divided by ``unit``.
    min, max : float
    zeros : int
        How many are exactly zero.
    nan, infinite : int
        How many are no number, and how many infinite.
    unit : float
        A power of 2; 1 but for doubles whose fourth powers no double holds.
    size : int
        How many values are finite.
    """

    counts: NDArray[Any]
    mean: float
    m2: float
    m3: float
    m4: float
    min: float
    max: float
    zeros: int
    nan: int
    infinite: int
    unit: float = 1.0
    size: int = 0

    @property
    def sums(self) -> tuple[float, ...]:
        """How many values are finite, and all but the counts, in the order of the attributes."""
        return (
            self.size, self.mean, self.m2, self.m3, self.m4, self.min, self.max, self.zeros,
            self.nan, self.infinite, self.unit,
        )  # fmt: skip

    @property
    def std(self) -> float:
        """Standard deviation of the values themselves, divided by n."""
        return math.sqrt(self.m2 / self.size) * self.unit if self.size else math.nan

    @property
    def skew(self) -> float:
        """Third standardised moment; NaN where all values are equal."""
        spread = self.m2 / self.size if self.size else 0.0
        return self.m3 / self.size / spread**1.5 if spread else math.nan

    @property
    def kurtosis(self) -> float:
        """Excess kurtosis: 0 for normal values, −1.2 for uniform ones; NaN where all are equal."""
        spread = self.m2 / self.size if self.size else 0.0
        return self.m4 / self.size / spread / spread - 3 if spread else math.nan

    @property
    def norm(self) -> float:
        """Euclidean norm."""
        if not self.size:
            return math.nan
        return math.hypot(math.sqrt(self.m2) * self.unit, math.sqrt(self.size) * self.mean)

    def below(self, limit: float) -> float:
        """Return the share of values with ``|value| <= limit``.

        Parameters
        ----------
        limit : float

        Returns
        -------
        float
            0 to 1, off by at most the share of the two bins that hold ``limit`` and ``-limit``,
            within which values are taken to be even; exact zeros always count.
        """
        return float(counting.within(self.counts, limit, self.zeros))

    def quantiles(self, shares: Iterable[float]) -> NDArray[np.float64]:
        """Return quantiles.

        Parameters
        ----------
        shares : iterable of float
            0 to 1.

        Returns
        -------
        array
            Each lies in the bin of the exact one, or on its edge: within an eighth of itself. NaN
            where no value is finite.
        """
        known = counting.quantiles(self.counts, shares, self.zeros)
        return np.clip(known, self.min, self.max)


def distribution(values: NDArray[Any]) -> Distribution:
    """Sum up an array in one pass.

    Parameters
    ----------
    values : array
        Of any shape. What is no single is binned as the nearest single, what is complex by its
        modulus.

    Returns
    -------
    Distribution

    Examples
    --------
    >>> summed = distribution(np.array([0.0, 1.0, 2.0, np.nan], np.float32))
    >>> summed.mean, summed.zeros, summed.nan, summed.size
    (1.0, 1, 1, 3)
    """
    return distributions([values])[0]


def distributions(tensors: Sequence[NDArray[Any]]) -> list[Distribution]:
    """Sum up arrays, each as :func:`distribution` does; faster than one after the other.

    Parameters
    ----------
    tensors : sequence of array

    Returns
    -------
    list of Distribution

    Examples
    --------
    >>> [summed.max for summed in distributions([np.float32([1, 2]), np.float32([3])])]
    [2.0, 3.0]
    """
    flat = [_in_a_row(values) for values in tensors]
    usual = [at for at, values in enumerate(flat) if values.dtype == np.float32
             and values.flags.c_contiguous and values.flags.aligned]  # fmt: skip
    known = dict(zip(usual, _singles([flat[at] for at in usual]), strict=True))
    return [known[at] if at in known else _of_another_type(values)
            for at, values in enumerate(flat)]  # fmt: skip


def _singles(flat: Sequence[NDArray[np.float32]]) -> list[Distribution]:
    """Sum up singles that lie in one piece."""
    compiled = passes(sum(values.size for values in flat))
    if compiled is None:
        return [_whole(*numpy_pass.walk(values)) for values in flat]
    counts, sums = compiled.walk_all(flat)
    return [_whole(row, numbers, 1.0) for row, numbers in zip(counts, sums, strict=True)]


def _of_another_type(flat: NDArray[Any]) -> Distribution:
    """Sum up what is to be changed before, of which no copy is made of the whole."""
    half = flat.dtype.itemsize == 2 and flat.dtype.kind not in "iub"
    if half or flat.dtype in (np.bool_, np.float32):
        return merged(_singles([np.ascontiguousarray(part, np.float32)])[0]
                      for part in _parts(flat))  # fmt: skip
    return merged(_whole(*numpy_pass.walk(np.ascontiguousarray(part, np.float64)))
                  for part in _parts(flat))  # fmt: skip


def difference(values: NDArray[Any], before: NDArray[Any]) -> Distribution:
    """Sum up ``values - before``, as :func:`distribution` does; no array of it is made whole.

    Parameters
    ----------
    values, before : array
        Of one shape and type.

    Returns
    -------
    Distribution

    Examples
    --------
    >>> difference(np.float32([1.0, 3.0]), np.float32([1.0, 1.0])).max
    2.0
    """
    flat, less = (np.asarray(part).reshape(-1) for part in (values, before))
    return merged([distribution(part - other)
                   for part, other in zip(_parts(flat), _parts(less), strict=True)])  # fmt: skip


def merged(parts: Iterable[Distribution]) -> Distribution:
    """Return what several distributions are together.

    Parameters
    ----------
    parts : iterable of Distribution
        Of one at least.

    Returns
    -------
    Distribution
        Counts and extremes exact; moments as exact as double precision is.

    References
    ----------
    .. [1] P. Pébay, "Formulas for robust, one-pass parallel computation of covariances and
       arbitrary-order statistical moments", Sandia report SAND2008-6212, 2008, section 3.

    Examples
    --------
    >>> halves = [distribution(np.float32([1, 2])), distribution(np.float32([6]))]
    >>> merged(halves).mean, merged(halves).m2
    (3.0, 14.0)
    """
    first, *others = parts
    whole = first
    for other in others:
        whole = _pair(whole, other)
    return whole


def _pair(a: Distribution, b: Distribution) -> Distribution:
    apart: dict[str, Any] = {
        "counts": np.add(a.counts, b.counts, dtype=np.int64),
        "zeros": a.zeros + b.zeros,
        "nan": a.nan + b.nan,
        "infinite": a.infinite + b.infinite,
        "size": a.size + b.size,
    }
    na, nb = a.size, b.size
    if not na or not nb:
        filled = a if na else b
        return replace(filled, **apart)
    unit = max(a.unit, b.unit)
    a, b = _in_units(a, unit), _in_units(b, unit)
    n, d = na + nb, b.mean / unit - a.mean / unit
    share = d / n
    return Distribution(
        mean=a.mean + nb * share * unit,
        m2=a.m2 + b.m2 + na * nb * share * d,
        m3=a.m3
        + b.m3
        + na * nb * (na - nb) * share * share * d
        + 3 * share * (na * b.m2 - nb * a.m2),
        m4=a.m4
        + b.m4
        + na * nb * (na * na - na * nb + nb * nb) * share**3 * d
        + 6 * share * share * (na * na * b.m2 + nb * nb * a.m2)
        + 4 * share * (na * b.m3 - nb * a.m3),
        min=min(a.min, b.min),
        max=max(a.max, b.max),
        unit=unit,
        **apart,
    )


def _in_units(part: Distribution, unit: float) -> Distribution:
    """Return the same with moments in a larger unit."""
    by = part.unit / unit
    return replace(part, m2=part.m2 * by**2, m3=part.m3 * by**3, m4=part.m4 * by**4, unit=unit)


def wasserstein(a: Distribution, b: Distribution) -> float:
    """Return the Wasserstein-1 distance of two distributions: how far values moved, on average.

    Parameters
    ----------
    a, b : Distribution

    Returns
    -------
    float
        In the values' own unit; NaN where one holds no finite value. Values are taken to be even
        within their bins, so that it is off by at most a bin's width of where they lie.

    References
    ----------
    .. [1] C. Villani, "Topics in Optimal Transportation", 2003, section 2.2.

    Examples
    --------
    >>> zeros, twos = np.zeros(8, np.float32), np.full(8, 2, np.float32)
    >>> round(wasserstein(distribution(zeros), distribution(twos)), 1)
    2.1
    """
    return float(counting.distance(a.counts, b.counts))


def _whole(counts: NDArray[Any], sums: NDArray[np.float64], unit: float) -> Distribution:
    """Turn sums about an origin into moments about the mean."""
    origin, s1, s2, s3, s4, least, most, zeros, _, nan, infinite, finite = sums.tolist()
    n = int(finite)
    if not n:
        empty = math.nan
        return Distribution(counts, empty, 0.0, 0.0, 0.0, empty, empty, 0, int(nan), int(infinite))
    d = s1 / n
    m2 = max(s2 - n * d * d, 0.0)
    m3 = s3 - 3 * d * s2 + 2 * n * d**3
    m4 = max(s4 - 4 * d * s3 + 6 * d * d * s2 - 3 * n * d**4, 0.0)
    return Distribution(
        counts, (origin + d) * unit, m2, m3, m4, least * unit, most * unit,
        int(zeros), int(nan), int(infinite), unit, n,
    )  # fmt: skip


#: Values of which something is made at once that takes memory.
_PART: Final = 1 << 18


def _parts(flat: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Cut a row into parts; there is one at least."""
    for start in range(0, max(flat.size, 1), _PART):
        yield flat[start : start + _PART]


def _in_a_row(values: NDArray[Any]) -> NDArray[Any]:
    """Return values in one row: in the order in which they lie, so that none is copied.

    Of complex values their modulus: their real part alone would be another number.
    """
    array = np.asarray(values)
    if array.dtype.kind == "c":
        array = np.abs(array)
    if not array.flags.c_contiguous:
        array = array.transpose(np.argsort([-stride for stride in array.strides], kind="stable"))
    return array.reshape(-1)
