"""Synthetic examples between neighbours of a rare class: for vectors, never for token ids.

Room: mitigations. Comes in: vectors and targets. Goes out: more of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from limelight.errors import DimensionError, LimelightError
from limelight.mitigating.card import mitigation


@mitigation(
    answers=("L7",), stage="data", needs=("vectors",),
    source="N. V. Chawla et al., SMOTE: Synthetic Minority Over-sampling Technique, JAIR 16, 2002",
)  # fmt: skip
def smote(
    x: Any, y: Any, *, neighbours: int = 5, seed: int = 0
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return vectors, then as many new ones of each rarer class as it lacks.

    A new one lies between an example and one of its nearest neighbours of the same class. Between
    two token ids there is no token, so whole numbers are refused: embed first.

    Parameters
    ----------
    x : array [example, feature] of floats
    y : array [example] of whole numbers
    neighbours : int
    seed : int

    Returns
    -------
    array [more, feature], array [more]

    Raises
    ------
    LimelightError
        If ``x`` are whole numbers, or a class has too few examples to have neighbours.
    DimensionError
        If shapes do not fit.

    References
    ----------
    .. [1] N. V. Chawla et al., "SMOTE: Synthetic Minority Over-sampling Technique", Journal of
       Artificial Intelligence Research 16, 2002, section 4.2.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(30, 2))
    >>> more, targets = smote(x, [0] * 24 + [1] * 6)
    >>> more.shape, np.bincount(targets).tolist()
    ((48, 2), [24, 24])
    """
    vectors, codes = np.asarray(x), np.asarray(y)
    if vectors.ndim != 2 or codes.shape != vectors.shape[:1]:
        raise DimensionError(
            f"Got vectors of shape {vectors.shape} and targets of shape {codes.shape}.",
            "Wanted [example, feature], and a class for each example.",
            "Pool sequences to one vector first.",
        )
    whole = vectors.dtype.kind in "iub" or (
        vectors.size > 0 and bool((vectors == np.round(vectors)).all())
    )
    if vectors.dtype.kind not in "f" or whole:
        raise LimelightError(
            "Got whole numbers, as token ids are.",
            "Wanted vectors of floats: between two tokens there is none.",
            "Give embeddings, or use mt.balanced_rows or mt.counterfactual, which keep tokens.",
        )
    random = np.random.default_rng(seed)
    names, counts = np.unique(codes, return_counts=True)
    made, classes = [vectors], [codes]
    for name, count in zip(names, counts, strict=True):
        lacking = int(counts.max() - count)
        if not lacking:
            continue
        inside = vectors[codes == name]
        if count <= neighbours:
            raise LimelightError(
                f"Got {count} examples of class {name}, for {neighbours} neighbours of each.",
                "Wanted more examples than neighbours.",
                "Take fewer neighbours, or draw examples again by mt.balanced_rows.",
            )
        _, near = cKDTree(inside).query(inside, k=neighbours + 1)
        origin = random.integers(0, count, lacking)
        other = near[origin, random.integers(1, neighbours + 1, lacking)]
        share = random.random((lacking, 1)).astype(vectors.dtype)
        made.append(inside[origin] + share * (inside[other] - inside[origin]))
        classes.append(np.full(lacking, name))
    return np.concatenate(made), np.concatenate(classes)
