"""The numbers that say when a step was: checked before anything of it is written.

Room: store. Comes in: what a training loop gave as step, epoch and time. Goes out: an int and
floats that every reader can hold, or an error.
"""

from __future__ import annotations

import math
import operator
from typing import Any, Final

import numpy as np

from limelight.errors import StoreError

#: Steps are read into 64 bits.
_MOST: Final = 2**63 - 1

#: The end of the year 9999, in seconds since 1970.
_LATEST: Final = 253_402_300_799.0


def step_number(given: Any) -> int:
    """Return a step's number.

    Parameters
    ----------
    given : int
        NumPy's and frameworks' whole numbers too; a float that is whole.

    Returns
    -------
    int
        From 0 up to, not including, 2**63.

    Raises
    ------
    StoreError
        If it is anything else.
    """
    number = None if _is_no_number(given) else _whole(given)
    if number is None or not 0 <= number <= _MOST:
        raise StoreError(
            f"Got {str(given)[:60]} ({type(given).__name__}) as a step.",
            "Wanted a whole number from 0 to 2**63 - 1: how many steps the optimizer has made.",
            "Pass the loop's own counter, such as record(step).",
        )
    return number


def epoch_number(given: Any) -> float | None:
    """Return how many epochs are done; None where that is not known: None, NaN or infinite.

    Raises
    ------
    StoreError
        If it is no number.
    """
    if given is None:
        return None
    number = _real(given, "an epoch", "how many epochs are done, or None")
    return number if math.isfinite(number) else None


def time_number(given: Any) -> float | None:
    """Return seconds since 1970; None where none were given.

    Raises
    ------
    StoreError
        If it is no number, or no time.
    """
    if given is None:
        return None
    number = _real(given, "a time", "seconds since 1970")
    if not 0 <= number <= _LATEST:
        raise _refused(given, "a time", "seconds since 1970")
    return number


def _is_no_number(given: Any) -> bool:
    """Say whether something that Python would take for a number is none: True, or text."""
    kind = str(getattr(given, "dtype", ""))
    return isinstance(given, bool | np.bool_ | str | bytes) or kind.rpartition(".")[2] == "bool"


def _whole(given: Any) -> int | None:
    """Return a whole number as Python's; None if it is not whole."""
    try:
        return operator.index(given)
    except TypeError:
        pass
    try:  # a framework's own number, such as a Keras variable; or 5.0
        number = int(given)
        return number if bool(number == given) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _real(given: Any, what: str, wanted: str) -> float:
    try:
        if _is_no_number(given):
            raise TypeError
        return float(given)
    except (TypeError, ValueError, OverflowError):
        raise _refused(given, what, wanted) from None


def _refused(given: Any, what: str, wanted: str) -> StoreError:
    came = f"Got {str(given)[:60]} ({type(given).__name__}) as {what}."
    return StoreError(came, f"Wanted {wanted}.", "Pass a number, or leave it out.")
