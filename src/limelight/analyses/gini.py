"""How unequally a query shares its attention out."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from limelight.catalogue import analysis


@analysis(
    title="Gini coefficient",
    zh=("基尼系数", "每个查询的注意力在允许的键之间分配得有多不均。"),
    over=("key",),
    units="share",
    bounds=(0.0, "1 - 1 / key"),
)
def gini(weights: xr.DataArray, allowed: xr.DataArray | None) -> xr.DataArray:
    r"""Inequality of each query's attention over the keys it may attend to.

    .. math:: G_q = \frac{\sum_{j=1}^{n} (n + 1 - 2 j) \, a_{q(j)}}{n \sum_k a_{qk}},
        \quad a_{q(1)} \ge a_{q(2)} \ge \dots \ge a_{q(n)}

    Zero when all ``n`` allowed keys get the same, ``1 - 1 / n`` when one gets everything.

    Parameters
    ----------
    weights : DataArray or array [..., query, key]
        Attention weights, at least 0, and 0 where not allowed.
    allowed : DataArray or array [..., query, key], optional
        Which keys each query may attend to; all if left out.

    Returns
    -------
    DataArray or array [..., query]
        Share, from 0 to ``1 - 1 / key``; 0 where no key is allowed. NaN where the row holds a NaN.

    Raises
    ------
    DimensionError
        If ``weights`` lacks the dim ``query`` or ``key``, or ``allowed`` does not fit it.

    Notes
    -----
    Observed: rises with the number of allowed keys where one takes all, so compare rows that may
    attend to equally many. A head that attends to few keys is not yet one the model relies on.

    References
    ----------
    .. [1] N. Hurley and S. Rickard, "Comparing Measures of Sparsity", IEEE Transactions on
       Information Theory 55(10), 2009, section II, arXiv:0811.4706.

    Examples
    --------
    >>> import numpy as np
    >>> gini(np.array([[0.75, 0.25, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])).tolist()
    [0.625, 0.0]
    >>> gini(np.array([[0.75, 0.25, 0.0, 0.0]]), np.array([[True, True, False, False]])).tolist()
    [0.25]
    """
    count: Any = weights.sizes["key"] if allowed is None else allowed.sum("key")
    return xr.apply_ufunc(_gini, weights, count, input_core_dims=[["key"], []])  # type: ignore[no-any-return]


def _gini(weights: np.ndarray[Any, Any], count: Any) -> np.ndarray[Any, Any]:
    """Return it of [..., key]; what is not allowed is 0, and so ranks behind all that counts."""
    rising = np.sort(weights, axis=-1)
    total = rising.sum(-1, dtype=np.float64)
    ranks = np.arange(weights.shape[-1])[::-1].astype(np.result_type(weights, np.float32))
    with np.errstate(divide="ignore", invalid="ignore"):
        inequality = (count - 1 - 2 * (rising @ ranks) / total) / count
    least = np.finfo(ranks.dtype).eps * np.sqrt(np.maximum(count, 16))  # no more than rounding
    return np.where((total == 0) | (inequality < least), 0, inequality)
