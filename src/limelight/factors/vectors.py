"""The vectors of one site, and exactly the weights they make.

Room: factors. Comes in: queries, keys, a scale, a rule. Goes out: :class:`Factors`, whose weights
are computed a part at a time. May import NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight import renamed
from limelight.rule import Rule

#: Largest number of weights computed at once while walking over whole maps: few enough to stay in
#: a core's cache.
BLOCK: Final = 1 << 18


@dataclass(frozen=True, eq=False)
class Factors:
    r"""One site's attention, as vectors.

    .. math:: a_{qk} = \exp(\sigma(s \, q \cdot k) - \ell_q) \text{ where allowed, else } 0

    Attributes
    ----------
    query : array [example, head, query, feature]
        float32.
    key : array [example, key head, key, feature]
        float32; the number of heads is a multiple of the number of key heads (grouped queries),
        and each key head serves the heads of one run of neighbours.
    rule : Rule
        Which keys each query may attend to.
    scale : float
        What products are multiplied by.
    softcap : float, optional
        Scores are then ``softcap · tanh(score / softcap)``.
    sink_logit : array [head], optional
        One more score per head that takes a share of each row and belongs to no key.
    """

    query: NDArray[np.float32]
    key: NDArray[np.float32]
    rule: Rule
    scale: float
    softcap: float | None = None
    sink_logit: NDArray[np.float32] | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Sizes of example, head, query and key."""
        examples, heads, queries, _ = self.query.shape
        return examples, heads, queries, int(self.key.shape[2])

    @property
    def nbytes(self) -> int:
        """Bytes the vectors and the normaliser take."""
        return int(self.query.nbytes + self.key.nbytes + 8 * math.prod(self.shape[:3]))

    @cached_property
    def normaliser(self) -> NDArray[np.float64]:
        """Log of the sum of ``exp(score)`` over the allowed keys and the sink logit, in nats.

        float64 [example, head, query]; ``-inf`` where nothing is allowed. Computed when it is
        first asked for, unless :meth:`keep` gave it.
        """
        logs = np.empty(self.shape[:3])
        every = slice(None)
        for example, heads, queries in blocks(self.shape):
            scores = self.scores(example, heads, queries, every)
            _forbid(scores, self.rule.allowed(example, heads, queries, every), -np.inf)
            extra = (
                None if self.sink_logit is None else self.sink_logit[heads, None].astype(np.float64)
            )
            logs[example, heads, queries] = _log_sum(scores, extra)
        return logs

    @property
    def kept(self) -> NDArray[np.float64] | None:
        """The log normaliser if it is known already, without computing it."""
        return self.__dict__.get("normaliser")

    def keep(self, normaliser: NDArray[np.float64]) -> None:
        """Take a normaliser that another pass found on its way.

        Parameters
        ----------
        normaliser : array [example, head, query]
            float64, in nats, of these very factors.
        """
        self.__dict__["normaliser"] = normaliser

    def scores(
        self, example: int, head: int | slice, queries: slice, keys: slice
    ) -> NDArray[np.float32]:
        """Return scores before the softmax, whatever is allowed.

        Parameters
        ----------
        example : int
        head : int or slice
        queries, keys : slice

        Returns
        -------
        array [query, key], or [head, query, key] for a slice of heads
            float32.
        """
        group = self.query.shape[1] // self.key.shape[1]
        key_head: Any = head
        if group > 1:
            key_head = np.arange(self.query.shape[1])[head] // group
        vectors = self.query[example, head, queries] * np.float32(self.scale)
        scores: NDArray[np.float32] = vectors @ self.key[example, key_head][..., keys, :].swapaxes(
            -1, -2
        )
        if self.softcap is not None:
            scores /= np.float32(self.softcap)
            np.tanh(scores, out=scores)
            scores *= np.float32(self.softcap)
        return scores

    def weights(
        self, example: int, head: int | slice, queries: slice, keys: slice
    ) -> NDArray[np.float32]:
        """Return the weights of a part of one map, or of several heads.

        Parameters
        ----------
        example : int
        head : int or slice
        queries, keys : slice

        Returns
        -------
        array [query, key], or [head, query, key] for a slice of heads
            float32, exactly 0 where not allowed.
        """
        log = self.normaliser[example, head, queries, None]
        log = np.where(np.isneginf(log), 0, log)
        # At a score of 30 a normaliser in single precision loses 2e-6 of the weight; what rounding
        # cuts off it is put back as a factor, and all else may be single.
        single = log.astype(np.float32)
        weights = self.scores(example, head, queries, keys)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not allowed may be huge
            weights -= single
            np.exp(weights, out=weights)
            weights *= np.exp(single - log).astype(np.float32)
        _forbid(weights, self.rule.allowed(example, head, queries, keys), 0)
        return weights

    def dense(self) -> NDArray[np.float32]:
        """Return all weights.

        Returns
        -------
        array [example, head, query, key]
            float32.
        """
        weights = np.empty(self.shape, np.float32)
        for example, heads, queries in blocks(self.shape):
            weights[example, heads, queries] = self.weights(example, heads, queries, slice(None))
        return weights

    def sink_weights(self) -> NDArray[np.float32] | None:
        """Return each query's share for no key [example, head, query]; None without the logit."""
        if self.sink_logit is None:
            return None
        share = np.exp(self.sink_logit[None, :, None].astype(np.float64) - self.normaliser)
        return np.where(np.isneginf(self.normaliser), 0, share).astype(np.float32)


@renamed.arguments(sink="sink_logit")
def factored(
    query: NDArray[np.float32],
    key: NDArray[np.float32],
    rule: Rule,
    scale: float,
    *,
    softcap: float | None = None,
    sink_logit: NDArray[np.float32] | None = None,
) -> Factors:
    """Build factors of any floating vectors.

    Parameters
    ----------
    query : array [example, head, query, feature]
    key : array [example, key head, key, feature]
    rule : Rule
    scale : float
    softcap : float, optional
    sink_logit : array [head], optional

    Returns
    -------
    Factors

    Examples
    --------
    >>> q = k = np.eye(2, dtype=np.float32)[None, None]
    >>> found = factored(q, k, Rule.everything(2, 2), 1.0)
    >>> found.dense()[0, 0].astype(float).round(3).tolist()
    [[0.731, 0.269], [0.269, 0.731]]
    """
    query = np.ascontiguousarray(query, np.float32)
    key = np.ascontiguousarray(key, np.float32)
    return Factors(query, key, rule, float(scale), softcap, sink_logit)


def blocks(
    shape: tuple[int, int, int, int], most: int | None = None
) -> Iterator[tuple[int, slice, slice]]:
    """Walk over maps in blocks of whole rows.

    Parameters
    ----------
    shape : tuple of int
        Sizes of example, head, query and key.
    most : int, optional
        Weights of a block; :data:`BLOCK` if not given.

    Yields
    ------
    tuple
        Example, a slice of heads, a slice of queries: several heads where they are small, a part of
        one where it is large. At most so many weights, or one row.
    """
    examples, heads, queries, keys = shape
    most = BLOCK if most is None else most
    rows = max(1, min(queries, most // max(keys, 1)))
    several = max(1, most // max(queries * keys, 1)) if rows == queries else 1
    for example in range(examples):
        for head in range(0, heads, several):
            for start in range(0, queries, rows):
                yield (
                    example,
                    slice(head, min(head + several, heads)),
                    slice(start, min(start + rows, queries)),
                )


def _forbid(values: NDArray[np.float32], allowed: NDArray[np.bool_], instead: float) -> None:
    """Put something where nothing is allowed, in place, for all heads alike or each its own."""
    if not allowed.all():
        np.copyto(values, np.float32(instead), where=~allowed)


def _log_sum(scores: NDArray[np.float32], extra: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return each row's log of the sum of exponentials, in double precision; spoils ``scores``."""
    top = scores.max(axis=-1, initial=-np.inf)
    safe = np.where(np.isneginf(top), 0, top)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores -= safe[..., None]
        total = np.exp(scores, out=scores).sum(axis=-1, dtype=np.float64)
        logs: NDArray[np.float64] = np.log(total) + safe
    return logs if extra is None else np.logaddexp(logs, extra)
