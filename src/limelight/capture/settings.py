"""What of a training's settings is looked at before it begins.

Room: capture, below the adapters. Comes in: what was looked at, and whether it is wrong. Goes out:
a table as the store keeps them, from which rules of alerts read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from limelight.capture.tensors import facts
from limelight.distribution import TensorTable

SETUP: Final = "setup"

EARLY_STOPPING: Final = "early_stopping"
LOGITS: Final = "probabilities_as_logits"
INFERENCE: Final = "attention_not_training"

#: Words in the names of numbers of held-out data, and of data that is trained on.
_HELD_OUT: Final = re.compile(r"val|test|eval|dev|held|holdout|oof", re.IGNORECASE)
_TRAINED: Final = re.compile(r"(^|[/_.-])train", re.IGNORECASE)
_PLAIN: Final = {"loss", "acc", "accuracy", "train_loss"}


@dataclass(frozen=True)
class Setting:
    """Something that was looked at.

    Attributes
    ----------
    rule : str
        The rule that it is looked at for.
    name : str
        What it is, such as ``EarlyStopping(monitor='loss')``.
    wrong : bool
    """

    rule: str
    name: str
    wrong: bool


def settings_table(settings: Iterable[Setting]) -> TensorTable:
    """Lay settings out as a table.

    Parameters
    ----------
    settings : iterable of Setting

    Returns
    -------
    TensorTable
        ``wrong`` of each, 1 or 0; the note of each is its rule.

    Examples
    --------
    >>> settings_table([Setting("early_stopping", "monitor='loss'", True)]).columns["wrong"]
    array([1.])
    """
    rows: dict[str, Setting] = {}
    for setting in settings:
        name = setting.name if setting.name not in rows else f"{setting.name} ({setting.rule})"
        rows[name] = setting
    numbers = {name: {"wrong": float(setting.wrong)} for name, setting in rows.items()}
    return facts(numbers, ("wrong",), [setting.rule for setting in rows.values()])


def stopping(callback: Any, *, keras: bool = False) -> Setting | None:
    """Return what a callback that stops early watches.

    Parameters
    ----------
    callback : object
        With a ``monitor``.
    keras : bool
        Whether names are Keras' own, where those of validation begin with ``val_``.

    Returns
    -------
    Setting or None
        None where the name does not say of which data the number is.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> stopping(SimpleNamespace(monitor="train_loss")).wrong
    True
    >>> stopping(SimpleNamespace(monitor="score")) is None
    True
    """
    monitor = str(callback.monitor)
    held_out = monitor.startswith("val_") if keras else bool(_HELD_OUT.search(monitor))
    trained = keras or bool(_TRAINED.search(monitor)) or monitor.lower() in _PLAIN
    if not held_out and not trained:
        return None
    name = f"{type(callback).__name__}(monitor={monitor!r})"
    return Setting(EARLY_STOPPING, name, not held_out or (not keras and bool(
        _TRAINED.search(monitor))))  # fmt: skip
