"""Early stopping: training ends when what was held out no longer gets better.

Room: mitigations. Comes in: the name of a number, how long to wait. Goes out: the framework's own
callback, or a counter for loops of one's own.
"""

from __future__ import annotations

import importlib
import math
import sys
from typing import Any, Literal, get_args

from limelight.errors import LimelightError
from limelight.mitigating.card import mitigation

For = Literal["keras", "transformers", "lightning", "loop"]
#: How names of numbers of held-out data begin.
_HELD_OUT = ("val", "eval", "test", "dev")
#: Parts of names of numbers of which less is better.
_LESS = ("loss", "error", "flip_rate", "perplexity")


@mitigation(
    answers=("L8",), home="L8", stage="training",
    source="L. Prechelt, Early Stopping, But When?, in Neural Networks: Tricks of the Trade, "
    "Springer 1998",
)  # fmt: skip
def EarlyStopping(  # noqa: N802  # what the frameworks call theirs
    monitor: str = "val_loss",
    *,
    patience: int = 3,
    least: float = 0.0,
    mode: Literal["min", "max"] | None = None,
    framework: For | None = None,
) -> Any:
    """Return what stops training when a number of held-out data gets no better.

    The framework's own callback does it, with its traps closed: a number of the training data,
    which keeps falling while a model only memorises, is refused, and Keras gives back the best
    weights.

    Parameters
    ----------
    monitor : str
        Such as ``val_loss``, in Hugging Face ``eval_loss``.
    patience : int
        How many times without anything better are waited for.
    least : float
        By how much a number must be better to count.
    mode : ``min`` or ``max``, optional
        Whether less or more is better; from the name if not given.
    framework : ``keras``, ``transformers``, ``lightning`` or ``loop``, optional
        Whose callback; Keras' if Keras is loaded, else one for loops of your own.

    Returns
    -------
    callback
        For ``fit(callbacks=…)`` or ``Trainer(callbacks=…)``. For a loop, an object called with each
        new number; it returns True when training should stop, and knows ``best`` and ``best_step``.
        Hugging Face takes the number and its mode from ``TrainingArguments``
        (``metric_for_best_model``, ``greater_is_better``, ``load_best_model_at_end=True``).

    Raises
    ------
    LimelightError
        If the number is one of the training data, or settings make no sense.
    ImportError
        If the framework is not installed.

    References
    ----------
    .. [1] L. Prechelt, "Early Stopping - But When?", in Neural Networks: Tricks of the Trade,
       Springer 1998.

    Examples
    --------
    >>> stop = EarlyStopping("val_loss", patience=2, framework="loop")
    >>> [stop(loss) for loss in (1.0, 0.8, 0.9, 0.85)]
    [False, False, False, True]
    >>> stop.best, stop.best_step
    (0.8, 1)
    """
    name = framework or ("keras" if "keras" in sys.modules else "loop")
    _check(monitor, patience, least, mode, name)
    direction = mode or ("min" if any(word in monitor for word in _LESS) else "max")
    if name == "loop":
        return Stopper(patience, least, direction)
    module = importlib.import_module(
        f"limelight.mitigating.{'keras' if name == 'keras' else 'torch'}.stopping"
    )
    return getattr(module, name)(monitor, patience, least, direction)


class Stopper:
    """Counts how long nothing got better.

    Parameters
    ----------
    patience : int
    least : float
    mode : str

    Attributes
    ----------
    best : float
        NaN before the first number.
    best_step : int
        Which number was the best, counted from 0.
    """

    def __init__(self, patience: int, least: float, mode: str) -> None:
        self._patience, self._least, self._sign = patience, least, 1 if mode == "max" else -1
        self.best, self.best_step, self._steps = math.nan, -1, 0

    def __call__(self, value: float) -> bool:
        """Take the next number, and say whether to stop.

        Parameters
        ----------
        value : float
            No number, such as NaN, is nothing better.

        Returns
        -------
        bool
        """
        better = self._sign * (float(value) - self.best) > self._least
        if better or (math.isnan(self.best) and not math.isnan(value)):
            self.best, self.best_step = float(value), self._steps
        self._steps += 1
        return self._steps - 1 - max(self.best_step, 0) >= self._patience


def _check(monitor: str, patience: int, least: float, mode: str | None, name: str) -> None:
    """Refuse numbers of the training data, and settings that make no sense."""
    if not str(monitor).startswith(_HELD_OUT):
        raise LimelightError(
            f"Got monitor={monitor!r}, a number of the data that are trained on.",
            "Wanted one of held-out data: on its own data a model gets better as long as it "
            "memorises, and nothing would ever stop it.",
            "Give validation data, and monitor 'val_loss' (Hugging Face: 'eval_loss').",
        )
    if type(patience) is not int or patience < 1 or not least >= 0 or \
            mode not in (None, "min", "max") or name not in get_args(For):  # fmt: skip
        raise LimelightError(
            f"Got patience={patience!r}, least={least!r}, mode={mode!r}, framework={name!r}.",
            "Wanted patience from 1, least from 0, mode 'min' or 'max', and a framework among "
            f"{', '.join(get_args(For))}.",
            "Correct it.",
        )
