"""Maps that are read when they are looked at.

Room: store. Comes in: where one site's maps of one step lie. Goes out: an array that xarray
indexes first and reads afterwards, so that one head costs one part of one file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from limelight import schema

Read = Callable[[tuple[Any, ...]], np.ndarray[Any, Any]]


class _Maps(BackendArray):
    def __init__(self, shape: tuple[int, ...], read: Read, dtype: Any) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._read = read

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )


def lazy(
    shape: tuple[int, ...],
    read: Read,
    dtype: Any = np.float32,
    dims: tuple[str, ...] = schema.SITE_DIMS,
) -> xr.Variable:
    """Return a variable, [example, head, query, key] if not said else, read when it is needed.

    Parameters
    ----------
    shape : tuple of int
    read : callable
        Takes one index per dim (an int, a slice, or an array of ints) and returns the values.
    dtype : dtype
        Of the values.
    dims : tuple of str

    Returns
    -------
    Variable
    """
    return xr.Variable(dims, indexing.LazilyIndexedArray(_Maps(shape, read, dtype)))
