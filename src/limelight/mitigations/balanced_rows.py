"""Which rows to train on, so that each group comes as often.

Room: mitigations. Comes in: the group of each example. Goes out: numbers of rows.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from limelight.errors import LimelightError
from limelight.mitigating.card import mitigation
from limelight.mitigating.groups import crossed


@mitigation(
    answers=("L7",), home="L7", stage="data", needs=("groups",),
    source="B. Y. Idrissi et al., Simple data balancing achieves competitive worst-group-accuracy, "
    "CLeaR 2022",
)  # fmt: skip
def balanced_rows(
    groups: Any,
    y: Any = None,
    how: Literal["over", "under"] = "over",
    *,
    seed: int = 0,
) -> NDArray[np.intp]:
    """Return numbers of rows in which each group comes as often, shuffled.

    Divide the data first and balance the training part only: a row that is drawn twice must not be
    on both sides.

    Parameters
    ----------
    groups : array [example] or [example, column]
        Labels; several columns are crossed.
    y : array [example], optional
        Targets, to cross groups with. Balanced classes alone leave groups as they are.
    how : ``over`` or ``under``
        ``over``: every row, and rows of smaller groups again, each about as often as the others
        of its group. ``under``: as many rows of each group as its smallest has.
    seed : int

    Returns
    -------
    array of int

    Raises
    ------
    LimelightError
        If ``how`` is neither, or there is but one group.
    DimensionError
        If groups and targets are not as many.

    References
    ----------
    .. [1] B. Y. Idrissi et al., "Simple data balancing achieves competitive worst-group-accuracy",
       CLeaR 2022, section 3.

    Examples
    --------
    >>> rows = balanced_rows(["a"] * 90 + ["b"] * 10)
    >>> int((rows < 90).sum()), int((rows >= 90).sum())
    (90, 90)
    """
    codes, names = crossed(groups, y)
    if how not in ("over", "under") or len(names) < 2:
        raise LimelightError(
            f"Got how={how!r} and {len(names)} group{'s' * (len(names) > 1)}.",
            "Wanted 'over' or 'under', and at least two groups.",
            "Give the attribute that is out of balance.",
        )
    random = np.random.default_rng(seed)
    counts = np.bincount(codes)
    wanted = counts.max() if how == "over" else counts.min()
    rows = []
    for group, count in enumerate(counts):
        members = random.permutation(np.flatnonzero(codes == group))
        times, rest = divmod(int(wanted), int(count))
        rows += [np.tile(members, times), random.permutation(members)[:rest]]
    return random.permutation(np.concatenate(rows))
