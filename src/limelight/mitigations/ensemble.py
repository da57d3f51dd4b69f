"""Ensembles: the mean of several models' probabilities, and how much they differ.

Room: mitigations. Comes in: probabilities of models. Goes out: theirs together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from limelight.errors import DimensionError, LimelightError
from limelight.mitigating.card import mitigation


@mitigation(
    answers=("L10",), home="L10", stage="ensemble", needs=("several models",),
    source="A. Krogh and J. Vedelsby, Neural Network Ensembles, Cross Validation, and Active "
    "Learning, NIPS 1994",
)  # fmt: skip
def ensemble(probabilities: Any, y: Any = None) -> xr.Dataset:
    """Average models' probabilities, and say where and how much the models disagree.

    A bias that all members share stays: five models trained alike on the same data flip about as
    often as one. And the mean of members' attention is no explanation of what they do together.

    Parameters
    ----------
    probabilities : sequence of array [example, class]
        Of each member for the same examples, such as ``[model.predict(x) for model in models]``.
    y : array [example] of whole numbers, optional
        Targets, for errors.

    Returns
    -------
    Dataset
        ``probability`` [example, class]; ``agreement`` [member, other], the share of examples for
        which two predict the same class. With targets ``error`` [member], ``ensemble_error`` and
        ``ambiguity``, all mean squared differences of probabilities: the ensemble's error is the
        members' mean minus the ambiguity, exactly.

    Raises
    ------
    LimelightError
        If there are fewer than two members, or numbers that are no probabilities.
    DimensionError
        If shapes differ.

    References
    ----------
    .. [1] A. Krogh and J. Vedelsby, "Neural Network Ensembles, Cross Validation, and Active
       Learning", NIPS 1994, equation 6.

    Examples
    --------
    >>> together = ensemble([[[0.8, 0.2]], [[0.4, 0.6]]], [0])
    >>> together["probability"].values.round(2).tolist()
    [[0.6, 0.4]]
    >>> difference = together["error"].mean() - together["ambiguity"]
    >>> bool(np.isclose(together["ensemble_error"], difference))
    True
    """
    members = [np.asarray(values, float) for values in probabilities]
    shapes = {values.shape for values in members}
    if len(shapes) > 1 or any(len(shape) != 2 for shape in shapes):
        raise DimensionError(
            f"Got probabilities of shapes {sorted(shapes)}.",
            "Wanted [example, class] of each member, for the same examples.",
            "Predict the same data by each; give two columns where a model has one output.",
        )
    sums = [values.sum(axis=-1) for values in members]
    if len(members) < 2 or not all(
        np.allclose(total, 1, atol=1e-3) and (values >= -1e-6).all()
        for total, values in zip(sums, members, strict=True)
    ):
        raise LimelightError(
            f"Got {len(members)} member{'s' * (len(members) != 1)}, perhaps with scores.",
            "Wanted probabilities of at least two, each row summing up to 1.",
            "Take the softmax of scores before they are averaged.",
        )
    stacked = np.stack(members)
    mean = stacked.mean(axis=0)
    classes = stacked.argmax(axis=-1)
    made = xr.Dataset(
        {
            "probability": (("example", "class"), mean),
            "agreement": (("member", "other"), (classes[:, None] == classes).mean(axis=-1)),
        },
        attrs={"members": len(members), "n": len(mean)},
    )
    if y is not None:
        codes = np.asarray(y)
        if codes.shape != mean.shape[:1]:
            raise DimensionError(
                f"Got {codes.shape} targets for {len(mean)} examples.",
                "Wanted a class for each.",
                "Give as many.",
            )
        wanted = np.eye(mean.shape[1])[codes]
        made["error"] = ("member", ((stacked - wanted) ** 2).sum(-1).mean(-1))
        made["ensemble_error"] = ((mean - wanted) ** 2).sum(-1).mean()
        made["ambiguity"] = ((stacked - mean) ** 2).sum(-1).mean()
    return made
