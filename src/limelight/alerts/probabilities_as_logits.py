"""Probabilities that a loss takes for logits."""

from __future__ import annotations

from limelight.alerts.judging.history import SETUP, History
from limelight.alerts.judging.rule import Judged, Words, rule
from limelight.alerts.judging.settings import wrong


@rule(
    needs={SETUP: ("wrong",)},
    harm=24,
    source="Exact: the loss and the last activation. With sigmoid outputs of 10 classes the loss "
    "cannot fall below log(1 + 9/e) = 1.461.",
    words=Words(
        "Probabilities taken for logits",
        "the output passes sigmoid or softmax, and the loss applies it once more",
        "leave out the last activation, or write from_logits=False",
    ),
    zh=Words(
        "把概率当作 logits",
        "输出已经过 sigmoid 或 softmax，而损失函数又做了一次",
        "去掉最后的激活函数，或写 from_logits=False",
    ),
)
def probabilities_as_logits(history: History) -> Judged:
    """The last activation, and whether the loss applies it as well."""
    return wrong(history, "probabilities_as_logits")
