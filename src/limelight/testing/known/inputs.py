"""Inputs for the hand-built models.

Room: testing. Comes in: sizes and a seed. Goes out: arrays of token numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def random_tokens(
    examples: int, length: int, vocabulary: int, seed: int = 0
) -> NDArray[np.int64]:  # fmt: skip
    """Draw tokens of which none comes twice in an example.

    Parameters
    ----------
    examples, length, vocabulary : int
    seed : int

    Returns
    -------
    array [example, position]

    Examples
    --------
    >>> sorted(random_tokens(1, 3, 3)[0].tolist())
    [0, 1, 2]
    """
    random = np.random.default_rng(seed)
    return np.stack([random.permutation(vocabulary)[:length] for _ in range(examples)])


def repeated_tokens(
    examples: int, half: int, vocabulary: int, seed: int = 0
) -> NDArray[np.int64]:  # fmt: skip
    """Draw tokens that come once, then all again in the same order.

    Parameters
    ----------
    examples, half, vocabulary : int
        ``half`` tokens, twice.
    seed : int

    Returns
    -------
    array [example, position]

    References
    ----------
    .. [1] C. Olsson et al., "In-context Learning and Induction Heads", 2022.

    Examples
    --------
    >>> repeated_tokens(2, 4, 9).shape
    (2, 8)
    """
    return np.tile(random_tokens(examples, half, vocabulary, seed), 2)


def evidence(
    examples: int, length: int, vocabulary: int, token: int = 1, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw sequences of which every other one holds a token, once, somewhere before its end.

    Parameters
    ----------
    examples, length, vocabulary : int
    token : int
        The one that decides the class; 0 never comes.
    seed : int

    Returns
    -------
    array [example, position], array [example]
        Tokens, and classes: 1 where the token is.

    Examples
    --------
    >>> x, y = evidence(4, 6, 9)
    >>> ((x == 1).sum(1) == y).all()
    np.True_
    """
    random = np.random.default_rng(seed)
    others = np.array([number for number in range(1, vocabulary) if number != token])
    x = random.choice(others, size=(examples, length))
    y = np.arange(examples) % 2
    at = random.integers(0, length - 1, size=examples)
    x[np.flatnonzero(y), at[y == 1]] = token
    return x, y
