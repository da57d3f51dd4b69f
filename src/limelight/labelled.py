"""Weights and what is allowed, as measures take them: with dims, of one shape, a part at a time.

Room: below measures. Comes in: what a user calls a measure with. Goes out: labelled arrays that fit
each other, or an error that says what would; and, of weights that are computed or read when they
are looked at, some whole rows after the other, so that no long map is ever whole in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import xarray as xr

from limelight.errors import DimensionError

#: Ends the name of the coordinate by which rows that are a part of a map say their positions.
POSITION: Final = "_position"

#: Weights that are looked at together, where they are not in memory.
TOGETHER: Final = 1 << 20


def positions(weights: xr.DataArray, dim: str) -> xr.DataArray:
    """Return the positions of queries or keys: rows of a long map do not begin at 0.

    Parameters
    ----------
    weights : DataArray
        As an analysis is given them.
    dim : str
        ``query`` or ``key``.

    Returns
    -------
    DataArray [query] or [key]

    Examples
    --------
    >>> positions(xr.DataArray(np.eye(3), dims=("query", "key")), "query").values.tolist()
    [0, 1, 2]
    """
    if dim + POSITION in weights.coords:
        return xr.DataArray(weights.coords[dim + POSITION].values, dims=dim)
    return xr.DataArray(np.arange(weights.sizes[dim]), dims=dim)


def shares(weights: xr.DataArray) -> xr.DataArray:
    """Return what part of its row each weight is: ``|w| / Σ|w|``.

    What a model multiplies with values after it changed a softmax's need not sum to 1, nor be
    positive; measures are of shares.

    Parameters
    ----------
    weights : DataArray [..., key]

    Returns
    -------
    DataArray
        Of the same dims; 0 where a whole row is.

    Examples
    --------
    >>> shares(xr.DataArray([[0.5, -1.5]], dims=("query", "key"))).values.tolist()
    [[0.25, 0.75]]
    """
    sizes = abs(weights)
    total = sizes.sum("key", skipna=False)
    return sizes / total.where(total != 0, 1)


def waits(weights: xr.DataArray) -> bool:
    """Tell weights that are computed or read only when they are looked at, and are many.

    Parameters
    ----------
    weights : DataArray [..., query, key]

    Returns
    -------
    bool

    Examples
    --------
    >>> waits(xr.DataArray(np.eye(3), dims=("query", "key")))
    False
    """
    # xarray has no public name for it.
    return not getattr(weights.variable, "_in_memory", True) and weights.size > TOGETHER


def by_rows(
    measure: Callable[[xr.DataArray, xr.DataArray | None], xr.DataArray],
    weights: xr.DataArray,
    allowed: xr.DataArray | None,
) -> xr.DataArray:
    """Measure some whole rows after the other, and join what comes.

    Parameters
    ----------
    measure : callable
        Takes weights, and what of them is allowed; keeps the dim ``query``.
    weights : DataArray [..., query, key]
    allowed : DataArray, optional

    Returns
    -------
    DataArray [..., query]
    """
    queries = weights.sizes["query"]
    count = max(1, TOGETHER * queries // weights.size)
    parts = []
    for first in range(0, queries, count):
        rows = {"query": slice(first, first + count)}
        part = weights.isel(rows)
        numbers = positions(weights, "query")[rows["query"]].values
        part = part.assign_coords({"query" + POSITION: ("query", numbers)})
        masked = allowed.isel(rows) if allowed is not None and "query" in allowed.dims else allowed
        parts.append(measure(part, masked))
    joined: xr.DataArray = xr.concat(parts, "query")
    return joined.transpose(*parts[0].dims).drop_vars("query" + POSITION, errors="ignore")


def checked(result: Any, weights: xr.DataArray, function: Callable[..., Any]) -> xr.DataArray:
    """Refuse a result that has no dims of its own, or some that the weights have not.

    Parameters
    ----------
    result : object
    weights : DataArray
    function : callable
        What returned it.

    Returns
    -------
    DataArray
        The result.

    Raises
    ------
    DimensionError
    """
    if isinstance(result, xr.DataArray) and set(result.dims) <= set(weights.dims):
        return result
    given = _sizes(result) if isinstance(result, xr.DataArray) else type(result).__name__
    raise DimensionError(
        f"Analysis {function.__name__!r} of {function.__module__} returned {given}.",
        f"Wanted a DataArray with dims of the weights: {_sizes(weights)}.",
        "Compute it from the weights by name, as in weights.max('key').",
    )


def counting(result: xr.DataArray, weights: xr.DataArray) -> xr.DataArray:
    """Make a measure NaN for queries that do not count, where weights say which those are.

    Parameters
    ----------
    result : DataArray
        What a measure gave.
    weights : DataArray [..., query, key]
        Those of a site carry ``query_valid``; in these a row without any weight is one of a head
        that allows its query no key.

    Returns
    -------
    DataArray
        The same object where every query counts, or nothing says so.
    """
    valid = _valid(weights)
    if valid is None or "query" not in result.dims:
        return result
    left_out = ~valid.broadcast_like(result).transpose(*result.dims).values.astype(np.bool_)
    nothing = (result.values == 0) & ~left_out
    if nothing.any() and {*result.dims, "key"} == set(weights.dims):
        rows = weights.transpose(*result.dims, "key").values[nothing]
        left_out[nothing] = ~rows.any(axis=-1)
    if not left_out.any():
        return result
    kind = np.result_type(result.dtype, np.float32)
    return result.copy(data=np.where(left_out, np.nan, result.values).astype(kind))


def emptied(weights: xr.DataArray) -> xr.DataArray:
    """Make rows of queries that do not count 0, for a measure that sums queries up.

    Parameters
    ----------
    weights : DataArray [..., query, key]

    Returns
    -------
    DataArray
        The same object where every query counts, or nothing says so.
    """
    valid = _valid(weights)
    if valid is None or bool(valid.all()):
        return weights
    return weights.where(valid, 0).transpose(*weights.dims)


def _valid(weights: xr.DataArray) -> xr.DataArray | None:
    """Return which queries count, of weights that say so."""
    if "query_valid" not in weights.coords:
        return None
    valid: xr.DataArray = weights.coords["query_valid"]
    if "query" not in valid.dims or not set(valid.dims) <= set(weights.dims):
        return None
    return valid


def with_dims(values: Any, name: str, needs: tuple[str, ...]) -> xr.DataArray:
    """Return weights with dims, which they must have or can be given.

    Parameters
    ----------
    values : DataArray or array
    name : str
        Of the measure, for messages.
    needs : tuple of str

    Returns
    -------
    DataArray

    Raises
    ------
    DimensionError
    """
    if isinstance(values, xr.DataArray):
        if set(needs) <= set(values.dims):
            return values
        raise DimensionError(
            f"Analysis {name!r} got dims {tuple(map(str, values.dims))}.",
            f"It needs at least {needs}.",
            "Rename the dims, or pass a plain array whose last dims are these.",
        )
    array = np.asarray(values)
    if array.ndim < len(needs):
        raise DimensionError(
            f"Analysis {name!r} got an array of shape {array.shape}.",
            f"It needs at least the dims {needs}.",
            "Pass an array whose last dims are these.",
        )
    extra = [f"dim_{index}" for index in range(array.ndim - len(needs))]
    return xr.DataArray(array, dims=[*extra, *needs])


def allowed_of(allowed: Any, weights: xr.DataArray, name: str) -> xr.DataArray | None:
    """Return what may be attended to, with the dims of weights; a plain array is broadcast.

    Parameters
    ----------
    allowed : DataArray or array, optional
    weights : DataArray
    name : str
        Of the measure, for messages.

    Returns
    -------
    DataArray or None

    Raises
    ------
    DimensionError
    """
    if allowed is None:
        return None
    try:
        if not isinstance(allowed, xr.DataArray):
            spread = np.broadcast_to(np.asarray(allowed, np.bool_), weights.shape)
            return xr.DataArray(spread, dims=weights.dims)
        if "key" in allowed.dims and all(
            weights.sizes.get(dim) == size for dim, size in allowed.sizes.items()
        ):
            return allowed if allowed.dtype == np.bool_ else allowed.astype(np.bool_)
    except ValueError:
        pass  # NumPy's words for what is said below
    raise DimensionError(
        f"Analysis {name!r} got 'allowed' of {_sizes(allowed)} for weights of {_sizes(weights)}.",
        "Wanted the dims of the weights, or some of them with 'key', in the same sizes.",
        "Pass True where a query may attend to a key; leave it out if each may attend to all.",
    )


def _sizes(values: Any) -> str:
    if isinstance(values, xr.DataArray):
        return ", ".join(f"{dim} {size}" for dim, size in values.sizes.items())
    return f"shape {np.shape(values)}"
