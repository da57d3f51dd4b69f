"""Puts what a loss takes beside targets into the targets, where a loop hands on nothing else.

Room: mitigating. Comes in: targets and what belongs to each. Goes out: columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import DimensionError


def pack(targets: Any, beside: Any) -> NDArray[np.float32]:
    """Return targets with what stands beside each: labels for ``Trainer`` and a loss's ``packed``.

    Parameters
    ----------
    targets : array [example] of whole numbers
    beside : array [example] or [example, class]
        Weights, groups, or log-probabilities of a bias model.

    Returns
    -------
    array [example, column]
        The class first.

    Raises
    ------
    DimensionError
        If they are not as many.

    Examples
    --------
    >>> pack([1, 0], [3, 2]).tolist()
    [[1.0, 3.0], [0.0, 2.0]]
    """
    codes, others = np.asarray(targets), np.asarray(beside)
    if codes.ndim != 1 or len(codes) != len(others):
        raise DimensionError(
            f"Got targets of shape {codes.shape} and {others.shape} beside them.",
            "Wanted a class, and what stands beside it, for each example.",
            "Give as many of both.",
        )
    return np.column_stack([codes, others]).astype(np.float32)
