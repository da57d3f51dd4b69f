"""Weights of examples that make each group count alike.

Room: mitigations. Comes in: the group of each example. Goes out: its weight.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.mitigating.card import mitigation
from limelight.mitigating.groups import crossed


@mitigation(
    answers=("L3",), stage="data", needs=("groups",),
    source="H. Shimodaira, Improving predictive inference under covariate shift by weighting the "
    "log-likelihood function, Journal of Statistical Planning and Inference 90, 2000",
)  # fmt: skip
def group_weights(groups: Any, y: Any = None) -> NDArray[np.float64]:
    """Return a weight for each example, so that each group weighs as much as any other.

    For ``model.fit(sample_weight=…)``, or the third argument of a loss.

    Parameters
    ----------
    groups : array [example] or [example, column]
        Labels; several columns are crossed.
    y : array [example], optional
        Targets, to cross groups with: then each class within each group weighs as much.

    Returns
    -------
    array [example]
        n / (G · n of the group): its mean is 1, so losses stay as large as they were.

    Raises
    ------
    DimensionError
        If groups and targets are not as many.

    References
    ----------
    .. [1] H. Shimodaira, "Improving predictive inference under covariate shift by weighting the
       log-likelihood function", Journal of Statistical Planning and Inference 90, 2000.

    Examples
    --------
    >>> group_weights(["a", "a", "a", "b"]).round(2).tolist()
    [0.67, 0.67, 0.67, 2.0]
    """
    codes, names = crossed(groups, y)
    counts = np.bincount(codes, minlength=len(names))
    return np.asarray(len(codes) / (len(names) * counts[codes]))
