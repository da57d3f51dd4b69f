"""What turns an id into text: a vocabulary, or any of the tokenizers that people have.

Room: capture, probe. Comes in: a sequence, a mapping, a function or a tokenizer. Goes out: one
:class:`Vocabulary`. Imports no tokenizer: each is known by the methods it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Read = Callable[[int], Any]

#: Methods of tokenizers that give the text of one id: of transformers, of tokenizers and Keras Hub,
#: of sentencepiece.
_BY_ID = ("convert_ids_to_tokens", "id_to_token", "id_to_piece", "IdToPiece")
#: Methods and attributes that hold every text in the order of ids, or by id: of Keras' layers, of
#: torchtext, of Keras' tokenizer of old.
_LISTS = ("get_vocabulary", "get_itos", "itos", "index_word")


@dataclass(frozen=True)
class Vocabulary:
    """Gives the text of an id.

    Attributes
    ----------
    read : callable
        Takes an id; raises KeyError or IndexError of one it does not have.
    pad : int, optional
        The id that stands for no word at all, where a tokenizer says which.
    end : int, optional
        The id that ends a text.
    complete : bool
        Whether every id has a text: a tokenizer's numbers that it cannot name are shown as such.
    """

    read: Read
    pad: int | None = None
    complete: bool = False
    end: int | None = None

    def text(self, number: int) -> str:
        """Return the text of an id.

        Parameters
        ----------
        number : int

        Returns
        -------
        str
            ``""`` where the vocabulary says None.

        Raises
        ------
        KeyError, IndexError
            If it has none.
        """
        if self.complete:
            try:
                word = None if number < 0 else self.read(number)
            except Exception:  # noqa: BLE001  # whatever a tokenizer raises of a number that is none of its own
                word = None
            return numbered(number) if word is None else text(word)
        return text(self.read(number))


def numbered(number: int) -> str:
    """Return what stands for an id of which no text is known.

    Parameters
    ----------
    number : int

    Returns
    -------
    str
    """
    return f"#{number}"


def text(word: Any) -> str:
    """Return a word as text, ``""`` for None.

    Parameters
    ----------
    word : object

    Returns
    -------
    str
    """
    if word is None:
        return ""
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)


def vocabulary_of(tokens: Any) -> Vocabulary | None:
    """Return the vocabulary that someone passed; None if it is none.

    Parameters
    ----------
    tokens : object
        A tokenizer, a mapping from ids to texts or from texts to ids, a sequence of texts, or a
        function.

    Returns
    -------
    Vocabulary or None

    Examples
    --------
    >>> vocabulary_of({"the": 1, "cat": 2}).text(2)
    'cat'
    """
    if isinstance(tokens, Mapping):
        return Vocabulary(_by_id(tokens).__getitem__)
    if isinstance(tokens, Sequence) and not isinstance(tokens, str | bytes):
        words = list(tokens)
        single = bool(words) and all(isinstance(word, str | bytes) for word in words)
        return Vocabulary(dict(enumerate(words)).__getitem__) if single else None
    return _tokenizer(tokens) or (Vocabulary(tokens) if callable(tokens) else None)


def _tokenizer(tokens: Any) -> Vocabulary | None:
    pad, end = _pad(tokens), _number(tokens, "eos_token_id")
    for name in _BY_ID:
        if callable(method := getattr(tokens, name, None)):
            return Vocabulary(method, pad, complete=True, end=end)
    for name in _LISTS:
        held = getattr(tokens, name, None)
        held = held() if callable(held) else held
        if isinstance(held, Mapping):
            return Vocabulary(_by_id(held).__getitem__, pad, complete=True, end=end)
        if isinstance(held, Sequence) and not isinstance(held, str):
            pad = 0 if name == "get_vocabulary" and len(held) and text(held[0]) == "" else pad
            return Vocabulary(dict(enumerate(held)).__getitem__, pad, complete=True, end=end)
    if callable(method := getattr(tokens, "get_vocab", None)):
        held = method()
        if isinstance(held, Mapping):
            return Vocabulary(_by_id(held).__getitem__, pad, complete=True, end=end)
    if callable(method := getattr(tokens, "decode_single_token_bytes", None)):
        return Vocabulary(method, pad, complete=True, end=end)
    if callable(method := getattr(tokens, "decode", None)):
        return Vocabulary(lambda number: method([number]), pad, complete=True, end=end)
    return None


def _by_id(words: Mapping[Any, Any]) -> Mapping[int, Any]:
    """Return texts by id, of a mapping either way round."""
    if any(isinstance(key, str | bytes) for key in words):
        return {int(number): word for word, number in words.items()}
    return words


def _pad(tokens: Any) -> int | None:
    """Return the id of padding, where it stands for nothing else."""
    pad = _number(tokens, "pad_token_id")
    others = {_number(tokens, f"{name}_token_id") for name in ("eos", "bos", "unk")}
    return None if pad in others else pad


def _number(tokens: Any, name: str) -> int | None:
    number = getattr(tokens, name, None)
    return number if isinstance(number, int) and not isinstance(number, bool) else None
