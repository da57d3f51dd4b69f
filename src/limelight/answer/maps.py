"""One head's map, whole or a part of it at any zoom.

Room: the read path. Comes in: an open run and a query. Goes out: a labelled dataset.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xarray as xr

from limelight.answer.facts import (
    example_of,
    head_of,
    layout,
    most_cells,
    precision,
    site_at,
    site_of,
    step_of,
)
from limelight.answer.ranges import weight_ranges
from limelight.answer.strongest import strongest
from limelight.answer.tiles import Head, Range, Tile, fold, tile
from limelight.errors import NotRecordedError
from limelight.query import Query
from limelight.store import Run, Site

#: Tokens of a range are told up to this many, where several share a cell.
_TOKENS: Final = 4096


def chosen_map(run: Run, query: Query) -> xr.Dataset:
    """Return one head's weights, or a part of them, and what is needed to draw them truly.

    Parameters
    ----------
    run : Run
        An open run.
    query : Query
        ``site`` and ``head``; ``step``; ``example``, or None for all of them; ``rows``,
        ``columns``, ``cells``, ``reduce``; ``strongest``.

    Returns
    -------
    Dataset
        ``weights`` [query, key], float16 where nothing is lost by it, else float32; ``allowed``;
        ``query_valid``, ``key_valid``; ``image`` [row, column] or [row, column, channel], as it was
        kept, for one example that has one. All
        but the image have a leading ``example`` if the query names none. Tokens, layouts and the
        largest error of a stored weight are attributes, and so is the ``range`` of weights that
        the site's colours stand for at this step.

        A map of more than 1024 queries or keys, or one of which ranges or cells were asked, comes
        in cells. Each covers ``stride_rows`` × ``stride_columns`` weights, both powers of two, and
        holds the largest of them or the mean of those that may be other than 0; 1 × 1 are weights
        themselves. ``allowed`` and the valid ones are true where anything of a cell is. ``rows``
        and ``columns`` say what is covered, which is whole cells; ``queries`` and ``keys`` the size
        of the whole map. Tokens are those of what is covered; None where several share a cell and
        there are more than 4096.

        If asked for: ``strong_query``, ``strong_key``, ``strong_weight`` [ordinal], the strongest
        weights of what is covered in falling order, and ``strong_share``, their part of the
        attention there.

    Raises
    ------
    NotRecordedError
        If the run holds no such step, site, head, example, query or key.
    """
    site_of(run, query.site)
    step = step_of(run, query.step)
    site = site_at(run, query.site, step)
    head = head_of(site, query.head)
    example = None if query.example is None else example_of(run, query.example)
    examples = range(len(run.examples_at(step))) if example is None else [example]
    heads = [Head(run, site.name, step, index, head) for index in examples]
    ranges = _range("query", query.rows, site.queries), _range("key", query.columns, site.keys)
    whole = most_cells(site, query) == max(site.queries, site.keys) and not (
        query.rows or query.columns or query.cells
    )
    if whole:
        variables, facts = _whole(run, heads, query), {}
    else:
        tiles = [tile(each, *ranges, most_cells(site, query), query.reduce) for each in heads]
        variables, facts = _cells(run, heads, tiles, query), _covered(site, tiles[0], query)
        ranges = tiles[0].rows, tiles[0].columns
    if example is not None and (image := run.image(example)) is not None:
        pixels = np.asarray(image)
        pixels = pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)
        variables["image"] = xr.Variable(("row", "column", "channel")[: pixels.ndim], pixels)
    if query.strongest:
        strong = strongest(heads[0], *ranges, query.strongest)
        for name in ("query", "key", "weight"):
            variables[f"strong_{name}"] = xr.Variable(("ordinal",), getattr(strong, name))
        facts |= {"strong_share": strong.share, "strong_of": "ranges"}
    about = {
        "site": site.name,
        "module": site.module,
        "kind": site.kind,
        "head": query.head,
        "step": step,
        "example": query.example,
        "query_token": _tokens(heads, query, "query", ranges[0], facts),
        "key_token": _tokens(heads, query, "key", ranges[1], facts),
        "query_layout": layout(site.query_layout),
        "key_layout": layout(site.key_layout),
        "stored": precision(run, site.name, step),
        "range": weight_ranges(run, step).get(site.name, [0.0, 1.0]),
    }
    return xr.Dataset(variables, attrs=about | facts)


def _whole(run: Run, heads: list[Head], query: Query) -> dict[str, xr.Variable]:
    """Return all of a small map."""
    first = heads[0]
    choice: dict[str, Any] = {"head": first.head}
    if query.example is not None:
        choice["example"] = first.example
    recorded = run.stored(first.site, first.step)
    chosen = recorded.isel({key: at for key, at in choice.items() if key in recorded.dims}).load()
    names = ("weights", "allowed", "query_valid", "key_valid")
    variables = {name: xr.Variable(chosen[name].dims, chosen[name].values) for name in names}
    variables["weights"] = variables["weights"].astype(_dtype(run, first, exact=True))
    return variables


def _cells(run: Run, heads: list[Head], tiles: list[Tile], query: Query) -> dict[str, xr.Variable]:
    """Return the cells of each example's tile."""
    queries, keys = run.valid(heads[0].site, heads[0].step)
    exact = query.reduce == "max" or tiles[0].strides == (1, 1)
    dtype = _dtype(run, heads[0], exact)
    columns: dict[str, list[Any]] = {"weights": [], "allowed": []}
    columns |= {"query_valid": [], "key_valid": []}
    for head, shown in zip(heads, tiles, strict=True):
        columns["weights"].append(shown.weights.astype(dtype, copy=False))
        columns["allowed"].append(shown.allowed)
        for name, valid, part, stride in (
            ("query_valid", queries, shown.rows, shown.strides[0]),
            ("key_valid", keys, shown.columns, shown.strides[1]),
        ):
            flags = valid[head.example, slice(*part)]
            columns[name].append(fold(flags, part, stride, np.logical_or))
    dims = {"query_valid": ("query",), "key_valid": ("key",)}
    return {
        name: xr.Variable(dims.get(name, ("query", "key")), parts[0])
        if query.example is not None
        else xr.Variable(("example", *dims.get(name, ("query", "key"))), np.stack(parts))
        for name, parts in columns.items()
    }


def _dtype(run: Run, head: Head, exact: bool) -> Any:
    """Return float16 for what was float16 on disk: it loses nothing by travelling so."""
    halves = run.precision.name == "float16" and run.vectors(head.site, head.step) is None
    return np.float16 if halves and exact else np.float32


def _covered(site: Site, shown: Tile, query: Query) -> dict[str, Any]:
    return {
        "rows": list(shown.rows),
        "columns": list(shown.columns),
        "stride_rows": shown.strides[0],
        "stride_columns": shown.strides[1],
        "queries": site.queries,
        "keys": site.keys,
        "reduce": query.reduce,
    }


def _range(dim: str, asked: Range | None, size: int) -> Range:
    """Return which positions are meant, none of them beyond the last."""
    first, stop = asked or (0, size)
    if first >= size:
        raise NotRecordedError(
            f"Got {dim} {first}.",
            f"The map has {size}, numbered from 0.",
            f"Ask for one from 0 to {size - 1}.",
        )
    return first, min(stop, size)


def _tokens(heads: list[Head], query: Query, dim: str, part: Range, facts: dict[str, Any]) -> Any:
    """Return the text of some positions: one list, or one for each example."""
    several = facts.get("stride_rows" if dim == "query" else "stride_columns", 1) > 1
    if several and part[1] - part[0] > _TOKENS:
        return None
    texts = [head.run.tokens(head.site, head.example, head.step)[dim] for head in heads]
    covered = [list(text[slice(*part)]) for text in texts if text is not None]
    if not covered:
        return None
    return covered if query.example is None else covered[0]
