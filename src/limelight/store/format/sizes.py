"""How big the parts of a recording are: bins, cells, tiles; and what its columns are called.

Room: store. Comes in: what ``limelight.json`` says of it. Goes out: :class:`Sizes`, which all that
lays out, writes or reads is given; nothing else knows any of these numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from limelight.histogram import BINS


@dataclass(frozen=True)
class Sizes:
    """What decides the shape of arrays, beside the sites themselves.

    Attributes
    ----------
    tile : int
        A map is cut into tiles of this many queries and keys at most.
    part : int
        Vectors are cut into parts of this many positions at most.
    overview : int
        Rows and columns of an overview picture, at most.
    bins : int
        Of a parameter's histogram.
    large : int
        A map of more weights than this, kept as vectors, is also stored pooled, so that a view of
        all of it need not compute all of it.
    stride : int
        As many queries and keys lie in one cell of a pooled map, unless its sides forbid.
    sides : (int, int)
        Rows and columns of a pooled map: at least, and at most.
    statistics : tuple of str
        Numbers kept of each parameter beside its histogram, in storage order.
    reductions : tuple of str
        How an overview's or a pooled map's cells sum up what they cover, in storage order.
    constants : tuple of str
        What is stored of each site kept as vectors beside these: what products are multiplied by,
        the cap of scores (NaN: none), and the largest error of a weight.
    """

    tile: int = 512
    part: int = 2048
    overview: int = 32
    bins: int = BINS
    large: int = 1 << 24
    stride: int = 32
    sides: tuple[int, int] = (512, 2048)
    statistics: tuple[str, ...] = (
        "low", "high", "mean", "std", "min", "max", "norm", "near_zero", "nonfinite",
    )  # fmt: skip
    reductions: tuple[str, ...] = ("max", "mean")
    constants: tuple[str, ...] = ("scale", "softcap", "max_error")

    def overview_of(self, queries: int, keys: int) -> tuple[int, int]:
        """Return rows and columns of an overview picture of a map."""
        return min(queries, self.overview), min(keys, self.overview)

    def strides(self, queries: int, keys: int) -> tuple[int, int] | None:
        """Return how many queries and keys lie in one cell of a map that is stored pooled.

        Parameters
        ----------
        queries, keys : int

        Returns
        -------
        (int, int) or None
            Powers of two. None where the map is too small to be worth it.

        Examples
        --------
        >>> sizes = Sizes()
        >>> [sizes.strides(size, size) for size in (16384, 131072, 4096)]
        [(32, 32), (64, 64), None]
        """
        if queries * keys <= self.large:
            return None
        return self._stride(queries), self._stride(keys)

    def _stride(self, size: int) -> int:
        least, most = self.sides
        side = min(most, max(least, -(-size // self.stride)))
        return 1 << (-(-size // side) - 1).bit_length()


#: Those of a recording that does not say any: limelight 0.1.0 made it. Whatever is written by now,
#: these stay as they are.
FIRST: Final = Sizes(bins=64)
