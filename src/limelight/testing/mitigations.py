"""A small trial for every loss of `limelight.mitigations`, by which frameworks are compared.

Room: testing. Comes in: nothing. Goes out: how each loss is made, and what it is given beside
targets. A loss without a trial fails our tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight import mitigations as mt

#: Examples, features and classes of the data below.
EXAMPLES, FEATURES, CLASSES = 24, 5, 3


@dataclass(frozen=True)
class Trial:
    """How a loss is tried.

    Attributes
    ----------
    name : str
        Of its card.
    options : dict
    beside : str
        Which of :func:`data` it is given: empty, ``weights``, ``groups`` or ``log-probabilities``.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    beside: str = ""

    def make(self, **options: Any) -> Any:
        """Return the loss.

        Parameters
        ----------
        **options
            ``framework`` and ``from_logits``.

        Returns
        -------
        loss
        """
        return getattr(mt, self.name)(**self.options, **options)


#: At least one for each loss.
TRIALS = (
    Trial("CrossEntropy"),
    Trial("CrossEntropy", {"class_weights": [0.5, 1.0, 3.0]}, "weights"),
    Trial("Focal", {"gamma": 2.0}, "weights"),
    Trial("Focal", {"gamma": 0.5, "class_weights": {0: 1.0, 1: 2.0, 2: 0.0}}),
    Trial("LogitAdjustment", {"counts": [70, 20, 10], "tau": 1.5}),
    Trial("DeferredReweighting", {"class_weights": [1.0, 2.0, 4.0], "after": 1}),
    Trial(
        "Composite",
        {
            "terms": {
                "focal": (mt.Focal(gamma=1.0, framework="numpy"), (0.5, 2.0, 0, 2)),
                "size": (lambda scores, _: (scores[..., 0] - scores[..., 1]) ** 2, 0.1),
            }
        },
        "weights",
    ),
    Trial("GroupDRO", {"groups": 3, "step": 0.5}, "groups"),
    Trial("ProductOfExperts", {"strength": 0.5}, "log-probabilities"),
)


def data() -> dict[str, NDArray[Any]]:
    """Return inputs ``x``, targets ``y``, scores of a model, and what losses take beside them.

    Returns
    -------
    dict of str to array [example, …]

    Examples
    --------
    >>> data()["scores"].shape
    (24, 3)
    """
    random = np.random.default_rng(7)
    shares = random.dirichlet(np.ones(CLASSES), EXAMPLES)
    return {
        "x": random.normal(size=(EXAMPLES, FEATURES)).astype(np.float32),
        "y": random.integers(0, CLASSES, EXAMPLES),
        "scores": random.normal(size=(EXAMPLES, CLASSES)).astype(np.float32) * 2,
        "weights": random.uniform(0.2, 3, EXAMPLES).astype(np.float32),
        # The third group is in no batch: it must keep its weight.
        "groups": random.integers(0, 2, EXAMPLES),
        "log-probabilities": np.log(shares).astype(np.float32),
    }
