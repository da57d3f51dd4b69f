"""Cuts edges of attention, from queries to keys, while a context lasts.

Room: capture. Comes in: a live model, and which keys each query may still attend to. Goes out: a
context in which it attends to no others. Knows no framework; the adapter does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.adapter import adapter_for
from limelight.capture.gating.scope import Scope
from limelight.errors import GateError
from limelight.rule import Rule

#: Which keys each query may attend to, as a user writes it.
Allowed = Rule | NDArray[np.bool_] | Callable[[Any, Any], Any]

Cells = NDArray[np.bool_]

_WANTED = (
    "Wanted a Rule, a bool array [query, key] (or with axes of heads, or examples and heads, "
    "before), or a function (query, key) -> bool."
)


@contextmanager
def cut(
    model: Any,
    allowed: Allowed,
    *,
    sites: Sequence[str] | str | None = None,
    include: Sequence[str] | str | None = None,
    exclude: Sequence[str] | str | None = None,
    axes: Mapping[str, Any] | None = None,
) -> Iterator[None]:
    """Let queries attend to some keys only, while the context lasts.

    What the model itself does not allow stays closed. The weights of a row are shared out anew
    among the keys that remain, as by a mask. A query that loses all its keys attends to nothing:
    its row is 0, and a warning says how many there are. Rows to which the model allows nothing stay
    as they are.

    Parameters
    ----------
    model : torch.nn.Module or keras.Layer
        Called as usual inside the context.
    allowed : Rule, array, or callable
        True stays. An array is [query, key], [head, query, key] or [example, head, query, key],
        where an axis of examples or heads may have length one. A function ``(query, key) -> bool``
        takes positions, counted from 0; it is called with arrays of both where it can be, else
        cell by cell.
    sites : str or sequence of str, optional
        Names of sites, where ``*`` matches anything; by default all.
    include, exclude, axes : optional
        As in :class:`~limelight.capture.probe.Probe`.

    Yields
    ------
    None

    Raises
    ------
    GateError
        If a site is not there, or ``allowed`` does not fit its queries and keys; at the end, if no
        site ran.
    UnsupportedModelError
        If no adapter knows the model.

    Notes
    -----
    A fused kernel gets the cut through its mask, so that no map is formed; flex attention, and what
    caps its scores or has sinks, is computed cell by cell. As with :func:`limelight.capture.gate`,
    compiled code runs uncompiled meanwhile, and calls from other threads pass uncut.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = torch.randn(1, 3, 8)
    >>> with cut(layer, lambda query, key: query == key):
    ...     _, weights = layer(x, x, x)
    >>> weights[0].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    wanted = Cut(read(allowed), Scope.of(sites, include, exclude, axes))
    with adapter_for(model).cut(model, wanted):
        yield


def read(allowed: Allowed) -> Allowed:
    """Check what a user wrote of allowed keys.

    Parameters
    ----------
    allowed : Rule, array, or callable

    Returns
    -------
    Rule, array [example or 1, head or 1, query, key], or callable

    Raises
    ------
    GateError
        If it is none of these.

    Examples
    --------
    >>> read(np.tril(np.ones((3, 3), bool))).shape
    (1, 1, 3, 3)
    """
    if isinstance(allowed, Rule):
        return allowed
    if callable(allowed) and not hasattr(allowed, "shape"):
        return allowed
    given = allowed.detach().cpu() if hasattr(allowed, "detach") else allowed
    try:
        values = np.asarray(given)
    except (TypeError, ValueError):
        values = np.empty((), object)
    binary = values.dtype == np.bool_ or (
        values.dtype.kind in "iuf" and bool(np.isin(values, (0, 1)).all())
    )
    if not binary or not 2 <= values.ndim <= 4 or not values.size:
        came = f"an array {list(values.shape)} of {values.dtype}" if values.ndim else type(allowed)
        raise GateError(
            f"Got allowed={came}.", _WANTED, "Write True where a query may attend to a key."
        )
    return values.astype(np.bool_).reshape((1,) * (4 - values.ndim) + values.shape)


@dataclass(frozen=True, eq=False)
class Cut:
    """Which keys queries may attend to, read but not yet checked against a model.

    Attributes
    ----------
    allowed : Rule, array [example or 1, head or 1, query, key], or callable
    scope : Scope
        At which sites.
    """

    allowed: Allowed
    scope: Scope = Scope()  # noqa: RUF009  # frozen
    _cells: dict[tuple[Any, ...], Cells] = field(default_factory=dict, repr=False)

    def cells(
        self,
        site: str,
        sizes: tuple[int, int, int, int],
        *,
        grows: bool = False,
        begin: int | None = None,
        share: tuple[int, int] | None = None,
    ) -> Cells:
        """Return which cells of a site stay.

        Parameters
        ----------
        site : str
        sizes : tuple of int
            How many examples, heads, queries and keys it has.
        grows : bool
            Whether its queries are the same positions as its keys, so that fewer of them are the
            newest of a sequence whose earlier keys come from a cache.
        begin : int, optional
            Which query the first is, where a loop asks one after another.
        share : tuple of (int, int), optional
            Which examples these are, where a loop takes some after others.

        Returns
        -------
        array [example or 1, head or 1, query, key]
            bool. The same object for the same sizes.

        Raises
        ------
        GateError
            If they do not fit.

        Examples
        --------
        >>> Cut(lambda query, key: key <= query).cells("a", (1, 1, 2, 2))[0, 0].tolist()
        [[True, False], [True, True]]
        """
        _, _, queries, keys = sizes
        asked = (queries, keys, begin, share)
        cells = self._cells.get(asked)
        if cells is None:
            cells = self._made(site, queries, keys, grows, begin)
            if share is not None and len(cells) > 1:
                cells = cells[slice(*share)]
            self._cells[asked] = cells
        fits = all(have in (1, want) for have, want in zip(cells.shape[:2], sizes[:2], strict=True))
        if fits and cells.shape[2:] == (queries, keys):
            return cells
        raise GateError(
            f"Got allowed {list(cells.shape)} for {site!r}, which has {sizes[0]} examples, "
            f"{sizes[1]} heads, {queries} queries and {keys} keys.",
            "Wanted [query, key] of the site's own, or with its heads, or examples and heads.",
            "Name the sites that it is for by sites=, or give a function (query, key) -> bool.",
        )

    def _made(self, site: str, queries: int, keys: int, grows: bool, begin: int | None) -> Cells:
        loop = begin is not None
        if not callable(self.allowed):
            whole = self.allowed if isinstance(self.allowed, np.ndarray) else _of_rule(self.allowed)
            first = begin or 0
            return whole[:, :, first : first + queries, :keys] if loop else whole
        if grows and queries < keys and not loop:
            raise GateError(
                f"Got a function of positions for {site!r}, whose {queries} queries attend to "
                f"{keys} keys, some from a cache: it is not known which positions they are.",
                "Wanted whole sequences.",
                "Run the model without a cache (use_cache=False), or give an array [query, key].",
            )
        first = 0 if begin is None else begin
        return _by_position(self.allowed, first + queries, keys)[:, :, first:]


def lost(site: str, rows: int) -> str:
    """Return the warning for queries that a cut leaves no key.

    Parameters
    ----------
    site : str
    rows : int
        How many, over examples and heads.

    Returns
    -------
    str
    """
    return (
        f"limelight.cut leaves {rows} rows of {site!r} no key to attend to: these attend to "
        "nothing, and get zeros. Allow each query some key, such as its own, if that is not meant."
    )


def _of_rule(rule: Rule) -> Cells:
    every = slice(None)
    if rule.cells is not None:
        return rule.cells
    examples = max(len(rule.first), len(rule.valid))
    return np.stack([rule.allowed(example, 0, every, every) for example in range(examples)])[
        :, None
    ]


def _by_position(function: Callable[[Any, Any], Any], queries: int, keys: int) -> Cells:
    """Call a function of positions for all cells at once, or for each where it cannot."""
    query, key = np.arange(queries)[:, None], np.arange(keys)[None]
    whole = np.broadcast_to(query, (queries, keys)), np.broadcast_to(key, (queries, keys))
    try:
        values = np.asarray(function(*(positions.copy() for positions in whole)))
    except (TypeError, ValueError):
        values = np.empty((), object)
    if values.shape != (queries, keys):
        values = np.array([[function(q, k) for k in range(keys)] for q in range(queries)])
    if values.shape != (queries, keys) or values.dtype.kind not in "biuf":
        raise GateError(
            f"Got a function that gives {values.dtype} of shape {list(values.shape)}.",
            "Wanted (query, key) -> bool.",
            "Return True where the query may attend to the key.",
        )
    return values.astype(np.bool_)[None, None]
