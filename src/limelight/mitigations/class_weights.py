"""Weights of classes from how often each comes.

Room: mitigations. Comes in: targets. Goes out: a weight for each class.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from limelight.errors import LimelightError
from limelight.mitigating.card import mitigation


@mitigation(
    answers=("L2",), home="L2", stage="data",
    source="Y. Cui et al., Class-Balanced Loss Based on Effective Number of Samples, CVPR 2019",
)  # fmt: skip
def class_weights(
    y: Any,
    scheme: Literal["balanced", "effective"] = "balanced",
    *,
    beta: float = 0.999,
    classes: int | None = None,
) -> dict[int, float]:
    """Return a weight for each class, larger where it is rarer.

    For ``model.fit(class_weight=…)``, or ``mt.CrossEntropy(class_weights=…)``. Classes are not
    groups: where classes are balanced and groups within them are not, these change nothing.

    Parameters
    ----------
    y : array [example] of whole numbers
    scheme : ``balanced`` or ``effective``
        ``balanced``: n / (K · n of the class), whose mean over examples is 1. ``effective``:
        (1 − β) / (1 − β^n), scaled to sum up to K.
    beta : float
        0 weighs all alike; towards 1 the weights become those by frequency.
    classes : int, optional
        How many there are, if not each comes.

    Returns
    -------
    dict of int to float

    Raises
    ------
    LimelightError
        If a class never comes, or settings make no sense.

    References
    ----------
    .. [1] Y. Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019,
       equation 1.

    Examples
    --------
    >>> weights = class_weights([0] * 90 + [1] * 10)
    >>> {name: round(weight, 3) for name, weight in weights.items()}
    {0: 0.556, 1: 5.0}
    """
    codes = np.asarray(y)
    if codes.ndim != 1 or codes.size == 0 or not np.issubdtype(codes.dtype, np.integer):
        raise LimelightError(
            f"Got targets of shape {codes.shape} and type {codes.dtype}.",
            "Wanted the number of a class for each example.",
            "Take np.argmax(y, axis=-1) of one-hot targets.",
        )
    if codes.min() < 0:
        raise LimelightError(
            f"Got a class {codes.min()}.", "Wanted numbers from 0.", "Leave such examples out."
        )
    if scheme not in ("balanced", "effective"):
        raise LimelightError(
            f"Got scheme={scheme!r}.", "Wanted 'balanced' or 'effective'.", "Correct it."
        )
    counts = np.bincount(codes, minlength=classes or 0)
    if (classes is not None and len(counts) > classes) or not counts.all():
        empty = ", ".join(map(str, np.flatnonzero(counts == 0)))
        raise LimelightError(
            f"Got classes up to {len(counts) - 1}, of class {empty or 'each'} "
            f"{'none' if empty else 'at least one'}.",
            f"Wanted each of {classes or len(counts)} classes at least once.",
            "Number the classes that come from 0, without gaps.",
        )  # fmt: skip
    if scheme == "balanced":
        weights = codes.size / (len(counts) * counts)
    elif 0 <= beta < 1:
        weights = (1 - beta) / -np.expm1(counts * np.log(beta)) if beta else np.ones(len(counts))
        weights = weights * len(counts) / weights.sum()
    else:
        raise LimelightError(
            f"Got beta={beta!r}.", "Wanted a number from 0 to below 1.", "Take 0.999."
        )
    return {index: float(weight) for index, weight in enumerate(weights)}
