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
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from limelight.store.format import guarded
from limelight.store.format.checked import is_whole, signed

try:
    import fcntl
except ImportError:  # Windows has no such lock; there two writers of one run must not meet
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from limelight.store.format.files import Files

#: A longer index is none of ours, nor is a longer line, nor one with more damaged lines.
_LONGEST: Final = 1 << 28
_LONGEST_LINE: Final = 1 << 22
_MOST_DAMAGED: Final = 1000

#: Problems told one by one.
_TOLD: Final = 20

#: The table of the model's own parameters, among those a line lists.
PARAMETER = "parameter"
#: And of the table of all gradients together.
TRAINING = "training"
#: And of the table of gradients by time step.
TIME = "time"


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
    attention : bool
        Whether it was recorded.
    tables : tuple of str
        Kinds of statistics that were recorded, such as ``parameter``.
    layout : int
        Which of the description's layouts its arrays have.
    masks : int
        Row of ``allowed`` and its companions; -1 without attention.
    images : int
        Row of the probe's images; -1 without.
    digest : str
        Tells one row of masks from another.
    by_head : tuple of str
        Sites whose ``allowed`` differs between heads.
    nan : bool
        Whether an overview cell holds a NaN.
    wide : tuple of str
        Sites whose vectors are stored in single precision.
    padded : tuple of str, optional
        Sites of which not every row counts; None where an earlier limelight did not say.
    """

    step: int
    row: int
    time: float
    epoch: float | None = None
    attention: bool = False
    tables: tuple[str, ...] = ()
    layout: int = 0
    masks: int = -1
    images: int = -1
    digest: str = ""
    by_head: tuple[str, ...] = ()
    nan: bool = False
    wide: tuple[str, ...] = ()
    padded: tuple[str, ...] | None = None

    @property
    def parameters(self) -> bool:
        """Whether the model's own parameters were recorded."""
        return PARAMETER in self.tables

    def dumps(self, run: str) -> bytes:
        """Return the line's text, newline included, with its checksum for this run."""
        return signed(json.dumps(asdict(self), allow_nan=False), run) + b"\n"


def parse(text: bytes, run: str | None) -> tuple[list[Line], list[str]]:
    """Read whole lines.

    Parameters
    ----------
    text : bytes
        What follows the last newline is not yet a line, and is left out.
    run : str, optional
        The run's own mark, with which lines were signed; None: an earlier limelight wrote them, and
        signed none.

    Returns
    -------
    lines : list of Line
        In the order of their rows.
    problems : list of str
        One sentence for each line that could not be read.
    """
    lines: list[Line] = []
    problems: list[str] = []
    damaged = 0
    for number, piece in enumerate(BytesIO(text), 1):
        if not piece.endswith(b"\n"):
            break
        line = line_of(piece.rstrip(), run)
        if line is not None:
            lines.append(line)
            continue
        damaged += 1
        if damaged <= _TOLD:
            problems.append(f"Line {number} of the index is damaged; its step is left out.")
        if damaged == _MOST_DAMAGED:
            problems.append(f"What follows line {number} of the index is left out as well.")
            break
    if damaged > _TOLD:
        problems.append(f"{damaged - _TOLD} more lines of the index are damaged.")
    return sorted(lines, key=lambda line: line.row), problems


def line_of(text: bytes, run: str | None) -> Line | None:
    """Return one line; None if it is not as it was written."""
    if len(text) > _LONGEST_LINE or (run is not None and not is_whole(text, run)):
        return None
    try:
        return _line(json.loads(text))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def read(files: Files, run: str | None) -> tuple[list[Line], list[str]]:
    """Read the index of a recording; an index that is not there yet is empty."""
    try:
        return parse(files.content(files.index, _LONGEST), run)
    except FileNotFoundError:
        return [], []
    except OSError as cause:
        return [], [f"The index cannot be read ({cause.strerror or cause}): {files.index}."]
    except ValueError as cause:
        return [], [f"The index cannot be read ({cause}): {files.index}."]


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
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
    try:
        guarded.checked(descriptor, path, _LONGEST)
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.lseek(descriptor, 0, os.SEEK_END)
        whole = os.pread(descriptor, size, 0).rfind(b"\n") + 1
        os.ftruncate(descriptor, whole)
        os.lseek(descriptor, whole, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Say whether a writer is publishing a step at this moment."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False


def append(descriptor: int, text: bytes) -> None:
    """Publish a step: write its line and wait until it is on disk.

    Parameters
    ----------
    descriptor : int
        From :func:`locked`.
    text : bytes
        The line, newline included.

    Raises
    ------
    OSError
        If the disk is full or gone; the index is then as it was.
    """
    start = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        # The newline makes the line count, so it must not reach the disk before the rest.
        written = os.write(descriptor, text)
        if written < len(text):
            raise OSError(28, "No space left on device")
        os.fsync(descriptor)
    except BaseException:
        os.ftruncate(descriptor, start)
        os.lseek(descriptor, start, os.SEEK_SET)
        raise


def rewrite(descriptor: int, text: bytes) -> None:
    """Make the index hold these lines; what it begins with already stays untouched.

    Parameters
    ----------
    descriptor : int
        From :func:`locked`.
    text : bytes
        Whole lines.

    Raises
    ------
    OSError
        If the disk is full or gone.
    """
    size = os.lseek(descriptor, 0, os.SEEK_END)
    before = os.pread(descriptor, size, 0)
    pairs = zip(before, text, strict=False)
    same = next((at for at, (old, new) in enumerate(pairs) if old != new), min(size, len(text)))
    os.ftruncate(descriptor, same)
    os.lseek(descriptor, same, os.SEEK_SET)
    append(descriptor, text[same:])


def _line(facts: dict[str, Any]) -> Line:
    given = {name: facts[name] for name in ("step", "row", "masks")}
    given |= {name: facts[name] for name in ("layout", "images") if name in facts}
    if not all(type(value) is int and -1 <= value < 2**63 for value in given.values()):
        raise ValueError("no whole numbers")
    if min(given["step"], given["row"], given.get("layout", 0)) < 0:
        raise ValueError("a number below 0")
    epoch, tables, padded = facts["epoch"], facts.get("tables"), facts.get("padded")
    if tables is None:  # an earlier limelight: parameters, or none
        tables = [PARAMETER] if facts["parameters"] else []
    return Line(
        **given,
        time=float(facts["time"]),
        epoch=None if epoch is None else float(epoch),
        attention=bool(facts["attention"]) and given["masks"] >= 0,
        tables=tuple(map(str, tables)),
        digest=str(facts["digest"]),
        by_head=tuple(map(str, facts["by_head"])),
        nan=bool(facts["nan"]),
        wide=tuple(map(str, facts.get("wide", ()))),
        padded=None if padded is None else tuple(map(str, padded)),
    )
