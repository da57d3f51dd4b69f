"""Values that are no numbers any more."""

from __future__ import annotations

from limelight.alerts.judging.history import History
from limelight.alerts.judging.rule import Breach, Judged, Words, rule

#: In the order in which a fault shows itself.
_KINDS = ("activation", "gradient", "update", "parameter", "training")


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
    """How many values of a tensor are NaN or infinite; tensors in the order in which they run."""
    breaches = []
    for kind in _KINDS:
        table = history.get(kind, "nonfinite")
        if table is not None:
            counts = table["nonfinite"]
            breaches.append(Breach(table, "nonfinite", counts, counts > 0, 0.0))
    return breaches
