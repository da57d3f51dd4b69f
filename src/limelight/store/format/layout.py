"""Where a recording lies on disk, and what each array in it looks like.

Room: store. Comes in: a run's folder; a :class:`~limelight.store.format.description.Description`.
Goes out: paths and :class:`ArraySpec`. Every path below a run's folder is joined here and nowhere
else.

::

    <run>/plugins/limelight/
        limelight.json     what the arrays mean; written first
        index.jsonl        one line per published step; a step's line is written last
        data.zarr/         Zarr v3: <array>/zarr.json, and one file per row

A **row** is an index along an array's first axis, and one file. Each published step has one; the
index says which. What seldom changes (``allowed`` and its companions) has its own rows, which
many steps share.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from limelight.store.format.description import Description, Group

META: Final = "limelight.json"
INDEX: Final = "index.jsonl"
DATA: Final = "data.zarr"

#: A map is cut into tiles of this many queries and keys at most.
TILE: Final = 512
#: Rows and columns of an overview picture, at most.
OVERVIEW: Final = 32
#: Vectors are cut into parts of this many positions at most.
PART: Final = 2048
#: A map of more weights than this, kept as vectors, is also stored pooled, so that a view of all of
#: it need not compute all of it.
LARGE: Final = 1 << 24
#: Rows and columns of a pooled map: at least, and at most.
SIDES: Final = (512, 2048)
#: As many queries and keys lie in one cell of a pooled map, unless its sides forbid.
STRIDE: Final = 32
#: What is stored of each factored site beside its vectors: what products are multiplied by, the
#: cap of scores (NaN: none), and the largest error of a weight.
CONSTANTS: Final = ("scale", "softcap", "max_error")
#: Numbers kept of each parameter beside its histogram.
STATISTICS: Final = (
    "low", "high", "mean", "std", "min", "max", "norm", "near_zero", "nonfinite",
)  # fmt: skip
#: How an overview cell sums up what it covers, in storage order.
REDUCTIONS: Final = ("max", "mean")
#: Bins of a parameter's histogram.
BINS: Final = 64


def sidecar(run_dir: str | os.PathLike[str]) -> Path:
    """Return the folder of a run's recording, TensorBoard's place for a plugin's assets.

    Parameters
    ----------
    run_dir : str or path
        The run's folder.

    Returns
    -------
    Path

    Examples
    --------
    >>> sidecar("logs/lstm").as_posix()
    'logs/lstm/plugins/limelight'
    """
    return Path(run_dir) / "plugins" / "limelight"


@dataclass(frozen=True)
class ArraySpec:
    """One array on disk, all but how many rows it has.

    Attributes
    ----------
    name : str
        Its folder in ``data.zarr``.
    dims : tuple of str
        Names of its axes; the first is ``row``.
    tail : tuple of int
        Sizes of the axes after the first.
    dtype : str
        Zarr's name of its type, such as ``float16``.
    fill : float or bool
        What a row that was never written holds.
    chunk : tuple of int, optional
        Sizes of the parts that can be read alone, where a row's file is cut into such; 1 along the
        first axis, since what is written comes one site after another.
    shuffled : bool
        Whether the bytes of its numbers are sorted by place before they are compressed.
    """

    name: str
    dims: tuple[str, ...]
    tail: tuple[int, ...]
    dtype: str
    fill: Any
    chunk: tuple[int, ...] | None = None
    shuffled: bool = False

    def __post_init__(self) -> None:
        assert self.chunk is None or self.chunk[0] == 1, f"{self.name}: parts hold one site each"

    @property
    def grid(self) -> tuple[int, ...]:
        """How many parts a row has along each axis after the first."""
        chunk = self.chunk or self.tail
        return tuple(-(-size // part) for size, part in zip(self.tail, chunk, strict=True))


@dataclass(frozen=True)
class Files:
    """The files of one recording.

    Attributes
    ----------
    root : Path
        The recording's folder.
    """

    root: Path

    @classmethod
    def of(cls, run_dir: str | os.PathLike[str]) -> Files:
        """Return the files of a run's recording."""
        return cls(sidecar(run_dir))

    @property
    def meta(self) -> Path:
        """``limelight.json``."""
        return self.root / META

    @property
    def index(self) -> Path:
        """``index.jsonl``."""
        return self.root / INDEX

    @property
    def data(self) -> Path:
        """The Zarr hierarchy."""
        return self.root / DATA

    def array(self, spec: ArraySpec) -> Path:
        """Return an array's folder."""
        return self.data / spec.name

    def row(self, spec: ArraySpec, row: int) -> Path:
        """Return the file of one row; flat names, as TensorBoard walks every folder."""
        return self.array(spec) / ".".join(["c", str(row), *["0"] * len(spec.tail)])

    def aside(self) -> Path:
        """Return the first free name to move the recording to, such as ``limelight.1``."""
        number = 1
        while (free := self.root.with_name(f"{self.root.name}.{number}")).exists():
            number += 1
        return free


def overview_sides(queries: int, keys: int) -> tuple[int, int]:
    """Return rows and columns of an overview picture of a map."""
    return min(queries, OVERVIEW), min(keys, OVERVIEW)


def strides(queries: int, keys: int) -> tuple[int, int] | None:
    """Return how many queries and keys lie in one cell of a stored, pooled map.

    Parameters
    ----------
    queries, keys : int

    Returns
    -------
    (int, int) or None
        Powers of two. None where the map is too small to be worth it.

    Examples
    --------
    >>> strides(16384, 16384), strides(131072, 131072), strides(4096, 4096)
    ((32, 32), (64, 64), None)
    """
    if queries * keys <= LARGE:
        return None
    return _stride(queries), _stride(keys)


def _stride(size: int) -> int:
    least, most = SIDES
    side = min(most, max(least, -(-size // STRIDE)))
    return 1 << (-(-size // side) - 1).bit_length()


_HEADS = ("row", "site", "example", "head")
_PICTURED = ("row", "reduction", "site", "example", "head", "cell_row", "cell_column")


def group_specs(description: Description, group: Group, number: int) -> dict[str, ArraySpec]:
    """Return the arrays of one group of sites, which share one shape.

    Parameters
    ----------
    description : Description
    group : Group
    number : int
        The group's number in the description.

    Returns
    -------
    dict of str to ArraySpec
        By role: ``weights``, ``overview``, ``nan``, ``allowed``, ``query_valid``, ``key_valid``; a
        group kept as vectors has those of :func:`_vector_specs` instead of ``weights``.
    """
    sites, examples = len(group.sites), len(description.examples)
    heads, queries, keys = group.heads, group.queries, group.keys
    maps = (sites, examples, heads, queries, keys)
    tile = (1, 1, 1, min(queries, TILE), min(keys, TILE))
    picture = (len(REDUCTIONS), sites, examples, heads, *overview_sides(queries, keys))
    page = (1, sites, 1, *picture[3:])
    mapped = (*_HEADS, "query", "key")
    form = description.precision
    specs = {
        "weights": ArraySpec("weights", mapped, maps, form.dtype, form.fill, tile,
                             form.dtype == "float16"),
        "overview": ArraySpec("overview", _PICTURED, picture, "uint8", 0, page),
        "nan": ArraySpec("nan", _PICTURED, picture, "bool", False, page),
        "allowed": ArraySpec("allowed", mapped, maps, "bool", False, tile),
        "query_valid": ArraySpec("query_valid", (*_HEADS[:3], "query"), (sites, examples, queries),
                                 "bool", False),
        "key_valid": ArraySpec("key_valid", (*_HEADS[:3], "key"), (sites, examples, keys),
                               "bool", False),
    }  # fmt: skip
    if group.features is not None:
        del specs["weights"]
        specs |= _vector_specs(group, examples)
    return {role: replace(spec, name=f"{spec.name}_{number}") for role, spec in specs.items()}


def _vector_specs(group: Group, examples: int) -> dict[str, ArraySpec]:
    """Return the arrays of sites kept as vectors.

    ``query`` and ``key``, or ``query_wide`` and ``key_wide`` where halves would not do;
    ``normaliser``, ``constants``, ``sink_logits``; ``pooled`` for large maps. What may be
    attended to, in rows of its own: ``runs`` and ``reachable``, or ``allowed`` where no runs
    describe it; ``overview_allowed``, ``pooled_allowed``.
    """
    sites, heads, queries, keys = len(group.sites), group.heads, group.queries, group.keys
    features, key_heads = group.features or 0, group.key_heads or 0
    specs = {}
    for name, count, size in (("query", heads, queries), ("key", key_heads, keys)):
        dims = ("row", "site", "example", "head" if name == "query" else "key_head", name)
        tail, part = (sites, examples, count, size), (1, 1, 1, min(size, PART))
        for role, dtype in ((name, "float16"), (f"{name}_wide", "float32")):
            specs[role] = ArraySpec(role, (*dims, "feature"), (*tail, features), dtype, "NaN",
                                    (*part, features), True)  # fmt: skip
    rows, cells = overview_sides(queries, keys)
    pictured = (*_HEADS, "cell_row", "cell_column")
    specs |= {
        "normaliser": ArraySpec("normaliser", (*_HEADS, "query"), (sites, examples, heads, queries),
                                "float32", "NaN", (1, 1, 1, min(queries, 4 * PART)), True),
        "constants": ArraySpec("constants", ("row", "site", "constant"), (sites, len(CONSTANTS)),
                               "float64", "NaN"),
        "sink_logits": ArraySpec("sinks", ("row", "site", "head"), (sites, heads), "float32",
                                 "NaN"),
        "runs": ArraySpec("runs", (*_HEADS[:3], "end", "query"), (sites, examples, 2, queries),
                          "int32", 0, (1, 1, 2, queries), True),
        "reachable": ArraySpec("reachable", (*_HEADS[:3], "key"), (sites, examples, keys),
                               "bool", False, (1, 1, keys)),
        # On disk it says which cells are barred, the opposite, as it always did.
        "overview_allowed": ArraySpec("barred", pictured, (sites, examples, heads, rows, cells),
                                      "bool", False, (1, 1, heads, rows, cells)),
    }  # fmt: skip
    if (own := strides(queries, keys)) is not None:
        sides = (-(-queries // own[0]), -(-keys // own[1]))
        tile = (min(sides[0], TILE), min(sides[1], TILE))
        specs |= {
            "pooled": ArraySpec("shrunk", _PICTURED, (len(REDUCTIONS), sites, examples, heads,
                                *sides), "float16", "NaN", (1, 1, 1, 1, *tile), True),
            "pooled_allowed": ArraySpec("shrunk_allowed", pictured, (sites, examples, heads,
                                        *sides), "int32", 0, (1, 1, 1, *tile), True),
        }  # fmt: skip
    return specs


def shared_specs(description: Description) -> dict[str, ArraySpec]:
    """Return the arrays that all sites, or none, share.

    Parameters
    ----------
    description : Description

    Returns
    -------
    dict of str to ArraySpec
        ``measures`` and ``uniform`` if there are sites, ``counts`` and ``statistics`` if there are
        parameters, ``images`` if the probe has them.
    """
    specs: list[ArraySpec] = []
    sites, examples = len(description.sites), len(description.examples)
    if sites and description.measures:
        heads = max(site.heads for site in description.sites)
        shape = (sites, examples, heads, len(description.measures))
        dims = (*_HEADS, "measure")
        specs += [
            ArraySpec("measures", dims, shape, "float32", "NaN"),
            ArraySpec("nulls", (*dims[:3], "measure"), (*shape[:2], shape[3]), "float32", "NaN"),
        ]
    if description.parameters:
        rows = len(description.parameters)
        specs += [
            ArraySpec("counts", ("row", "parameter", "bin"), (rows, BINS), "int64", 0),
            ArraySpec("statistics", ("row", "parameter", "statistic"), (rows, len(STATISTICS)),
                      "float64", "NaN"),
        ]  # fmt: skip
    if description.images is not None:
        axes = ("row", "example", "image_row", "image_column")
        specs += [ArraySpec("images", axes, (examples, *description.images), "float32", "NaN")]
    # On disk the measures of uniform attention are called nulls, as they always were.
    return {{"nulls": "uniform"}.get(spec.name, spec.name): spec for spec in specs}


def all_specs(description: Description) -> list[ArraySpec]:
    """Return every array of a recording."""
    specs = list(shared_specs(description).values())
    for number, group in enumerate(description.groups):
        specs += group_specs(description, group, number).values()
    return specs
