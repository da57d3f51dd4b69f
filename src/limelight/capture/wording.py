"""Which words name the positions of a site.

Room: capture. Comes in: a probe's words, which input positions are of, and the ids that a module
was called with. Goes out: a text for each position, or nothing: a word at a wrong position is worse
than none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.probe import Probe


@dataclass(frozen=True)
class Ids:
    """Whole numbers that stand for words.

    Attributes
    ----------
    name : str
        Of the argument that held them; empty where it has none.
    numbers : array [example, position]
    """

    name: str
    numbers: NDArray[Any]


def texts_of(
    probe: Probe, length: int, number: int | None, ids: Ids | None
) -> NDArray[np.str_] | None:
    """Return the text of positions.

    Parameters
    ----------
    probe : Probe
    length : int
        How many positions there are.
    number : int, optional
        Of the input that they are those of; -1 for the first with words, None for none.
    ids : Ids, optional
        That they stand for, where a module was called with them.

    Returns
    -------
    array [example, position], optional
        ``""`` where padding; None where nothing is known, or lengths differ.
    """
    if probe.words is None:
        return None
    if ids is not None and ids.numbers.shape[1] != length:
        ids = None
    # Ids that a model makes of its input, such as a decoder's, are shifted: their words are others.
    if number is not None and number >= 0 and (ids is None or probe.holds(ids.numbers)):
        known = _fitting(probe, probe.texts_of(number), length)
        if known is not None:
            return known
    if ids is not None:
        texts = probe.read(ids.name, ids.numbers)
        return None if texts is None else np.array(texts, dtype=np.str_)
    return _fitting(probe, probe.texts, length) if number == -1 else None


def _fitting(
    probe: Probe, texts: tuple[tuple[str, ...], ...] | None, length: int
) -> NDArray[np.str_] | None:
    """Return texts of as many positions; None where they are of another length."""
    if texts is None:
        return None
    longest = max(map(len, texts), default=0)
    positions = {array.shape[1] for array in probe.by_example if array.ndim >= 2}
    if longest > length or (length != longest and length not in positions):
        return None
    rows = [[*row, *[""] * (length - len(row))] for row in texts]
    return np.array(rows, dtype=np.str_)
