"""The list of published steps: a text file that only grows.

Room: store. Comes in: a step whose data are whole. Goes out: :class:`Line`, one per published
step. A step exists for readers once its line, newline included, is on disk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows has no such lock; there two writers of one run must not meet
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Line:
    """One published step.

    Attributes
    ----------
    step : int
        The optimizer's iteration.
    row : int
        Where its arrays lie.
    time : float
        When it was published, seconds since 1970.
    epoch : float, optional
    attention, parameters : bool
        What was recorded.
    masks : int
        Row of ``allowed`` and its companions; -1 without attention.
    digest : str
        Tells one row of masks from another.
    by_head : tuple of str
        Sites whose ``allowed`` differs between heads.
    nan : bool
        Whether an overview cell holds a NaN.
    wide : tuple of str
        Sites whose vectors are stored in single precision.
    """

    step: int
    row: int
    time: float
    epoch: float | None = None
    attention: bool = False
    parameters: bool = False
    masks: int = -1
    digest: str = ""
    by_head: tuple[str, ...] = ()
    nan: bool = False
    wide: tuple[str, ...] = ()


def parse(text: bytes) -> tuple[list[Line], list[str]]:
    """Read whole lines.

    Parameters
    ----------
    text : bytes
        What follows the last newline is not yet a line, and is left out.

    Returns
    -------
    lines : list of Line
    problems : list of str
        One sentence for each line that could not be read.
    """
    lines: list[Line] = []
    problems: list[str] = []
    for number, piece in enumerate(text[: text.rfind(b"\n") + 1].splitlines(), 1):
        try:
            lines.append(_line(json.loads(piece)))
        except (ValueError, KeyError, TypeError, RecursionError):
            problems.append(f"Line {number} of the index is damaged; its step is left out.")
    return lines, problems


def read(path: Path) -> tuple[list[Line], list[str]]:
    """Read the index of a recording; an index that is not there yet is empty."""
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return [], []


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold the index open for writing, alone among writers.

    Parameters
    ----------
    path : Path

    Yields
    ------
    int
        A file descriptor at the end of the file, where a next line starts: what a killed writer
        left of a line is cut off.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with open(path, "rb") as file:  # noqa: PTH123  # its own position, not the descriptor's
            whole = file.read().rfind(b"\n") + 1
        os.ftruncate(descriptor, whole)
        os.lseek(descriptor, whole, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def append(descriptor: int, line: Line) -> None:
    """Publish a step: write its line and wait until it is on disk.

    Parameters
    ----------
    descriptor : int
        From :func:`locked`.
    line : Line

    Raises
    ------
    OSError
        If the disk is full or gone; the index is then as it was.
    """
    facts = asdict(line)
    if not line.wide:
        del facts["wide"]
    text = (json.dumps(facts, ensure_ascii=False, allow_nan=False) + "\n").encode()
    start = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        # The newline makes the line count, so it must not reach the disk before the rest.
        if os.write(descriptor, text) < len(text):
            raise OSError(28, "No space left on device")
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, start)
        raise


def _line(facts: dict[str, Any]) -> Line:
    numbers = {name: facts[name] for name in ("step", "row", "masks")}
    if not all(type(value) is int for value in numbers.values()) or numbers["row"] < 0:
        raise ValueError("no whole numbers")
    epoch = facts["epoch"]
    return Line(
        **numbers,
        time=float(facts["time"]),
        epoch=None if epoch is None else float(epoch),
        attention=bool(facts["attention"]) and numbers["masks"] >= 0,
        parameters=bool(facts["parameters"]),
        digest=str(facts["digest"]),
        by_head=tuple(map(str, facts["by_head"])),
        nan=bool(facts["nan"]),
        wide=tuple(map(str, facts.get("wide", ()))),
    )
