"""Text for the positions of a probe's examples.

Room: capture, probe. Comes in: texts or a vocabulary, and the input arrays. Goes out: a text for
each position, ``""`` where padding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import ProbeError

#: Text per example, or something that turns the first whole-number input into text.
Tokens = (
    Sequence[Sequence[str | None]] | Sequence[str] | Mapping[int, str] | Callable[[int], str | None]
)


def spelled(tokens: Tokens, arrays: list[NDArray[Any]], count: int) -> tuple[tuple[str, ...], ...]:
    """Return the text of each position of each example.

    Parameters
    ----------
    tokens : Tokens
        As a :class:`~limelight.capture.probe.Probe` takes them.
    arrays : list of array [example, …]
        The inputs that differ from example to example.
    count : int
        How many examples there are.

    Returns
    -------
    tuple of tuple of str

    Raises
    ------
    ProbeError
        If they do not fit the inputs.
    """
    if isinstance(tokens, np.ndarray):
        tokens = tokens.tolist()
    if callable(tokens) or isinstance(tokens, Mapping):
        return _read(tokens, arrays)
    rows = list(tokens)
    if rows and all(isinstance(row, str) for row in rows):
        return _read(dict(enumerate(rows)), arrays)  # type: ignore[arg-type]
    if len(rows) != count:
        raise ProbeError(
            f"Got tokens for {len(rows)} examples; the inputs hold {count}.",
            "Wanted one list of texts for each example.",
            "Cut 'inputs' and 'tokens' alike.",
        )
    return tuple(tuple(_text(word) for word in (row or ())) for row in rows)


def _read(
    vocabulary: Mapping[int, str] | Callable[[int], str | None], arrays: list[NDArray[Any]]
) -> tuple[tuple[str, ...], ...]:
    """Turn the first whole-number input [example, position] into text."""
    ids = next((a for a in arrays if a.ndim == 2 and a.dtype.kind in "iu"), None)
    if ids is None:
        # Many people keep ids as floats, because a generator gave them so.
        ids = next((a for a in arrays if a.ndim == 2 and np.array_equal(a, np.trunc(a))), None)
    if ids is None:
        raise ProbeError(
            "Got a vocabulary, but no input of whole numbers [example, position].",
            "Wanted ids to look up, or a list of texts for each example.",
            "Pass tokens=[[...], [...]], one list for each example.",
        )
    known: dict[int, str] = {}
    for number in np.unique(ids).astype(np.int64).tolist():
        try:
            word = vocabulary(number) if callable(vocabulary) else vocabulary[number]
        except (KeyError, IndexError):
            raise ProbeError(
                f"Got the id {number}, which the vocabulary does not have.",
                "Wanted a text for every id in the probe.",
                "Complete the vocabulary, or pass a function that names unknown ids.",
            ) from None
        known[number] = _text(word)
    return tuple(tuple(known[number] for number in row) for row in ids.astype(np.int64).tolist())


def _text(word: Any) -> str:
    if word is None:
        return ""
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
