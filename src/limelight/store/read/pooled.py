"""A large map as it was pooled when it was recorded.

Room: store. Comes in: where it lies. Goes out: parts of it, and how much of each cell is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.store.format.index import Line
from limelight.store.format.layout import ArraySpec
from limelight.store.zarr.arrays import Arrays


@dataclass(frozen=True)
class Pooled:
    """One head's map, each cell some queries by some keys.

    Attributes
    ----------
    strides : (int, int)
        How many queries and keys lie in a cell.
    arrays : Arrays
    specs : dict of str to ArraySpec
        Of the site's group.
    line : Line
    indices : (int, int, int)
        The site's number in its group, the example, the head.
    by_head : bool
        Whether heads may attend differently.
    reductions : tuple of str
        How cells sum up what they cover, in storage order.
    """

    strides: tuple[int, int]
    arrays: Arrays
    specs: dict[str, ArraySpec]
    line: Line
    indices: tuple[int, int, int]
    by_head: bool
    reductions: tuple[str, ...]

    def cells(self, reduce: str, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Read the largest weight of some cells, or the mean over what each allows.

        Parameters
        ----------
        reduce : str
            ``max`` or ``mean``.
        rows, columns : slice
            Of cells.

        Returns
        -------
        array [row, column]

        Raises
        ------
        StoreError
            If a file is damaged.
        """
        which = self.reductions.index(reduce)
        cells = self._read("pooled", self.line.row, which, *self.indices, rows, columns)
        return cells.astype(np.float32)

    def allowed(self, rows: slice, columns: slice) -> NDArray[np.int32]:
        """Read how many weights of some cells may be other than 0.

        Parameters
        ----------
        rows, columns : slice
            Of cells.

        Returns
        -------
        array [row, column]
            int32.

        Raises
        ------
        StoreError
            If a file is damaged.
        """
        site, example, head = self.indices
        head = head if self.by_head else 0
        count = self._read("pooled_allowed", self.line.masks, site, example, head, rows, columns)
        return count.astype(np.int32)

    def _read(self, role: str, row: int, *at: Any) -> NDArray[Any]:
        return self.arrays.read(self.specs[role], row, self.line.step, *at)
