"""Names of an earlier release, which work for one release more and say what they are called now.

Room: lowest. Comes in: what somebody wrote against the release before. Goes out: what that means
now, with one ``DeprecationWarning`` that names the new name. Everything here goes with the next
release.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def warn(before: str, now: str) -> None:
    """Warn that a name has another one now, at the line of a user's that wrote the old one.

    Parameters
    ----------
    before, now : str
        As a user writes them.
    """
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_ours(frame):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(
        f"{before} is called {now} now; the old name goes with the next release.",
        DeprecationWarning,
        stacklevel=depth,
    )


def _is_ours(frame: FrameType) -> bool:
    """Say whether a frame is limelight's own: Python shows such a warning at a user's line only."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "limelight"


def arguments(
    **names: str,
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Let a function take keyword arguments under the names they had before.

    Parameters
    ----------
    **names : str
        The old name of each argument, and its name now.

    Returns
    -------
    callable
        The decorator.

    Examples
    --------
    >>> import warnings
    >>> @arguments(colour="color")
    ... def paint(color):
    ...     return color
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     paint(colour="red")
    'red'
    >>> str(caught[0].message)
    'paint(colour=…) is called paint(color=…) now; the old name goes with the next release.'
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        of = function.__qualname__.removesuffix(".__init__")

        @functools.wraps(function)
        def call(*args: Parameters.args, **given: Parameters.kwargs) -> Result:
            for before in names.keys() & given.keys():
                now = names[before]
                if now in given:
                    raise TypeError(f"{of}() got {now}= and its old name {before}= as well.")
                warn(f"{of}({before}=…)", f"{of}({now}=…)")
                given[now] = given.pop(before)
            return function(*args, **given)

        return call

    return decorate
