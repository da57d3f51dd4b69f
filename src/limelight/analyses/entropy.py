"""How spread a query's attention is."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.analyses.blockwise.sums import Sums
from limelight.catalogue import analysis, closed_form


@closed_form("slope")
def of_sums(sums: Sums) -> NDArray[np.float64]:
    """Return ``sum(weight * (normaliser - score))``, which is no more than rounding below 0.

    Parameters
    ----------
    sums : Sums

    Returns
    -------
    array [example, head, query]
        In nats.
    """
    nats = (sums.over * sums["total"] - sums["slope"]) * sums.best
    return np.where(nats < 0, 0, nats)


@analysis(
    title="entropy",
    zh=("熵", "每个查询的注意力在键上有多分散。"),
    over=("key",),
    units="nat",
    bounds=(0.0, "log(key)"),
    closed_form=of_sums,
)
def entropy(weights: xr.DataArray, allowed: xr.DataArray | None) -> xr.DataArray:
    r"""Entropy of each query's attention over its keys.

    .. math:: H_q = -\sum_k a_{qk} \log a_{qk}

    Zero when a query looks at one key, ``log(n)`` when it looks at ``n`` keys alike.

    Parameters
    ----------
    weights : DataArray or array [..., query, key]
        Attention weights, each row summing to one over its allowed keys.
    allowed : DataArray or array [..., query, key], optional
        Which keys each query may attend to; all if left out.

    Returns
    -------
    DataArray or array [..., query]
        Entropy in nats, from 0 to ``log(key)``. NaN where the row holds a NaN.

    Raises
    ------
    DimensionError
        If ``weights`` lacks the dim ``query`` or ``key``.

    Notes
    -----
    Observed: says how spread attention is, not what the model relies on. Keys that are padding
    weigh zero and do not count.

    References
    ----------
    .. [1] C. E. Shannon, "A Mathematical Theory of Communication", Bell System Technical Journal
       27, 1948, section 6.

    Examples
    --------
    >>> import numpy as np
    >>> float(entropy(np.full((1, 4), 0.25))[0])
    1.3862943611198906
    """
    nats: xr.DataArray = xr.apply_ufunc(of_rows, weights, input_core_dims=[["key"]])
    return nats


def of_rows(weights: NDArray[Any]) -> NDArray[Any]:
    """Return the entropy of rows of plain weights.

    Parameters
    ----------
    weights : array [..., key]

    Returns
    -------
    array [...]
        In nats.
    """
    logs = np.log(np.where(weights != 0, weights, weights.dtype.type(1)))
    logs *= weights
    return np.asarray(-logs.sum(-1))
