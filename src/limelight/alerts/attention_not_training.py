"""Attention that never runs as in training."""

from __future__ import annotations

from limelight.alerts.judging.history import SETUP, History
from limelight.alerts.judging.rule import Judged, Words, rule
from limelight.alerts.judging.settings import wrong


@rule(
    needs={SETUP: ("wrong",)},
    harm=10,
    source="Exact: what the layer is called with, or its mode.",
    words=Words(
        "Attention fixed to inference",
        "an attention layer runs with training=False while the model is trained",
        "leave training out, so that the model hands it down; else its dropout never acts",
    ),
    zh=Words(
        "注意力固定为推理模式",
        "模型训练时，注意力层却以 training=False 运行",
        "不要写 training，让模型自动传递；否则其 dropout 不起作用",
    ),
)
def attention_not_training(history: History) -> Judged:
    """Whether an attention layer is kept from training's mode by hand."""
    return wrong(history, "attention_not_training")
