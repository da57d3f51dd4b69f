"""How much attention the best key gets."""

from __future__ import annotations

import xarray as xr

from limelight.catalogue import analysis


@analysis(over=("key",), units="share", bounds=("1 / key", 1.0))
def maximum(weights: xr.DataArray) -> xr.DataArray:
    r"""Largest share of each query's attention that one key gets.

    .. math:: M_q = \max_k a_{qk}

    ``1 / n`` when ``n`` keys get the same, one when a single key gets everything.

    Parameters
    ----------
    weights : DataArray or array [..., query, key]
        Attention weights, each row summing to one over its allowed keys.

    Returns
    -------
    DataArray or array [..., query]
        Share, from ``1 / key`` to 1. NaN where the row holds a NaN.

    Raises
    ------
    DimensionError
        If ``weights`` lacks the dim ``query`` or ``key``.

    Notes
    -----
    Observed: a confident head is not yet an important one; only removing it would tell.

    References
    ----------
    .. [1] E. Voita et al., "Analyzing Multi-Head Self-Attention: Specialized Heads Do the Heavy
       Lifting, the Rest Can Be Pruned", ACL 2019 (there: confidence), doi:10.18653/v1/P19-1580.

    Examples
    --------
    >>> import numpy as np
    >>> maximum(np.array([[0.75, 0.25], [0.5, 0.5]])).tolist()
    [0.75, 0.5]
    """
    return weights.max("key", skipna=False)
