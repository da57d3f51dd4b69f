"""Where a head of each role would attend in one example.

Room: maps. Comes in: tokens of an example, and a user's own patterns. Goes out: for each role
which keys belong to it [query, key].
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.errors import StudyError
from limelight.maps.reading import Maps

#: An array [key] or [query, key] of bool, or a function of an example's tokens that returns one.
Pattern = NDArray[Any] | Callable[[Any], Any]

#: Roles whose keys follow from positions or tokens, not from what heads do.
FIXED: Final = ("previous", "next", "self", "separator", "punctuation", "induction", "duplicate")
#: Offsets of roles that are an offset.
OFFSETS: Final = {"previous": -1, "self": 0, "next": 1}

_SEPARATOR = re.compile(
    r"[\[<]?\|?/?(sep|cls|eos|bos|s|pad|endoftext|im_(start|end)|start|end|eot_id|"
    r"begin_of_text|end_of_text|start_of_turn|end_of_turn|separator)\|?[\]>]", re.IGNORECASE
)  # fmt: skip
_MARKS = "Ġ▁Ċ "


def fixed(maps: Maps, patterns: Mapping[str, Pattern] | None = None) -> dict[str, NDArray[Any]]:
    """Return the keys of every role that follows from positions, tokens or a user.

    Parameters
    ----------
    maps : Maps
        Of a self-attention: queries and keys are the same positions.
    patterns : mapping of str to array or callable, optional

    Returns
    -------
    dict of str to array [query, key]
        bool; roles that need tokens are there only with tokens.

    Raises
    ------
    StudyError
        If a user's pattern does not fit.
    """
    count = maps.weights.shape[-1]
    keys = {name: np.eye(count, k=offset, dtype=bool) for name, offset in OFFSETS.items()}
    identity = identities(maps)
    if identity is not None:
        same = identity[:, None] == identity[None]
        twice = same & (same.sum(0) > 1)
        keys["duplicate"] = twice
        keys["induction"] = _after(twice & ~np.eye(count, dtype=bool))
    if maps.words is not None:
        for name, test in (("separator", is_separator), ("punctuation", is_punctuation)):
            keys[name] = np.repeat([[test(word) for word in maps.words]], count, 0)
    for name, pattern in (patterns or {}).items():
        keys[name] = _given(name, pattern, maps)
    return keys


def identities(maps: Maps) -> NDArray[np.intp] | None:
    """Return a number for each key that is the same where tokens are, or None without tokens.

    Parameters
    ----------
    maps : Maps

    Returns
    -------
    array [key], optional
    """
    tokens: Any = maps.ids if maps.ids is not None else maps.words
    if tokens is None:
        return None
    return np.asarray(np.unique(np.asarray(tokens), return_inverse=True)[1].reshape(-1), np.intp)


def segments(maps: Maps) -> NDArray[np.intp] | None:
    """Return the segment of each position, as separators divide them; None where they do not.

    Parameters
    ----------
    maps : Maps

    Returns
    -------
    array [position], optional
    """
    if maps.words is None:
        return None
    ends = np.array([is_separator(word) for word in maps.words])
    ends[: maps.first + 1] = False  # a mark at the beginning divides nothing
    number = np.cumsum(np.r_[0, ends[:-1]])
    return number if number[-1] > 0 else None


def is_separator(word: str) -> bool:
    """Say whether a token is a model's mark, such as [SEP], and no text.

    Parameters
    ----------
    word : str

    Returns
    -------
    bool

    Examples
    --------
    >>> [is_separator(word) for word in ("[SEP]", "</s>", "<|endoftext|>", "s", "end")]
    [True, True, True, False, False]
    """
    return _SEPARATOR.fullmatch(word.strip(_MARKS)) is not None


def is_punctuation(word: str) -> bool:
    """Say whether a token is nothing but punctuation.

    Parameters
    ----------
    word : str

    Returns
    -------
    bool

    Examples
    --------
    >>> [is_punctuation(word) for word in (".", "Ġ,", "。", "a.", "", "[SEP]")]
    [True, True, True, False, False, False]
    """
    text = word.strip(_MARKS)
    return bool(text) and all(unicodedata.category(mark).startswith("P") for mark in text)


def _after(earlier: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the keys that follow an earlier position with the query's token."""
    past = np.tril(earlier, -1)
    following = np.zeros_like(past)
    following[:, 1:] = past[:, :-1]
    return following


def _given(name: str, pattern: Pattern, maps: Maps) -> NDArray[np.bool_]:
    """Return a user's pattern for one example."""
    made = pattern
    if callable(pattern):
        tokens = list(maps.words) if maps.words is not None else maps.ids
        if tokens is None:
            raise StudyError(
                f"Got a function for the pattern {name!r}, and data whose tokens are not known.",
                "Wanted tokens that it can look at.", "Give tokens=, or an array.",
            )  # fmt: skip
        made = pattern(tokens)
    cells = np.asarray(made)
    queries, keys = maps.weights.shape[1:]
    if cells.shape == (keys,):
        cells = np.repeat(cells[None], queries, 0)
    if cells.shape != (queries, keys) or cells.dtype.kind not in "biuf":
        raise StudyError(
            f"Got the pattern {name!r} of shape {cells.shape} and type {cells.dtype} for "
            f"{queries} queries and {keys} keys.",
            f"Wanted bool [{keys}] or [{queries}, {keys}].",
            "Say for each key, or each query and key, whether it belongs to the pattern.",
        )
    return cells.astype(np.bool_)
