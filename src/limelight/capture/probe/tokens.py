"""Text for the positions of a probe's examples.

Room: capture, probe. Comes in: texts, vocabularies or tokenizers, and the input arrays by name.
Goes out: for each input that bears words a text for each position, ``""`` where padding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.probe.vocabulary import Vocabulary, numbered, text, vocabulary_of
from limelight.errors import ProbeError

#: Text per example, or what turns ids into text; or either for each input by its name.
Tokens = (
    Sequence[Sequence[str | None]]
    | Sequence[str]
    | Mapping[int, str]
    | Mapping[str, Any]
    | Callable[[int], str | None]
    | Any
)
Texts = tuple[tuple[str, ...], ...]
Arrays = Mapping[str | int, NDArray[Any]]

#: Ends the names of inputs that one tokenizer made: ``input_ids`` and ``decoder_input_ids``.
_IDS = "input_ids"


@dataclass(frozen=True)
class Words:
    """The words of a probe.

    Attributes
    ----------
    texts : dict of (str or int) to tuple of tuple of str
        By the input's name, or its position in the tuple.
    vocabularies : dict of (str or int) to Vocabulary
        Of the inputs whose texts one gave.
    every : Vocabulary, optional
        Given for all inputs alike.
    """

    texts: dict[str | int, Texts] = field(default_factory=dict)
    vocabularies: dict[str | int, Vocabulary] = field(default_factory=dict)
    every: Vocabulary | None = None

    def read(self, name: str, ids: NDArray[Any], inputs: Arrays) -> Texts | None:
        """Return the texts of ids that a module was called with; None if nothing says them.

        Parameters
        ----------
        name : str
            Of the argument that held them.
        ids : array [example, position]
        inputs : dict of (str or int) to array

        Returns
        -------
        tuple of tuple of str, optional
            After those that are given, others without a vocabulary by their numbers.
        """
        begun = [key for key, array in inputs.items() if _begins(ids, array)]
        if begun:
            key = next((key for key in begun if key in self.texts), None)
            if key is None:
                return None
            length = inputs[key].shape[1]
            vocabulary = self.vocabularies.get(key)
            return tuple(
                (*row, *[""] * (length - len(row)), *(_known(vocabulary, int(n)) for n in more))
                for row, more in zip(self.texts[key], ids[:, length:], strict=True)
            )
        decoders = (said for key, said in self.vocabularies.items() if _decodes(key))
        vocabulary = next(decoders, self.every)
        if vocabulary is None or not (vocabulary.complete or name.endswith(_IDS)):
            return None  # perhaps of another language
        blank = _padding(ids, vocabulary.pad, decoded=True)
        # A model may write what it is padded with; only after an end it has nothing to say.
        blank &= _ended(ids, vocabulary.end)
        return tuple(
            tuple(
                "" if empty else _known(vocabulary, int(n))
                for n, empty in zip(row, empties, strict=True)
            )
            for row, empties in zip(ids, blank, strict=True)
        )


def spelled(tokens: Tokens, arrays: Arrays, count: int) -> Words:
    """Return the text of each position of each example.

    Parameters
    ----------
    tokens : Tokens
        As a :class:`~limelight.capture.probe.Probe` takes them.
    arrays : dict of (str or int) to array [example, …]
        The inputs that differ from example to example, by name.
    count : int
        How many examples there are.

    Returns
    -------
    Words

    Raises
    ------
    ProbeError
        If they do not fit the inputs.
    """
    if isinstance(tokens, Mapping) and by_input(tokens):
        return _by_input(tokens, arrays, count)
    vocabulary = vocabulary_of(_listed(tokens))
    if vocabulary is None:
        name = _spoken(arrays)
        first = next(iter(arrays)) if name is None else name
        return Words({first: _given(tokens, count)})
    name = _spoken(arrays)
    if name is None:
        raise ProbeError(
            "Got a vocabulary, but no input of whole numbers [example, position].",
            "Wanted ids to look up, or a list of texts for each example.",
            "Pass tokens=[[...], [...]], one list for each example.",
        )
    texts = {name: _read(vocabulary, name, arrays[name])}
    for other, ids in arrays.items():
        if other != name and str(other).endswith(_IDS) and str(name).endswith(_IDS):
            texts[other] = _read(vocabulary, other, ids)
    return Words(texts, dict.fromkeys(texts, vocabulary), vocabulary)


def by_input(tokens: Any) -> bool:
    """Tell whether tokens are given for each input by its name.

    Parameters
    ----------
    tokens : Tokens

    Returns
    -------
    bool
    """
    if not isinstance(tokens, Mapping) or not tokens:
        return False
    values = [value for value in tokens.values() if value is not None]
    plain = all(isinstance(value, str | bytes | int | np.integer) for value in values)
    return not plain


def some(tokens: Any, indices: list[int]) -> Any:
    """Return the tokens of some of the examples; a vocabulary stays.

    Parameters
    ----------
    tokens : Tokens
    indices : list of int

    Returns
    -------
    Tokens
    """
    if by_input(tokens):
        return {name: some(said, indices) for name, said in tokens.items()}
    listed = _listed(tokens)
    if listed is None or vocabulary_of(listed) is not None:
        return listed
    rows = list(listed)
    return [rows[index] for index in indices]


def _listed(tokens: Any) -> Any:
    return tokens.tolist() if isinstance(tokens, np.ndarray) else tokens


def _by_input(tokens: Mapping[Any, Any], arrays: Arrays, count: int) -> Words:
    texts: dict[str | int, Texts] = {}
    vocabularies: dict[str | int, Vocabulary] = {}
    for name, said in tokens.items():
        vocabulary = None if said is None else vocabulary_of(_listed(said))
        if name not in arrays and not (vocabulary is not None and str(name).endswith(_IDS)):
            raise ProbeError(
                f"Got tokens for the input {name!r}.",
                f"Wanted one of the inputs: {', '.join(map(repr, arrays))}.",
                "Name one of these; inputs of a tuple are numbered from 0.",
            )
        if vocabulary is not None:
            vocabularies[name] = vocabulary  # also of a decoder's, which the model gives itself
            if name in arrays:
                texts[name] = _read(vocabulary, name, _whole(name, arrays[name]))
        elif said is not None:
            texts[name] = _given(said, count)
    ordered = {name: texts[name] for name in arrays if name in texts}
    return Words(ordered, vocabularies)


def _given(tokens: Any, count: int) -> Texts:
    try:
        rows = list(_listed(tokens))
    except TypeError:
        raise ProbeError(
            f"Got tokens of type {type(tokens).__name__}.",
            "Wanted a tokenizer, a vocabulary, or a list of texts for each example.",
            "Pass a function from id to text, such as tokens=lambda number: words[number].",
        ) from None
    if len(rows) != count:
        raise ProbeError(
            f"Got tokens for {len(rows)} examples; the inputs hold {count}.",
            "Wanted one list of texts for each example.",
            "Cut 'inputs' and 'tokens' alike.",
        )
    return tuple(tuple(text(word) for word in (row or ())) for row in rows)


def _spoken(arrays: Arrays) -> str | int | None:
    """Return the input whose whole numbers are words."""
    flat = {name: array for name, array in arrays.items() if array.ndim == 2}
    whole = [name for name, array in flat.items() if array.dtype.kind in "iu"]
    # Many people keep ids as floats, because a generator gave them so.
    whole = whole or [n for n, a in flat.items() if a.dtype.kind == "f" and (a == a.round()).all()]
    named = [name for name in whole if name == _IDS]
    return next(iter(named or whole), None)


def _whole(name: str | int, array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim == 2 and array.dtype.kind in "iuf" and np.array_equal(array, np.trunc(array)):
        return array
    raise ProbeError(
        f"Got a vocabulary for the input {name!r} of shape {array.shape} and type {array.dtype}.",
        "Wanted an input of whole numbers [example, position].",
        "Give a list of texts for each example instead.",
    )


def _read(vocabulary: Vocabulary, name: str | int, ids: NDArray[Any]) -> Texts:
    """Turn ids [example, position] into text."""
    words: dict[int, str] = {}
    for number in np.unique(ids).astype(np.int64).tolist():
        try:
            words[number] = vocabulary.text(number)
        except (KeyError, IndexError):
            raise ProbeError(
                f"Got the id {number}, which the vocabulary does not have.",
                "Wanted a text for every id in the probe.",
                "Complete the vocabulary, or pass a function that names unknown ids.",
            ) from None
    rows = ids.astype(np.int64)
    blank = _padding(rows, vocabulary.pad, _decodes(name))
    return tuple(
        tuple("" if empty else words[number] for number, empty in zip(row, empties, strict=True))
        for row, empties in zip(rows.tolist(), blank.tolist(), strict=True)
    )


def _padding(ids: NDArray[Any], pad: int | None, decoded: bool) -> NDArray[np.bool_]:
    """Tell which ids only fill rows up, at an end: a decoder may begin with one that counts."""
    if pad is None:
        return np.zeros(ids.shape, np.bool_)
    same = ids == pad
    last = np.logical_and.accumulate(same[:, ::-1], axis=1)[:, ::-1]
    if decoded:
        last[:, 0] = False
        return last
    return last | np.logical_and.accumulate(same, axis=1)


def _ended(ids: NDArray[Any], end: int | None) -> NDArray[np.bool_]:
    """Tell which ids come after one that ends a text; a decoder may begin with one."""
    if end is None:
        return np.ones(ids.shape, np.bool_)
    ends = ids == end
    ends[:, 0] = False
    return np.asarray(np.logical_or.accumulate(ends, axis=1))


def _known(vocabulary: Vocabulary | None, number: int) -> str:
    """Return the text of an id that the model made: its number where it has none, never padding."""
    try:
        word = "" if vocabulary is None else vocabulary.text(number)
    except (KeyError, IndexError):
        word = ""
    return word or numbered(number)


def _begins(ids: NDArray[Any], array: NDArray[Any]) -> bool:
    """Tell whether ids begin with those of an input."""
    return array.ndim == 2 and bool(np.array_equal(array, ids[:, : array.shape[1]]))


def _decodes(name: str | int) -> bool:
    return str(name).startswith("decoder")
