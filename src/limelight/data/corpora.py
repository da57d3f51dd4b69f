"""Turns the fetched data files into words, sentences and images.

Room: data. Comes in: nothing but what :mod:`limelight.data.packages` fetched. Goes out: plain
lists and NumPy arrays, always in the same order. Imports NumPy and the package list.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from limelight.data import packages

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*|[0-9]+|[.,;:!?]")
_NOTE = re.compile(r"\{[^}]*\}")
_STOP = frozenset(".!?")

#: What stands for a position without a word, and for a word outside the vocabulary.
PADDING = ""
UNKNOWN = "[unknown]"


def words(text: str) -> list[str]:
    """Split English text into lower-case words, numbers and punctuation marks.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str

    Examples
    --------
    >>> words("It isn't over, yet!")
    ['it', "isn't", 'over', ',', 'yet', '!']
    """
    return _WORD.findall(text.replace("\u2019", "'").lower())


def bible_sentences(shortest: int = 6, longest: int = 20) -> list[list[str]]:
    """Return the sentences of the World English Bible, a modern English text in the public domain.

    Translators' notes are left out and repeated sentences are kept once.

    Parameters
    ----------
    shortest, longest : int
        Fewest and most words and marks a sentence may have.

    Returns
    -------
    list of list of str
        In the order of the text.
    """
    path = packages.fetch(packages.VERSES) / "t_web.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))[1:]
    sentences: dict[tuple[str, ...], None] = {}  # a dict keeps the order and drops repetitions
    sentence: list[str] = []
    for row in rows:
        for word in words(_NOTE.sub(" ", row[4])):
            sentence.append(word)
            if word in _STOP:
                sentences[tuple(sentence)] = None
                sentence = []
    return [list(each) for each in sentences if shortest <= len(each) <= longest]


def film_snippets(clear: float = 0.5) -> tuple[list[list[str]], npt.NDArray[np.int64]]:
    """Return sentences of film reviews with the sign of their human rating.

    Parameters
    ----------
    clear : float
        Least size of the mean rating, which runs from -4 (bad) to 4 (good); those nearer to 0 are
        left out because raters did not agree on a side.

    Returns
    -------
    sentences : list of list of str
        No two of them have the same words.
    labels : ndarray [example] of int64
        1 = positive, 0 = negative.
    """
    path = packages.fetch(packages.SNIPPETS) / "movies.txt"
    ratings: dict[tuple[str, ...], int] = {}
    for line in path.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        fields = line.split("\t")
        if len(fields) != 3 or abs(float(fields[1])) < clear:
            continue
        ratings.setdefault(tuple(words(fields[2])), int(float(fields[1]) > 0))
    ratings.pop((), None)
    return [list(each) for each in ratings], np.array(list(ratings.values()), np.int64)


def digits() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return 5,000 handwritten digits of MNIST, 500 of each kind, in a fixed shuffled order.

    Returns
    -------
    images : ndarray [example, row, column] of float32
        28 rows and columns, ink from 0 to 1.
    labels : ndarray [example] of int64
        0 to 9.
    """
    path = packages.fetch(packages.DIGITS) / "mnist_5k.csv.gz"
    with gzip.open(path, "rb") as stream:
        table = np.loadtxt(stream, delimiter=",", dtype=np.float32)
    table = table[np.random.default_rng(0).permutation(len(table))]  # the file is sorted by digit
    images = (table[:, :-1] / 255.0).reshape(-1, 28, 28).astype(np.float32)
    return images, table[:, -1].astype(np.int64)


def vocabulary(sentences: Iterable[Sequence[str]], *extra: str, most: int) -> list[str]:
    """Return the words a model knows: padding, unknown, extras, then the commonest first.

    Parameters
    ----------
    sentences : iterable of sequence of str
        Where words are counted.
    *extra : str
        Words that get an id of their own, such as a blank.
    most : int
        Size of the vocabulary.

    Returns
    -------
    list of str
        At index 0 padding, at 1 the unknown word.
    """
    counts = Counter(word for sentence in sentences for word in sentence)
    # Alphabetical among equals, so that the list is the same on every machine.
    common = sorted(counts, key=lambda word: (-counts[word], word))
    return [PADDING, UNKNOWN, *extra, *common][:most]


def encode(
    sentences: Sequence[Sequence[str]], known: Sequence[str], length: int
) -> npt.NDArray[np.int32]:
    """Write sentences as rows of ids, padded with 0 at the end.

    Parameters
    ----------
    sentences : sequence of sequence of str
    known : sequence of str
        The vocabulary; a word's id is its index.
    length : int
        Number of positions; longer sentences are cut.

    Returns
    -------
    ndarray [example, position] of int32
    """
    ids = {word: index for index, word in enumerate(known)}
    rows = np.zeros((len(sentences), length), np.int32)
    for row, sentence in zip(rows, sentences, strict=True):
        cut = sentence[:length]
        row[: len(cut)] = [ids.get(word, 1) for word in cut]
    return rows
