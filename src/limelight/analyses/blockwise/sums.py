"""What one pass over the scores leaves of each row, and what follows from it without the map.

Room: analyses. Comes in: the sums of a pass. Goes out: the terms in which a measure's own file
writes its closed form, and single weights of each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from limelight.factors import Factors
from limelight.rule import Rule

#: What a pass may be asked for, in the order of its result: the best allowed score; and with ``e``
#: the exponential of each score less the best one, the sums of ``e``, of ``e`` times that
#: difference, of ``e`` times the distance in positions; the score of the first key; and those of
#: the positions around the query's own. The first two come always.
NAMES: Final = ("top", "total", "slope", "apart", "first", "diagonal", "previous", "next")
TOP, TOTAL, SLOPE, APART, FIRST, DIAGONAL, PREVIOUS, NEXT = range(len(NAMES))

#: How far from the query's own position the keys around it lie.
OFFSETS: Final = {"diagonal": 0, "previous": -1, "next": 1}


class Sums:
    """What a closed form is given: float64 arrays [example, head, query].

    Parameters
    ----------
    raw : array [sum, example, head, query]
        As a pass returns them.
    factors : Factors
        What was passed over.

    Attributes
    ----------
    normaliser : array
        Log of the sum of ``exp(score)`` over the allowed keys and a sink logit, in nats.
    over : array
        How far it lies above the best score, in nats; of a row without a key, 0.
    best : array
        The largest weight.
    """

    def __init__(self, raw: NDArray[np.float64], factors: Factors) -> None:
        self._raw = raw
        self._rule = factors.rule
        top = np.where(np.isneginf(raw[TOP]), 0, raw[TOP])
        self.normaliser = logs_of(raw, sink_logits(factors))
        self._log = np.where(np.isneginf(self.normaliser), 0, self.normaliser)
        self.over = self._log - top
        self.best = np.where(raw[TOTAL] == 0, 0, np.exp(-self.over))

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return one of :data:`NAMES`, which the closed form said that it needs."""
        return np.asarray(self._raw[NAMES.index(name)])

    def weight(self, name: str) -> NDArray[np.float64]:
        """Return the weight of the key whose score is one of :data:`NAMES`; 0 where none is."""
        return np.asarray(np.exp(self[name] - self._log))

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """How many keys each query may attend to, [example or 1, head or 1, query]."""
        return allowed_keys(self._rule)


def allowed_keys(rule: Rule) -> NDArray[np.int64]:
    """Count the keys that each query may attend to.

    Parameters
    ----------
    rule : Rule

    Returns
    -------
    array [example or 1, head or 1, query]

    Examples
    --------
    >>> allowed_keys(Rule.causal(4, 4))[0, 0].tolist()
    [1, 2, 3, 4]
    """
    if rule.cells is not None:
        return np.asarray(rule.cells.sum(-1, dtype=np.int64))
    examples = max(len(rule.first), len(rule.valid))
    first, stop = (np.broadcast_to(ends, (examples, ends.shape[1])) for ends in (rule.first,
                   rule.stop))  # fmt: skip
    before = np.zeros((examples, rule.valid.shape[1] + 1), np.int64)
    np.cumsum(np.broadcast_to(rule.valid, (examples, rule.valid.shape[1])), axis=1,
              out=before[:, 1:])  # fmt: skip
    most = rule.valid.shape[1]
    low, high = np.clip(first, 0, most), np.clip(np.maximum(first, stop), 0, most)
    counts = np.take_along_axis(before, high, 1) - np.take_along_axis(before, low, 1)
    return np.asarray(counts[:, None])


def blank(factors: Factors, wanted: Iterable[str]) -> NDArray[np.float64]:
    """Return a pass's result before any score was seen; scores of keys are ``-inf``."""
    count = len(NAMES) if {*wanted} & {*OFFSETS} else FIRST + 1
    raw = np.zeros((count, *factors.shape[:3]))
    raw[[TOP, *range(FIRST, count)]] = -np.inf
    return raw


def sink_logits(factors: Factors) -> NDArray[np.float32] | None:
    """Return the scores that belong to no key [1, head], or None."""
    return None if factors.sink_logit is None else factors.sink_logit[None]


def logs_of(
    raw: NDArray[np.float64], sink_logit: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    """Return the log normalisers of rows that a pass has seen whole.

    Parameters
    ----------
    raw : array [sum, example, head, query]
    sink_logit : array [example or 1, head], optional

    Returns
    -------
    array [example, head, query]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(raw[TOTAL]) + np.where(np.isneginf(raw[TOP]), 0, raw[TOP])
    if sink_logit is not None:
        logs = np.logaddexp(logs, sink_logit[..., None].astype(np.float64))
    return np.asarray(logs, np.float64)


#: What is no measure but follows from a pass: single weights of each row, and its normaliser.
FACTS: Final[dict[str, Callable[[Sums], NDArray[np.float64]]]] = {
    "diagonal": lambda sums: sums.weight("diagonal"),
    "previous": lambda sums: sums.weight("previous"),
    "next": lambda sums: sums.weight("next"),
    "normaliser": lambda sums: sums.normaliser,
}
