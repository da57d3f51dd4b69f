"""How much attention the best key gets."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.analyses.blockwise.sums import Sums
from limelight.catalogue import analysis, closed_form


@closed_form("top")
def _of_sums(sums: Sums) -> NDArray[np.float64]:
    return sums.best


@analysis(
    title="greatest weight",
    zh=("最大权重", "每个查询的注意力中，单个键所占的最大份额。"),
    over=("key",),
    units="share",
    bounds=("1 / key", 1.0),
    closed_form=_of_sums,
)
def maximum(weights: xr.DataArray, allowed: xr.DataArray | None) -> xr.DataArray:
    r"""Largest share of each query's attention that one key gets.

    .. math:: M_q = \max_k a_{qk}

    ``1 / n`` when ``n`` keys get the same, one when a single key gets everything.

    Parameters
    ----------
    weights : DataArray or array [..., query, key]
        Attention weights, each row summing to one over its allowed keys.
    allowed : DataArray or array [..., query, key], optional
        Which keys each query may attend to; all if left out.

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
