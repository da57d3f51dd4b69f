"""How much attention rests on the first key."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.analyses.blockwise.sums import Sums
from limelight.catalogue import analysis, closed_form


@closed_form("first")
def _of_sums(sums: Sums) -> NDArray[np.float64]:
    return sums.weight("first")


@analysis(
    title="first-key share",
    zh=("首键份额", "每个查询的注意力中，落在第一个键上的份额。"),
    over=("key",),
    units="share",
    bounds=(0.0, 1.0),
    closed_form=_of_sums,
)
def first_key_share(weights: xr.DataArray, allowed: xr.DataArray | None) -> xr.DataArray:
    r"""Share of each query's attention that rests on the first key.

    .. math:: F_q = a_{q0}

    Zero when the first key gets nothing, one when it gets everything.

    Parameters
    ----------
    weights : DataArray or array [..., query, key]
        Attention weights, each row summing to one over its allowed keys.
    allowed : DataArray or array [..., query, key], optional
        Which keys each query may attend to; all if left out.

    Returns
    -------
    DataArray or array [..., query]
        Share, from 0 to 1.

    Raises
    ------
    DimensionError
        If ``weights`` lacks the dim ``query`` or ``key``.

    Notes
    -----
    Observed: models often park attention they have no use for on the first token, so a large
    share rarely means that the token matters.

    References
    ----------
    .. [1] G. Xiao et al., "Efficient Streaming Language Models with Attention Sinks", ICLR 2024,
       arXiv:2309.17453.

    Examples
    --------
    >>> import numpy as np
    >>> first_key_share(np.array([[0.75, 0.25], [0.5, 0.5]])).tolist()
    [0.75, 0.5]
    """
    return weights.isel(key=0, drop=True)
