"""What the first recorded step cost, told once.

Room: beside renamed. Comes in: a folder, before and after a step. Goes out: one line for people, in
the log of the name ``limelight``; to standard error where no log is set up.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path


class FirstStep:
    """Takes the time and the bytes of the first step that is published.

    Parameters
    ----------
    folder : Path
        Where the recording lies.

    Examples
    --------
    >>> import tempfile
    >>> FirstStep(Path(tempfile.mkdtemp())).said
    False
    """

    def __init__(self, folder: Path) -> None:
        self.said = False
        self._folder = folder
        self._began = 0.0
        self._size = 0

    def begin(self) -> None:
        """Note the time, and what is there already."""
        if not self.said:
            self._began, self._size = time.perf_counter(), _size(self._folder)

    def tell(self, sites: int, parameters: int) -> None:
        """Say what the step cost, if it was the first.

        Parameters
        ----------
        sites, parameters : int
            How many of them it holds.
        """
        if self.said:
            return
        self.said = True
        seconds = time.perf_counter() - self._began
        size = max(_size(self._folder) - self._size, 0)
        _log(
            f"limelight: the first step took {_seconds(seconds)} to record and {_bytes(size)} of "
            f"disk, for {_count(sites, 'site')} and {_count(parameters, 'parameter')}; 100 such "
            f"steps take about {_bytes(100 * size)}. every=, sites= and precision='compact' "
            "record less."
        )


def _log(line: str) -> None:
    logger = logging.getLogger("limelight")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    if logger.hasHandlers():
        logger.info(line)
    elif logger.isEnabledFor(logging.INFO):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).stat().st_size
            except OSError:  # moved meanwhile
                continue
    return total


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{max(seconds * 1000, 1):.0f} ms"


def _bytes(size: int) -> str:
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
