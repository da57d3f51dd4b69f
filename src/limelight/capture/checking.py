"""Compares what is shown of a softmax with what the model itself computed there.

Room: capture. Comes in: weights and scores as they are shown [example, head, query, key], and, as
the model holds them, its own weights, what they were multiplied with, and what came out. Goes out:
the values of one example, and how far they are from the model's own. Knows no framework.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, permutations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: So many ways to read a product are tried at most.
_TRIES = 400

#: Names of axes in a sum of products.
_EXAMPLE, _HEAD, _QUERY, _KEY, _FEATURES = "e", "h", "q", "k", "uvwxyz"


@dataclass(frozen=True, eq=False)
class Values:
    """What one example's softmax held, and whether it is what the model computed.

    Attributes
    ----------
    scores : array [head, query, key]
        Before the softmax; minus infinity where not allowed.
    weights : array [head, query, key]
        As they are shown.
    weighted_sum : array [head, query, feature], optional
        The model's own; None where it could not be followed.
    weights_off : float, optional
        The greatest difference between the weights that are shown and the softmax of the model's
        own; None where the model forms none, as in a fused kernel.
    sum_off : float, optional
        The greatest difference between the shown weights times the values, and the model's own
        weighted sum, over its greatest value; None where it could not be followed.
    """

    scores: Array
    weights: Array
    weighted_sum: Array | None = None
    weights_off: float | None = None
    sum_off: float | None = None

    @property
    def agree(self) -> bool | None:
        """Whether all that was compared is equal up to rounding; None if nothing was."""
        offs = [off for off in (self.weights_off, self.sum_off) if off is not None]
        return all(off <= 1e-2 for off in offs) if offs else None


def examined(
    example: int,
    scores: Array,
    weights: Array,
    computed: Array | None = None,
    products: Sequence[tuple[Array, Array]] = (),
) -> Values:
    """Compare the weights of one example with what the model computed.

    Parameters
    ----------
    example : int
    scores, weights : array [example, head, query, key]
        As they are shown.
    computed : array [example, head, query, key], optional
        What the model's own softmax returned.
    products : sequence of (array, array)
        What its values were multiplied with, and what came out, in whatever order of axes.

    Returns
    -------
    Values
    """
    off = None
    if computed is not None and computed.shape == weights.shape:
        off = float(np.max(np.abs(computed[example] - weights[example]), initial=0.0))
    summed, sum_off = None, None
    for values, result in products:
        best = _sum(example, weights, values, result)
        if best is not None and (sum_off is None or best[1] < sum_off):
            summed, sum_off = best
    return Values(scores[example], weights[example], summed, off, sum_off)


def _sum(example: int, weights: Array, values: Array, result: Array) -> tuple[Array, float] | None:
    """Return a weighted sum [head, query, feature] and how far ours is from it.

    The axes of the two are read in every way that their sizes leave open; the nearest counts. A
    wrong reading of the weights' own axes fits none of them.
    """
    best: tuple[Array, float] | None = None
    sizes = dict(zip((_EXAMPLE, _HEAD, _QUERY, _KEY), weights.shape, strict=True))
    for (given, of_values), (whole, of_result) in islice(_readings(values, result, sizes), _TRIES):
        features = "".join(letter for letter in of_result if letter in _FEATURES)
        target = f"{_EXAMPLE}{_HEAD}{_QUERY}{features}"
        if not (set(of_result) <= set(target) and _KEY in of_values):
            continue
        ours = np.einsum(f"ehqk,{of_values}->{target}", weights, given)[example]
        wide = np.einsum(f"{of_result}->{''.join(c for c in target if c in of_result)}", whole)
        missing = [i for i, letter in enumerate(target) if letter not in of_result]
        wide = np.expand_dims(wide, missing)
        theirs = wide[example if wide.shape[0] > 1 else 0]
        if theirs.shape != ours.shape:
            continue
        scale = max(float(np.max(np.abs(theirs), initial=0.0)), 1e-30)
        off = float(np.max(np.abs(ours - theirs), initial=0.0)) / scale
        if best is None or off < best[1]:
            best = theirs.reshape(*theirs.shape[:2], -1), off
        if off < 1e-5:
            break
    return best


def _readings(
    values: Array, result: Array, sizes: dict[str, int]
) -> Iterator[tuple[tuple[Array, str], tuple[Array, str]]]:
    """Yield both with letters for their axes, in every way that sizes leave open."""
    for given, of_values in _lettered(values, sizes, (_EXAMPLE, _HEAD, _KEY), needs=_KEY):
        features = [letter for letter in of_values if letter in _FEATURES]
        widths = {letter: given.shape[of_values.index(letter)] for letter in features}
        known = sizes | widths
        wanted = (_EXAMPLE, _HEAD, _QUERY, *features)
        for whole, of_result in _lettered(result, known, wanted, needs="", free=False):
            left = {letter for letter in (_HEAD, _QUERY, *features) if known[letter] > 1}
            if left <= set(of_result):
                yield (given, of_values), (whole, of_result)


def _lettered(
    array: Array, sizes: dict[str, int], letters: Sequence[str], needs: str, free: bool = True
) -> Iterator[tuple[Array, str]]:
    """Yield an array without axes of one, its others named by letters of their sizes.

    Where ``free``, axes may also be features.
    """
    for form in _forms(tuple(s for s in array.shape if s != 1), sizes):
        shaped = array.reshape(form)
        choices = [letter for letter in letters if sizes[letter] > 1]
        features = list(_FEATURES[: len(form)]) if free else []
        seen: set[str] = set()
        for pick in permutations([*choices, *features], len(form)):
            named = "".join(pick)
            used = [letter for letter in pick if letter in features]
            fits = all(
                letter in features or sizes[letter] == size
                for letter, size in zip(pick, form, strict=True)
            )
            if not fits or used != features[: len(used)] or named in seen:
                continue
            if needs and sizes[needs] > 1 and needs not in named:
                continue
            seen.add(named)
            if needs and needs not in named:  # a single key has no axis of its own
                yield shaped[None], needs + named
            else:
                yield shaped, named


def _forms(shape: tuple[int, ...], sizes: dict[str, int]) -> Iterator[tuple[int, ...]]:
    """Yield a shape, and the same with examples and heads apart where they are folded into one."""
    yield shape
    examples, heads, queries = sizes[_EXAMPLE], sizes[_HEAD], sizes[_QUERY]
    folds = {(examples, heads), (heads, examples), (examples, queries), (heads, queries)}
    for index, size in enumerate(shape):
        for pair in sorted(folds):
            if min(pair) > 1 and math.prod(pair) == size:
                yield (*shape[:index], *pair, *shape[index + 1 :])
    features = next((s for s in shape[-1:] if heads > 1 and s % heads == 0 and s > heads), None)
    if features is not None:
        yield (*shape[:-1], heads, features // heads)
    for index in range(len(shape) - 1):
        if shape[index] * shape[index + 1] == heads:
            yield (*shape[:index], heads, *shape[index + 2 :])
