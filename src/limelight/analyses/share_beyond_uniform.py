"""How much of a query's attention would have to move for it to be uniform."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from limelight.catalogue import analysis


@analysis(
    title="beyond uniform",
    zh=("超出均匀", "每个查询的注意力中，须移到别的允许的键上才能变得均匀的份额。"),
    over=("key",),
    units="share",
    bounds=(0.0, "1 - 1 / key"),
)
def share_beyond_uniform(weights: xr.DataArray, allowed: xr.DataArray | None) -> xr.DataArray:
    r"""Share of each query's attention that would have to move for it to be uniform.

    .. math:: U_q = \sum_k \max\left(a_{qk} - \frac{1}{n_q}, 0\right)

    Zero when all ``n`` allowed keys get the same, ``1 - 1 / n`` when one gets everything.

    Parameters
    ----------
    weights : DataArray or array [..., query, key]
        Attention weights, each row summing to one over its allowed keys.
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
    Observed: the total variation distance between a row and uniform attention. It says how far a
    row is from uniform, not towards which keys, nor whether that helps the model.

    References
    ----------
    .. [1] D. A. Levin and Y. Peres, "Markov Chains and Mixing Times", 2nd edition, AMS 2017,
       section 4.1 (there: total variation distance).

    Examples
    --------
    >>> import numpy as np
    >>> share_beyond_uniform(np.array([[0.75, 0.25, 0.0, 0.0], [0.25] * 4])).tolist()
    [0.5, 0.0]
    """
    count: Any = weights.sizes["key"] if allowed is None else allowed.sum("key")
    beyond: xr.DataArray = xr.apply_ufunc(_beyond, weights, count, input_core_dims=[["key"], []])
    return beyond


def _beyond(weights: np.ndarray[Any, Any], count: Any) -> np.ndarray[Any, Any]:
    """Return it of [..., key]."""
    even = np.asarray(1 / np.maximum(count, 1), np.result_type(weights, np.float32))
    beyond = weights - even[..., None]
    np.maximum(beyond, 0, out=beyond)
    share = beyond.sum(-1)
    return np.where(share < 4 * np.finfo(share.dtype).eps, 0, share)  # no more than rounding
