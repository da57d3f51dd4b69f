"""Inputs without some of their words, time steps or patches.

Room: studying. Comes in: a probe, and which positions go. Goes out: probes of the same examples in
which these positions are masked, deleted, or another example's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture import Probe
from limelight.errors import StudyError
from limelight.studying.looking import ids_of

#: Ways to erase.
WAYS: Final = ("mask", "delete", "resample")
_ATTENTION: Final = "attention_mask"
_CHANNELS: Final = (1, 3, 4)
#: Rows of a batch that is run.
_ROWS: Final = 128


@dataclass(frozen=True, eq=False)
class Erasable:
    """A probe whose positions can be erased.

    Attributes
    ----------
    probe : Probe
    number : int
        Which of the probe's arrays holds the positions.
    valid : array [example, position]
        bool; False is padding.
    way : str
        One of ``WAYS``.
    mask : int or float, optional
        What stands for nothing; the mean over an example's positions where values are no ids.
    seed : int
    first : int
        Number of the first example in the data: what is drawn depends on it.
    """

    probe: Probe
    number: int
    valid: NDArray[np.bool_]
    way: str
    mask: Any
    seed: int
    first: int

    def without(self, cells: NDArray[np.bool_]) -> Probe:
        """Return the probe without some positions.

        Parameters
        ----------
        cells : array [example, position]
            True: erased.

        Returns
        -------
        Probe

        Raises
        ------
        StudyError
            If positions cannot be deleted.
        """
        cells = cells & self.valid
        arrays = list(self.probe.arrays)
        if self.way == "delete":
            return self._deleted(arrays, cells)
        arrays[self.number] = self._replaced(arrays[self.number], cells)
        return self.probe.changed(inputs=self.probe.filled(arrays), tokens=None)

    def repeated(self, times: int) -> Erasable:
        """Return the same examples several times over, one after the other.

        Parameters
        ----------
        times : int

        Returns
        -------
        Erasable
        """
        if times == 1:
            return self
        probe = self.probe
        arrays = [
            array if axis is None else np.concatenate([array] * times, axis)
            for array, axis in zip(probe.arrays, probe.example_axes, strict=True)
        ]
        alike = {"labels": None, "groups": None, "tokens": None}
        wide = probe.changed(inputs=probe.filled(arrays), **alike)
        return replace(self, probe=wide, valid=np.concatenate([self.valid] * times))

    @property
    def together(self) -> int:
        """How many times the examples are run at once: positions that go make rows shorter."""
        inputs = self.probe.inputs
        cut = self.way == "delete" and not (isinstance(inputs, Mapping) and _ATTENTION in inputs)
        return 1 if cut else max(_ROWS // max(self.probe.examples, 1), 1)

    def _replaced(self, array: NDArray[Any], cells: NDArray[np.bool_]) -> NDArray[Any]:
        grid = self.probe.layout if array.ndim == 4 else None
        wide = _pixels(array, cells, grid) if grid else cells.reshape(
            *cells.shape, *[1] * (array.ndim - 2)
        )  # fmt: skip
        if self.way == "resample":
            return np.where(wide, self._resampled(array), array).astype(array.dtype)
        if self.mask is not None:
            value: Any = self.mask
        elif array.ndim == 4:
            value = array.mean((1, 2, 3), keepdims=True)
        else:
            value = array.mean(1, keepdims=True)
        return np.where(wide, value, array).astype(array.dtype)

    def _resampled(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return another example's values at each position."""
        examples = len(array)
        random = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self.first,)))
        if array.ndim == 4:  # whole images
            others = (np.arange(examples) + random.integers(1, examples)) % examples
            return np.asarray(array[others])
        pool = array[self.valid]
        drawn = random.integers(0, len(pool), self.valid.shape)
        return np.asarray(pool[drawn])

    def _deleted(self, arrays: list[NDArray[Any]], cells: NDArray[np.bool_]) -> Probe:
        inputs = self.probe.inputs
        if isinstance(inputs, Mapping) and _ATTENTION in inputs:
            at = next(n for n, array in enumerate(arrays) if array is inputs[_ATTENTION])
            arrays[at] = np.where(cells, 0, arrays[at]).astype(arrays[at].dtype)
            return self.probe.changed(inputs=self.probe.filled(arrays), tokens=None)
        counts = np.unique(cells.sum(1))
        if len(counts) > 1 or not self.valid.all() or arrays[self.number].ndim == 4:
            raise StudyError(
                "Got how='delete' for examples of several lengths, or images.",
                f"Wanted inputs with an {_ATTENTION!r}, or as many positions in each example.",
                "Take how='mask' or 'resample'.",
            )
        width = cells.shape[1]
        for at, array in enumerate(arrays):
            if array.ndim > 1 and array.shape[:2] == cells.shape:
                left = array[~cells].reshape(len(array), width - int(counts[0]), *array.shape[2:])
                arrays[at] = left
        return self.probe.changed(inputs=self.probe.filled(arrays), tokens=None)


def erasable(
    probe: Probe, way: str, mask: Any, tokens: Any, seed: int, first: int
) -> Erasable:  # fmt: skip
    """Find out which positions of a probe can be erased.

    Parameters
    ----------
    probe : Probe
    way : str
        One of ``WAYS``.
    mask : int or float, optional
    tokens : object, optional
        A tokenizer that may know its mask token.
    seed, first : int

    Returns
    -------
    Erasable

    Raises
    ------
    StudyError
        If there are no positions, nothing stands for nothing, or nothing to draw from.
    """
    if way not in WAYS:
        raise StudyError(f"Got how={way!r}.", f"Wanted one of {', '.join(WAYS)}.", "Correct it.")
    ids = ids_of(probe)
    arrays = probe.arrays
    if ids is not None:
        number = next(at for at, array in enumerate(arrays) if np.shares_memory(array, ids))
    else:
        values = [at for at, array in enumerate(arrays)
                  if array.ndim >= 2 and array.dtype.kind == "f"]  # fmt: skip
        if not values:
            raise StudyError(
                "Got inputs without positions.",
                "Wanted ids [example, position], values [example, position, feature], or images.",
                "Give such inputs.",
            )
        number = values[0]
    valid = _valid(probe, arrays[number])
    if way == "mask" and mask is None and ids is not None:
        mask = getattr(tokens, "mask_token_id", None)
        if mask is None:
            raise StudyError(
                "Got ids, and nothing that says which stands for no word.",
                "Wanted the number of a mask token.",
                "Give mask=103, a tokenizer that has one, or how='delete' or 'resample'.",
            )
    if way == "resample" and len(arrays[number]) < 2:
        raise StudyError(
            f"Got how='resample' for example {first}, which is alone in its partition.",
            "Wanted others to draw from.", "Take a larger partition=.",
        )  # fmt: skip
    return Erasable(probe, number, valid, way, mask, seed, first)


def _valid(probe: Probe, array: NDArray[Any]) -> NDArray[np.bool_]:
    if array.ndim == 4:
        if probe.layout is None:
            raise StudyError(
                "Got images, and nothing that says how they are divided.",
                "Wanted rows and columns of patches.", "Give ll.Probe(images, layout=(14, 14)).",
            )  # fmt: skip
        return np.ones((len(array), int(np.prod(probe.layout))), np.bool_)
    inputs = probe.inputs
    if isinstance(inputs, Mapping) and _ATTENTION in inputs:
        allowed = np.asarray(inputs[_ATTENTION])
        if allowed.shape == array.shape[:2]:
            return allowed.astype(np.bool_)
    valid = np.ones(array.shape[:2], np.bool_)
    texts = probe.texts
    if texts is not None and len(texts[0]) == array.shape[1]:
        valid = np.array([[bool(text) for text in row] for row in texts])
    return valid


def _pixels(
    array: NDArray[Any], cells: NDArray[np.bool_], grid: tuple[int, int]
) -> NDArray[np.bool_]:  # fmt: skip
    """Return cells of patches as cells of an image, with its channels' axis."""
    last = array.shape[-1] in _CHANNELS
    height, width = array.shape[1:3] if last else array.shape[2:]
    rows = np.arange(height) * grid[0] // height
    columns = np.arange(width) * grid[1] // width
    pixels = cells.reshape(-1, *grid)[:, rows][:, :, columns]
    return pixels[..., None] if last else pixels[:, None]


def each_alone(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which cells are erased where each position is, in turn.

    Parameters
    ----------
    valid : array [example, position]

    Returns
    -------
    array [variant, example, position]
    """
    eye = np.eye(valid.shape[1], dtype=np.bool_)[:, None]
    return np.broadcast_to(eye, (valid.shape[1], *valid.shape)).copy()


def variants(
    inputs: Erasable, cells: NDArray[np.bool_]
) -> Iterator[tuple[slice, Probe]]:  # fmt: skip
    """Yield probes without some positions, several variants of the examples at once.

    Parameters
    ----------
    inputs : Erasable
    cells : array [variant, example, position]

    Yields
    ------
    slice, Probe
        Which variants, and their examples one below the other.
    """
    for begin in range(0, len(cells), inputs.together):
        part = cells[begin : begin + inputs.together]
        wide = inputs.repeated(len(part))
        yield slice(begin, begin + len(part)), wide.without(part.reshape(-1, part.shape[-1]))
