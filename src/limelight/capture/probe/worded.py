"""What a probe says of the words of its inputs.

Room: capture, probe. Comes in: a probe's inputs and its words. Goes out: texts, by input or for ids
that a module was called with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.probe import inputs as probe_inputs
from limelight.capture.probe.tokens import Texts, Words


class Worded:
    """The part of a :class:`~limelight.capture.probe.Probe` that knows words."""

    inputs: Any
    words: Words | None
    example_axes: tuple[int | None, ...]

    @property
    def by_example(self) -> list[NDArray[Any]]:
        """The arrays that differ from example to example, the examples on their first axis."""
        raise NotImplementedError

    @property
    def _inputs(self) -> dict[str | int, NDArray[Any]]:
        """Every input array by name, or by position."""
        named: dict[Any, Any] = (
            self.inputs if isinstance(self.inputs, dict)
            else dict(enumerate(probe_inputs.leaves(self.inputs)))
        )  # fmt: skip
        return {name: value for name, value in named.items() if isinstance(value, np.ndarray)}

    @property
    def _named(self) -> dict[str | int, NDArray[Any]]:
        """The arrays that differ from example to example, the examples on their first axis."""
        names = self._inputs
        several = [n for n, axis in zip(names, self.example_axes, strict=True) if axis is not None]
        return dict(zip(several or names, self.by_example, strict=True))

    @property
    def _tensors(self) -> list[str | int]:
        """Names of what a model gets as tensors: texts are none."""
        return [name for name, array in self._inputs.items() if array.dtype.kind not in "USO"]

    @property
    def worded(self) -> tuple[int, ...]:
        """Which of the tensors that a model is called with bear words, the main one first."""
        numbers = self._tensors
        texts = () if self.words is None else self.words.texts
        return tuple(numbers.index(name) for name in texts if name in numbers)

    @property
    def texts(self) -> Texts | None:
        """Texts of the examples: of the first input that bears words."""
        return None if self.words is None else next(iter(self.words.texts.values()), None)

    def texts_of(self, number: int) -> Texts | None:
        """Return the texts of one of the tensors that a model is called with.

        Parameters
        ----------
        number : int
            -1 for the first that has any.

        Returns
        -------
        tuple of tuple of str, or None
        """
        if number < 0 or self.words is None:
            return self.texts
        return self.words.texts.get(self._tensors[number])

    def holds(self, ids: NDArray[Any]) -> bool:
        """Tell whether ids are one of the inputs.

        Parameters
        ----------
        ids : array [example, position]

        Returns
        -------
        bool
        """
        return any(np.array_equal(array, ids) for array in self._named.values())

    def read(self, name: str, ids: NDArray[Any]) -> Texts | None:
        """Return the texts of ids that a module was called with, None where nothing says them.

        Parameters
        ----------
        name : str
            Of the argument that held them.
        ids : array [example, position]

        Returns
        -------
        tuple of tuple of str, or None
        """
        return None if self.words is None else self.words.read(name, ids, self._named)

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
