"""Early stopping of Hugging Face's Trainer and of Lightning.

Room: mitigating/torch.
"""

from __future__ import annotations

from typing import Any


def transformers(monitor: str, patience: int, least: float, mode: str) -> Any:  # noqa: ARG001
    """Return the Trainer's callback: it takes number and mode from TrainingArguments."""
    from transformers import EarlyStoppingCallback

    return EarlyStoppingCallback(patience, least)


def lightning(monitor: str, patience: int, least: float, mode: str) -> Any:
    """Return Lightning's callback."""
    from lightning.pytorch.callbacks import EarlyStopping

    return EarlyStopping(monitor, min_delta=least, patience=patience, mode=mode)
