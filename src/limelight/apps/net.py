"""The net below every hook of every callback: what goes wrong in one becomes one warning.

Room: apps. Comes in: hooks, as a framework calls them. Goes out: the same hooks, which raise
nothing. A callback of ours that subclasses :class:`InNet` cannot forget a hook: all of them are
found by their names when its class is made.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any

from limelight.apps.pace import Pace
from limelight.errors import LimelightWarning
from limelight.record import excuse


class InNet:
    """Base of callbacks: whatever a hook raises is told once, and training goes on.

    A person can still interrupt. Hooks of subclasses that users write are their own.

    Attributes
    ----------
    _pace : Pace
        Closed when a hook has failed; no hook does anything from then on.
    """

    _pace: Pace
    _failed = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__module__.partition(".")[0] != __name__.partition(".")[0]:
            return
        for name, member in list(vars(cls).items()):
            if isinstance(member, FunctionType) and name.lstrip("_").startswith("on_"):
                setattr(cls, name, _caught(member))


def _caught(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Return a hook that raises nothing."""

    @wraps(hook)
    def caught(self: InNet, *args: Any, **kwargs: Any) -> Any:
        if self._failed:
            return None
        try:
            return hook(self, *args, **kwargs)
        except LimelightWarning:
            raise  # a person asked for warnings to be errors
        except Exception as cause:  # noqa: BLE001  # a promise: no error of ours stops training
            self._failed = True
            message = excuse("anything", cause)
            try:
                self._pace.close()
            except Exception as other:  # noqa: BLE001
                message = f"{message} {excuse('anything', other)}"
            warnings.warn(LimelightWarning(message), stacklevel=2)
            return None

    return caught
