"""The fixed examples a run is watched on.

Room: capture. Comes in: what a model is called with, and text for its positions. Goes out: one
frozen :class:`Probe`. Knows no framework: tensors are only asked for their values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import ProbeError

#: Text per example, or something that turns the first whole-number input into text.
Tokens = (
    Sequence[Sequence[str | None]] | Sequence[str] | Mapping[int, str] | Callable[[int], str | None]
)


@dataclass(frozen=True, eq=False)
class Probe:
    """A few fixed examples that a model is run on again and again while it learns.

    Parameters
    ----------
    inputs : array, tuple of arrays, or dict of str to array
        What the model is called with. The first axis of every array is the example. A tuple is
        passed by position, a dict is the model's own dict input.
    tokens : optional
        Text for each position: a list of texts per example, or a vocabulary (a sequence, a dict or
        a function from id to text) that reads the first whole-number input. ``None`` and ``""``
        are padding. Examples may be shorter than the model's positions.
    labels, groups : sequence, optional
        The class and the group of each example.
    layout : (int, int), optional
        Rows and columns, when positions are the pixels or patches of an image.
    patches : (int, int), optional
        Height and width of a patch in pixels, when each position is a patch of an image input
        [example, row, column, channel]. ``layout`` then follows from the image.

    Attributes
    ----------
    texts : tuple of tuple of str, or None
        ``tokens`` spelled out, ``""`` where padding.

    Raises
    ------
    ProbeError
        If there is no example, the arrays disagree on how many, or ``tokens``, ``labels``,
        ``groups``, ``layout`` or ``patches`` do not fit them.

    Examples
    --------
    >>> probe = Probe(np.array([[2, 1, 0]]), tokens=["", "cat", "the"])
    >>> probe.examples, probe.tokens_of(0)
    (1, ('the', 'cat', ''))
    """

    inputs: Any
    tokens: Tokens | None = field(default=None, kw_only=True, repr=False)
    labels: Sequence[Any] | None = field(default=None, kw_only=True)
    groups: Sequence[Any] | None = field(default=None, kw_only=True)
    layout: tuple[int, int] | None = field(default=None, kw_only=True)
    patches: tuple[int, int] | None = field(default=None, kw_only=True)
    texts: tuple[tuple[str, ...], ...] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", _copied(self.inputs))
        count = _count(self.arrays)
        for name in ("labels", "groups"):
            values = getattr(self, name)
            if values is not None:
                values = list(values)
                if len(values) != count:
                    raise ProbeError(
                        f"Got {len(values)} {name} for {count} examples.",
                        "Wanted one for each example.",
                        f"Cut 'inputs' and {name!r} alike.",
                    )
                object.__setattr__(self, name, values)
        if self.patches is not None and self.layout is None:
            object.__setattr__(self, "layout", _patch_layout(self.arrays[0], self.patches))
        if self.layout is not None:
            object.__setattr__(self, "layout", _pair("layout", self.layout))
            if self.images is None:
                raise ProbeError(
                    f"Got layout={self.layout} for inputs of shape {self.arrays[0].shape}.",
                    "Wanted images of that many rows and columns, flat or not.",
                    "Correct the layout, or leave it out if positions are not pixels.",
                )
        if self.tokens is not None:
            object.__setattr__(self, "texts", _spell(self.tokens, self.arrays, count))

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """Every input array, in order."""
        if isinstance(self.inputs, dict):
            return list(self.inputs.values())
        return list(self.inputs) if isinstance(self.inputs, tuple) else [self.inputs]

    @property
    def examples(self) -> int:
        """How many examples there are."""
        return int(self.arrays[0].shape[0])

    @property
    def images(self) -> NDArray[np.float32] | None:
        """The inputs as grey pictures, float32 [example, row, column]; None without a layout.

        Colour channels are averaged. Values are the model's own inputs, not rescaled.
        """
        if self.layout is None:
            return None
        first = self.arrays[0]
        if self.patches is not None:
            return _grey(first)
        rows, columns = self.layout
        if first.ndim >= 3 and first.shape[1:3] == (rows, columns):
            return _grey(first)
        size = int(np.prod(first.shape[1:]))
        flat = first.ndim >= 2 and first.shape[1] == rows * columns
        if not flat or size % (rows * columns):
            return None
        return _grey(first.reshape(len(first), rows, columns, -1))

    def some(self, rows: Sequence[int]) -> Probe:
        """Return a probe of some of the examples.

        Parameters
        ----------
        rows : sequence of int
            Which, from 0.

        Returns
        -------
        Probe
        """
        indices = list(rows)

        def cut(inputs: Any) -> Any:
            if isinstance(inputs, dict):
                return {name: array[indices] for name, array in inputs.items()}
            return tuple(map(cut, inputs)) if isinstance(inputs, tuple) else inputs[indices]

        def chosen(values: Sequence[Any] | None) -> list[Any] | None:
            return None if values is None else [values[row] for row in indices]

        return replace(
            self, inputs=cut(self.inputs), tokens=chosen(self.texts),
            labels=chosen(self.labels), groups=chosen(self.groups),
        )  # fmt: skip

    def tokens_of(self, example: int) -> tuple[str, ...] | None:
        """Return one example's text, ``""`` where padding; None without tokens.

        Parameters
        ----------
        example : int
            Index of the example.

        Returns
        -------
        tuple of str or None
        """
        return None if self.texts is None else self.texts[example]


def _copied(inputs: Any) -> Any:
    """Copy the inputs to NumPy, so that nobody changes them between two recordings."""
    if isinstance(inputs, Probe):
        raise ProbeError(
            "Got a Probe inside a Probe.", "Wanted arrays.", "Pass the first probe itself."
        )
    if isinstance(inputs, Mapping):
        return {str(name): _array(value) for name, value in inputs.items()}
    if isinstance(inputs, tuple) or (
        isinstance(inputs, list) and inputs and all(hasattr(item, "shape") for item in inputs)
    ):
        return tuple(_array(value) for value in inputs)
    return _array(inputs)


def _array(value: Any) -> NDArray[Any]:
    if value is None:
        raise ProbeError(
            "Got None as the probe's inputs.",
            "Wanted a small batch the model can be called on.",
            "Pass a few examples, such as x[:8].",
        )
    try:
        return np.asarray(_outside(value)).copy()
    except Exception as error:
        raise ProbeError(
            f"Got inputs that are no array ({error}).",
            "Wanted arrays whose first axis is the example.",
            "Pad the examples to one length first.",
        ) from error


def _outside(value: Any) -> Any:
    """Take a torch tensor out of its graph and off its device; leave anything else alone."""
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach().cpu()
    # NumPy knows no bfloat16, nor the smaller floats.
    return tensor.float() if tensor.is_floating_point() and tensor.itemsize < 4 else tensor


def _count(arrays: list[NDArray[Any]]) -> int:
    if not arrays or any(array.ndim == 0 for array in arrays):
        raise ProbeError(
            "Got a probe without examples.",
            "Wanted arrays whose first axis is the example.",
            "Pass a few examples, such as x[:8].",
        )
    counts = sorted({array.shape[0] for array in arrays})
    if len(counts) > 1 or counts[0] == 0:
        raise ProbeError(
            f"Got inputs with {' and '.join(map(str, counts))} examples.",
            "Wanted the same number, at least one, in every input.",
            "Cut all inputs alike, such as x[:8].",
        )
    return int(counts[0])


def _pair(name: str, value: Any) -> tuple[int, int]:
    try:
        rows, columns = (int(side) for side in value)
    except (TypeError, ValueError):
        rows = columns = 0
    if rows < 1 or columns < 1:
        raise ProbeError(
            f"Got {name}={value!r}.", "Wanted two whole numbers above 0.", "Write it as (28, 28)."
        )
    return rows, columns


def _patch_layout(images: NDArray[Any], patches: tuple[int, int]) -> tuple[int, int]:
    height, width = _pair("patches", patches)
    if images.ndim < 3 or images.shape[1] % height or images.shape[2] % width:
        raise ProbeError(
            f"Got patches={(height, width)} for inputs of shape {images.shape}.",
            "Wanted images [example, row, column, channel] that divide into such patches.",
            "Correct the patch size, or leave it out.",
        )
    return images.shape[1] // height, images.shape[2] // width


def _grey(images: NDArray[Any]) -> NDArray[np.float32]:
    pictures = images.astype(np.float32)
    grey: NDArray[np.float32] = pictures.reshape(*pictures.shape[:3], -1).mean(axis=-1)
    return grey


def _spell(tokens: Tokens, arrays: list[NDArray[Any]], count: int) -> tuple[tuple[str, ...], ...]:
    if isinstance(tokens, np.ndarray):
        tokens = tokens.tolist()
    if callable(tokens) or isinstance(tokens, Mapping):
        return _read(tokens, arrays)
    rows = list(tokens)
    if rows and all(isinstance(row, str) for row in rows):
        return _read(dict(enumerate(rows)), arrays)  # type: ignore[arg-type]
    if len(rows) != count:
        raise ProbeError(
            f"Got tokens for {len(rows)} examples; the inputs hold {count}.",
            "Wanted one list of texts for each example.",
            "Cut 'inputs' and 'tokens' alike.",
        )
    return tuple(tuple(_text(word) for word in (row or ())) for row in rows)


def _read(
    vocabulary: Mapping[int, str] | Callable[[int], str | None], arrays: list[NDArray[Any]]
) -> tuple[tuple[str, ...], ...]:
    """Turn the first whole-number input [example, position] into text."""
    ids = next((a for a in arrays if a.ndim == 2 and a.dtype.kind in "iu"), None)
    if ids is None:
        # Many people keep ids as floats, because a generator gave them so.
        ids = next((a for a in arrays if a.ndim == 2 and np.array_equal(a, np.trunc(a))), None)
    if ids is None:
        raise ProbeError(
            "Got a vocabulary, but no input of whole numbers [example, position].",
            "Wanted ids to look up, or a list of texts for each example.",
            "Pass tokens=[[...], [...]], one list for each example.",
        )
    known: dict[int, str] = {}
    for number in np.unique(ids).astype(np.int64).tolist():
        try:
            word = vocabulary(number) if callable(vocabulary) else vocabulary[number]
        except (KeyError, IndexError):
            raise ProbeError(
                f"Got the id {number}, which the vocabulary does not have.",
                "Wanted a text for every id in the probe.",
                "Complete the vocabulary, or pass a function that names unknown ids.",
            ) from None
        known[number] = _text(word)
    return tuple(tuple(known[number] for number in row) for row in ids.astype(np.int64).tolist())


def _text(word: Any) -> str:
    if word is None:
        return ""
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
