"""How spread a query's attention is, of how spread it could be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.analyses import entropy
from limelight.analyses.blockwise.sums import Sums
from limelight.catalogue import analysis, closed_form


@closed_form("slope")
def _of_sums(sums: Sums) -> NDArray[np.float64]:
    return _shares(entropy.of_sums.function(sums), sums.keys)


@analysis(
    title="normalised entropy",
    zh=("归一化熵", "每个查询的注意力有多分散，以它在允许的键上所能达到的最大熵为一。"),
    over=("key",),
    units="share",
    bounds=(0.0, 1.0),
    leaves_out="queries with one allowed key",
    closed_form=_of_sums,
)
def normalised_entropy(weights: xr.DataArray, allowed: xr.DataArray | None) -> xr.DataArray:
    r"""Entropy of each query's attention, as a share of the greatest its allowed keys permit.

    .. math:: \hat H_q = \frac{-\sum_k a_{qk} \log a_{qk}}{\log n_q}

    Zero when a query looks at one key, one when it looks at all its ``n`` allowed keys alike.

    Parameters
    ----------
    weights : DataArray or array [..., query, key]
        Attention weights, each row summing to one over its allowed keys.
    allowed : DataArray or array [..., query, key], optional
        Which keys each query may attend to; all if left out.

    Returns
    -------
    DataArray or array [..., query]
        Share, from 0 to 1; 0 where no key is allowed. NaN where a query has one allowed key, whose
        entropy could not be otherwise, and where the row holds a NaN.

    Raises
    ------
    DimensionError
        If ``weights`` lacks the dim ``query`` or ``key``, or ``allowed`` does not fit it.

    Notes
    -----
    Observed: comparable between rows of different lengths, as entropy in nats is not. Means leave
    queries with one allowed key out, such as the first of causal attention.

    References
    ----------
    .. [1] E. C. Pielou, "The Measurement of Diversity in Different Types of Biological
       Collections", Journal of Theoretical Biology 13, 1966 (there: evenness),
       doi:10.1016/0022-5193(66)90013-0.

    Examples
    --------
    >>> import numpy as np
    >>> normalised_entropy(np.array([[0.5, 0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])).tolist()
    [0.5, 0.0]
    >>> allowed = np.array([[True, True, False, False], [True, False, False, False]])
    >>> normalised_entropy(np.array([[0.5, 0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]), allowed).tolist()
    [1.0, nan]
    """
    count: Any = weights.sizes["key"] if allowed is None else allowed.sum("key")
    shares: xr.DataArray = xr.apply_ufunc(_of_rows, weights, count, input_core_dims=[["key"], []])
    return shares


def _of_rows(weights: NDArray[Any], count: Any) -> NDArray[np.float64]:
    return _shares(entropy.of_rows(weights), count)


def _shares(nats: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide by the greatest entropy; NaN for one key, and 0 for none."""
    greatest = np.log(np.where(np.asarray(count) > 1, count, math.e))
    return np.where(np.asarray(count) == 1, np.nan, nats / greatest + 0.0)  # no negative zero
