"""Entropy of attention as a penalty, of weights as they are.

Room: mitigations. Comes in: weights in a training graph. Goes out: a number to add to a loss.
"""

from __future__ import annotations

import importlib
from typing import Any

from limelight.errors import DimensionError
from limelight.mitigating.card import mitigation

#: Weights are held above so much before their logarithm is taken.
_SMALLEST = 1e-9


@mitigation(
    answers=("L4", "L9"), stage="loss", needs=("attention",),
    source="G. Attanasio et al., Entropy-based Attention Regularization Frees Unintended Bias "
    "Mitigation from Lists, Findings of ACL 2022",
)  # fmt: skip
def attention_entropy(weights: Any, allowed: Any = None) -> Any:
    """Return the mean entropy over queries of the heads' mean attention, in nats.

    To subtract from a loss, so that attention spreads: ``loss - 0.1 * mt.attention_entropy(w)``,
    for each site. Weights are normalised already and taken as they are; where a softmax is taken
    of them once more, as released code does, entropies come out within 4 % of the greatest that
    there is and the gradient is some twenty times smaller.

    Parameters
    ----------
    weights : tensor [example, head, query, key]
        Of any framework, such as :func:`limelight.attended` gives.
    allowed : tensor of bool, optional
        [example, query, key], or with heads: True where a query may attend. Queries without any
        key do not count.

    Returns
    -------
    tensor
        A number from 0 to log(keys).

    Raises
    ------
    DimensionError
        If weights have not four axes.

    References
    ----------
    .. [1] G. Attanasio et al., "Entropy-based Attention Regularization Frees Unintended Bias
       Mitigation from Lists", Findings of ACL 2022, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> round(float(attention_entropy(np.full((1, 2, 3, 4), 0.25))), 4)  # log 4
    1.3863
    """
    if len(weights.shape) != 4:
        raise DimensionError(
            f"Got weights of shape {tuple(weights.shape)}.",
            "Wanted [example, head, query, key].",
            "Add an axis for the head where there is one only: weights[:, None].",
        )
    ops = _operations(weights)
    mean = ops.sum(weights, 1) / weights.shape[1]
    terms = -mean * ops.log(ops.at_least(mean, _SMALLEST))
    entropies = ops.sum(terms, -1)
    if allowed is None:
        return ops.sum(entropies) / ops.sum(entropies * 0 + 1)
    valid = ops.real(allowed, weights)
    if len(allowed.shape) == 4:
        valid = ops.sum(valid, 1)
    valid = ops.real(ops.sum(valid, -1) > 0, entropies)
    return ops.sum(entropies * valid) / ops.at_least(ops.sum(valid), 1.0)


def _operations(values: Any) -> Any:
    """Return the operations of the framework that a tensor is of."""
    package = type(values).__module__.partition(".")[0]
    name = package if package in {"numpy", "torch"} else "keras"
    return importlib.import_module(f"limelight.mitigating.{name}.operations")
