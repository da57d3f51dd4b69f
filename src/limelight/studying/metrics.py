"""What a study measures: metrics by name, their units, and which way is better.

Room: studying. Comes in: what a user asked for. Goes out: a checked :class:`Metric`. How each is
computed of outputs is the framework's own, ``capture/<framework>/scoring.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from limelight.errors import StudyError


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes
    ----------
    measure : str or callable
        As the adapter takes it.
    name, units : str
    better : ``higher``, ``lower`` or ``""``
    needs_targets : bool
    """

    measure: Any
    name: str
    units: str
    better: str
    needs_targets: bool


_KNOWN = {
    "loss": ("nat", "lower", True),
    "accuracy": ("share of examples", "higher", True),
    "probability": ("probability of the target", "higher", True),
    "margin": ("logit of the target over the next", "higher", True),
    "difference": ("logit of the target over its foil", "higher", True),
    "change": ("nat (KL of the whole model's classes)", "", False),
}


def read(metric: str | Callable[[Any, Any], Any]) -> Metric:
    """Return a metric that was asked for.

    Parameters
    ----------
    metric : str or callable
        A function may say its ``units`` and which way is ``better`` by attributes.

    Returns
    -------
    Metric

    Raises
    ------
    StudyError
        If there is none of that name.

    Examples
    --------
    >>> read("loss").better
    'lower'
    """
    if callable(metric):
        called = str(getattr(metric, "__name__", type(metric).__name__))
        units, better = getattr(metric, "units", "its own"), getattr(metric, "better", "")
        if better not in ("higher", "lower", ""):
            raise StudyError(
                f"Got metric.better={better!r}.", "Wanted 'higher' or 'lower'.", "Correct it."
            )
        return Metric(metric, called, str(units), better, needs_targets=False)
    name: Any = metric
    if not isinstance(name, str) or name not in _KNOWN:
        raise StudyError(
            f"Got metric={metric!r}.",
            f"Wanted one of {', '.join(_KNOWN)}, or a function of outputs and targets.",
            "Correct it, such as metric='loss'.",
        )
    units, better, targets = _KNOWN[metric]
    return Metric(metric, metric, units, better, targets)
