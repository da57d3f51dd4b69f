"""What every proof of doctor's does alike: ask for a package, compare two maps.

Room: apps. Comes in: names of packages, or what was captured and what the layer itself gives. Goes
out: plain words, or an error that says what to do.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight import installation
from limelight.errors import LimelightError, UnavailableError


def require(package: str, extra: str) -> None:
    """Raise an error that names the extra to install, if a package is missing.

    Parameters
    ----------
    package, extra : str

    Raises
    ------
    UnavailableError
    """
    if find_spec(package) is None:
        raise UnavailableError(
            f"{package} is not installed.",
            "Wanted it to capture a model with.",
            f"Run: {installation.command(extra)}",
        )


def agreed(versions: str, captured: NDArray[Any], expected: NDArray[Any]) -> str:
    """Say that captured weights are a layer's own, or raise an error.

    Parameters
    ----------
    versions : str
        Of what ran.
    captured, expected : array [example, head, query, key]

    Returns
    -------
    str

    Raises
    ------
    LimelightError
        If they differ by 1e-6 or more.
    """
    difference = float(np.abs(captured - expected).max())
    if not difference < 1e-6:
        raise LimelightError(
            f"Captured weights differ from the layer's own by {difference:.3g}.",
            "Wanted less than 1e-6.",
            f"Report it with these versions: {versions}.",
        )
    return f"yes: {versions}, within {difference:.1g} of the layer's own weights"
