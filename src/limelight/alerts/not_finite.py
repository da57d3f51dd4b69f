"""Values that are no numbers any more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from limelight.alerts.judging.history import History, Table
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

#: In the order in which a fault shows itself.
_KINDS = ("training", "activation", "gradient", "parameter")


@rule(
    needs={"parameter": ("nonfinite",)},
    reads=dict.fromkeys(_KINDS, ("nonfinite",)),
    harm=50,
    source="Exact: they are counted.",
    words=Words(
        "NaN or Inf",
        "any value that is no finite number",
        "look at the first layer that has one; lower the rate, clip, guard logs and divisions",
    ),
    zh=Words(
        "NaN 或 Inf",
        "出现任何非有限的值",
        "查看最先出现的层；降低学习率、裁剪、保护对数和除法",
    ),
)
def not_finite(history: History) -> Judged:
    """How many values of a tensor are NaN or infinite.

    Where it shows itself first counts; what follows from it is not told once more. If the training
    step says in which module it began, it is that one, else tensors in the order in which they run;
    of a model that is broken from the first record on, its parameters.
    """
    seen: list[tuple[int, bool, Breach]] = []
    first = int(history["parameter"].steps[0])
    for kind in _KINDS:
        table = history.get(kind, "nonfinite")
        if table is None:
            continue
        counts = table["nonfinite"]
        breach = Breach(_named(table), "nonfinite", counts, counts > 0, 0.0, ordered=True)
        rows = np.flatnonzero(breach.bad.any(axis=1))
        if rows.size:
            since = int(table.steps[rows[0]])
            follows = since == first and kind != "parameter"  # what nothing went before
            seen.append((since, follows, breach))
    return [min(seen, key=lambda each: each[:2])[-1]] if seen else []


def _named(table: Table) -> Table:
    """Call all of a training's gradients by the module in which it began, if that is known."""
    names = table.names
    if table.kind == "training":
        pairs = zip(names, table.members, strict=True)
        names = tuple(member.note or name for name, member in pairs)
    return replace(table, names=names)
