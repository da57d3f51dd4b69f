"""Early stopping that watches the training data."""

from __future__ import annotations

from limelight.alerts.judging.history import SETUP, History
from limelight.alerts.judging.rule import Judged, Words, rule
from limelight.alerts.judging.settings import wrong


@rule(
    needs={SETUP: ("wrong",)},
    harm=18,
    source="Exact: the name of what it watches. On random labels such stopping never fired in 60 "
    "epochs, while validation loss was best at the fourth.",
    words=Words(
        "Early stopping on training data",
        "early stopping watches a number of the data that is trained on",
        "watch a number of validation data, such as val_loss, and keep the best weights",
    ),
    zh=Words(
        "早停监视训练数据",
        "早停监视的是训练数据上的指标",
        "监视验证数据上的指标，例如 val_loss，并保留最佳权重",
    ),
)
def early_stopping(history: History) -> Judged:
    """What a callback that ends training watches, where the callback is known."""
    return wrong(history, "early_stopping")
