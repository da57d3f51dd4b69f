"""Group DRO: the groups that are predicted worst weigh more, and more from step to step.

Room: mitigations. Comes in: scores, targets, groups. Goes out: a loss that remembers weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limelight.errors import LimelightError
from limelight.mitigating.card import mitigation
from limelight.mitigating.formula import Batch, Formula
from limelight.mitigating.operations import Operations


@mitigation(
    answers=("L11",), home="L11", stage="loss", needs=("groups",),
    source="S. Sagawa et al., Distributionally Robust Neural Networks for Group Shifts, ICLR 2020",
)  # fmt: skip
@dataclass
class GroupDRO(Formula):
    """Σ q · L over groups, where each group's weight q grows with its loss.

    A group that a batch does not hold keeps its weight: only groups that are there are updated,
    and among themselves. It needs strong regularisation or early stopping, since a model that fits
    every training example has no worst group; and batches in which no group is rare
    (``mt.sample``).

    Parameters
    ----------
    groups : int
        How many there are, numbered from 0.
    step : float
        How fast weights grow: q is multiplied by exp(step · L).
    **options
        ``framework`` and ``from_logits``, as all losses take them.

    Raises
    ------
    LimelightError
        If there are fewer than two groups, or ``step`` is below 0.

    Notes
    -----
    The third argument, in Keras ``sample_weight``, is the group of each example. ``loss.parts``
    says the weights and the losses of groups, as of the last training step. Evaluation changes
    nothing; its loss weighs groups as a training step would there.
    With gradient accumulation or several processes, each batch is a step of its own.

    References
    ----------
    .. [1] S. Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts", ICLR 2020,
       algorithm 1.

    Examples
    --------
    >>> loss = GroupDRO(2, step=0.1, framework="numpy")
    >>> value = loss(np.log([[0.5, 0.5], [0.25, 0.75]]), [0, 0], [0, 1])
    >>> weights = loss.parts["group_weights"]
    >>> round(float(weights[1] / weights[0]), 4) == round(2**0.1, 4)  # the losses differ by log 2
    True
    """

    groups: int
    step: float = 0.01
    beside: ClassVar[str] = "groups"
    required: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if type(self.groups) is not int or self.groups < 2 or not self.step >= 0:
            raise LimelightError(
                f"Got GroupDRO(groups={self.groups!r}, step={self.step!r}).",
                "Wanted how many groups there are, at least 2, and a step from 0.",
                "Give groups=len(set(groups)); the groups themselves go to each batch.",
            )

    def initial(self) -> NDArray[np.float32]:
        """Return even weights, and no losses yet: [group, 2]."""
        weights = np.full(self.groups, 1 / self.groups, np.float32)
        return np.stack([weights, np.full(self.groups, np.nan, np.float32)], axis=-1)

    def parts(self, remembered: NDArray[Any]) -> dict[str, Any]:
        """Return weights and losses of groups."""
        return {"group_weights": remembered[:, 0], "group_losses": remembered[:, 1]}

    def check_beside(self, beside: NDArray[Any]) -> None:
        """Refuse groups that are none."""
        lowest, highest = int(beside.min()), int(beside.max())
        if lowest < 0 or highest >= self.groups:
            raise LimelightError(
                f"Got group {lowest if lowest < 0 else highest}.",
                f"Wanted groups 0 to {self.groups - 1}.",
                "Say GroupDRO(groups=…) how many there are, and number them from 0.",
            )

    def total(self, ops: Operations, batch: Batch, remembered: Any) -> tuple[Any, Any]:
        """Return the weighted loss, and the new weights."""
        losses = -batch.chosen(ops, ops.log_softmax(batch.scores))
        groups = ops.whole(batch.beside) + ops.whole(batch.counted * 0)
        outside = (groups < 0) | (groups >= self.groups)
        groups = ops.where(outside, groups * 0, groups)
        # Where nothing can be raised, in a compiled step, a group that is none must not go unseen.
        losses = ops.where(outside, losses * 0 + np.nan, losses * batch.counted)
        counts = ops.still(ops.sums_by(batch.counted, groups, self.groups))
        means = ops.sums_by(losses, groups, self.groups) / ops.at_least(counts, 1.0)
        still = ops.still(means)
        weights, present = remembered[:, 0], counts > 0
        grown = ops.where(present, weights * ops.exp(self.step * still), weights * 0)
        before = ops.sum(ops.where(present, weights, weights * 0))
        # Among the groups of this batch only: together they keep what they weighed together.
        new = ops.where(present, grown * before / ops.at_least(ops.sum(grown), 1e-30), weights)
        last = ops.where(present, still, remembered[:, 1])
        return ops.sum(new * means), ops.join([new[:, None], last[:, None]])
