"""Attention maps that were drawn to have structure, or none.

Room: testing. Comes in: sizes and a seed. Goes out: weights [example, head, query, key], each row
of which sums to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sharp(
    examples: int,
    heads: int,
    length: int,
    *,
    sharpness: float = 3.0,
    causal: bool = False,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Draw rows that are sharp and have nothing to do with each other.

    Parameters
    ----------
    examples, heads, length : int
    sharpness : float
        Standard deviation of the scores; 0 is uniform.
    causal : bool
        Queries attend to no later key.
    seed : int

    Returns
    -------
    array [example, head, query, key]

    Examples
    --------
    >>> sharp(1, 1, 2, sharpness=0).tolist()
    [[[[0.5, 0.5], [0.5, 0.5]]]]
    """
    random = np.random.default_rng(seed)
    scores = random.normal(size=(examples, heads, length, length)) * sharpness
    return _weights(scores, causal)


def independent(
    examples: int, heads: int, length: int, *, seed: int = 0, causal: bool = False
) -> NDArray[np.float32]:
    """Draw heads that repeat nothing of each other, some sharper than others.

    Parameters
    ----------
    examples, heads, length : int
    seed : int
    causal : bool

    Returns
    -------
    array [example, head, query, key]

    Examples
    --------
    >>> independent(2, 3, 4).shape
    (2, 3, 4, 4)
    """
    random = np.random.default_rng(seed)
    sharpness = random.uniform(1, 4, size=heads)[:, None, None]
    return _weights(random.normal(size=(examples, heads, length, length)) * sharpness, causal)


def clustered(
    examples: int,
    sizes: tuple[int, ...],
    length: int,
    *,
    noise: float = 0.5,
    seed: int = 0,
    causal: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw families of heads: those of a family attend alike, but for noise.

    Parameters
    ----------
    examples : int
    sizes : tuple of int
        Heads of each family.
    length : int
    noise : float
        Standard deviation of what is each head's own, where the scores of a family have 2.
    seed : int
    causal : bool

    Returns
    -------
    array [example, head, query, key], array [head]
        Weights, and the family of each head; families are mixed.

    Examples
    --------
    >>> weights, family = clustered(1, (2, 3), 4)
    >>> weights.shape, np.bincount(family).tolist()
    ((1, 5, 4, 4), [2, 3])
    """
    random = np.random.default_rng(seed)
    family = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    shared = random.normal(size=(examples, len(sizes), length, length)) * 2
    alone = random.normal(size=(examples, len(family), length, length)) * noise
    return _weights(shared[:, family] + alone, causal), family


def _weights(scores: NDArray[np.float64], causal: bool) -> NDArray[np.float32]:
    if causal:
        scores = np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True), np.float32)
