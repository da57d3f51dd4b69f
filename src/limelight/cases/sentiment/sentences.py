"""Rated sentences of film reviews, as ids of words.

Room: cases. Comes in: nothing. Goes out: the sentences that are learned, and those that are
checked. May import data and training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from limelight import training
from limelight.data import corpora

LENGTH = 24
WORDS = 4000
VALIDATION, LEARNED = 1536, 2048


@dataclass(frozen=True)
class Sentences:
    """Sentences as ids, and their labels.

    Attributes
    ----------
    ids : ndarray [example, position] of int
        0 is padding.
    labels : ndarray [example] of int
        1 = positive.
    texts : list of list of str
    """

    ids: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int64]
    texts: list[list[str]]


def sentences() -> tuple[Sentences, Sentences]:
    """Return the sentences that are learned, and those that are only checked."""
    texts, labels = corpora.film_snippets()
    order = np.random.default_rng(training.SEED).permutation(len(texts))
    texts, labels = [texts[index] for index in order], labels[order]
    parts = (slice(VALIDATION, VALIDATION + LEARNED), slice(VALIDATION))
    known = corpora.vocabulary(texts[parts[0]], most=WORDS)
    ids = corpora.encode(texts, known, LENGTH)
    learned, checked = (Sentences(ids[part], labels[part], texts[part]) for part in parts)
    return learned, checked
