"""Which examples belong together, and which of them choose and which measure.

Room: studying. Comes in: numbers or labels of examples. Goes out: the same by unit. A unit is what
is drawn, flipped, split and counted: an example, or all with one label, such as a pair, a document
or a template.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import StudyError


class Units:
    """The units of so many examples.

    Parameters
    ----------
    examples : int
    resample_by : sequence, optional
        A label for each example; those with equal labels are one unit. Each is its own if not
        given.

    Attributes
    ----------
    number : array [example]
        The unit of each example, counted in order of appearance.
    count : int

    Raises
    ------
    StudyError
        If there is not one label for each example.

    Examples
    --------
    >>> Units(4, ["a", "b", "a", "c"]).number.tolist()
    [0, 1, 0, 2]
    """

    def __init__(self, examples: int, resample_by: Sequence[Any] | None = None) -> None:
        if resample_by is None:
            self.number: NDArray[np.intp] = np.arange(examples)
            self.count = examples
            return
        labels = [item.item() if hasattr(item, "item") else item for item in resample_by]
        if len(labels) != examples:
            raise StudyError(
                f"Got {len(labels)} labels in resample_by for {examples} examples.",
                "Wanted one for each example, in the order of the data.",
                "Give as many, or leave resample_by out.",
            )
        order: dict[Any, int] = {}
        self.number = np.array([order.setdefault(label, len(order)) for label in labels], np.intp)
        self.count = len(order)

    def means(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean of each unit's examples.

        Parameters
        ----------
        values : array [example, …]

        Returns
        -------
        array [unit, …]
        """
        flat = np.asarray(values, np.float64)
        sums = np.zeros((self.count, *flat.shape[1:]))
        np.add.at(sums, self.number, flat)
        sizes = np.bincount(self.number, minlength=self.count).astype(np.float64)
        return sums / sizes.reshape(-1, *[1] * (flat.ndim - 1))

    def halves(self, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Divide units at random into those that choose and those that measure.

        Parameters
        ----------
        seed : int

        Returns
        -------
        array, array
            Numbers of units, ascending; the first has no more than the second.
        """
        order = np.random.default_rng(seed).permutation(self.count)
        half = self.count // 2
        return np.sort(order[:half]), np.sort(order[half:])
