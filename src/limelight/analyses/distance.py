"""How far a query looks."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.analyses.blockwise.sums import Sums
from limelight.catalogue import analysis, closed_form, positions


@closed_form("apart")
def _of_sums(sums: Sums) -> NDArray[np.float64]:
    return sums["apart"] * sums.best


@analysis(
    title="distance",
    zh=("距离", "每个查询与它所看的键之间的平均距离。"),
    over=("key",),
    units="token",
    bounds=(0.0, "key - 1"),
    kinds=("self",),
    closed_form=_of_sums,
)
def distance(weights: xr.DataArray, allowed: xr.DataArray | None) -> xr.DataArray:
    r"""Mean distance between each query and the keys it looks at.

    .. math:: D_q = \sum_k a_{qk} \, |q - k|

    Zero when a query looks only at its own position.

    Parameters
    ----------
    weights : DataArray or array [..., query, key]
        Attention weights of a self-attention site; query ``i`` and key ``i`` are one position.
    allowed : DataArray or array [..., query, key], optional
        Which keys each query may attend to; all if left out.

    Returns
    -------
    DataArray or array [..., query]
        Distance in tokens, from 0 to ``key - 1``.

    Raises
    ------
    DimensionError
        If ``weights`` lacks the dim ``query`` or ``key``.

    Notes
    -----
    Observed: a long distance is not yet use of a distant token. Compare with what uniform
    attention over the same allowed keys gives.

    References
    ----------
    .. [1] J. Vig and Y. Belinkov, "Analyzing the Structure of Attention in a Transformer Language
       Model", BlackboxNLP 2019, doi:10.18653/v1/W19-4808.

    Examples
    --------
    >>> import numpy as np
    >>> distance(np.eye(3)[::-1]).tolist()
    [2.0, 0.0, 2.0]
    """
    apart = abs(positions(weights, "query") - positions(weights, "key")).astype(weights.dtype)
    mean: xr.DataArray = xr.dot(weights, apart, dim="key")
    return mean
