"""What each array of a recording looks like.

Room: store. Comes in: a :class:`~limelight.store.format.description.Description` for each layout.
Goes out: :class:`Specs`, each array's name, axes, sizes and parts.

A **row** is an index along an array's first axis. Each published step has one; the index says
which. What seldom changes (``allowed`` and its companions) many steps share; it lies at the row of
the step that wrote it. A row of maps is one file; what is small of a step shares one. Layouts whose
arrays are alike share them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from limelight.store.format.description import (
    LINEAR,
    NEWEST,
    ONE_LAYOUT,
    Description,
    Group,
    Table,
)
from limelight.store.format.index import PARAMETER

#: Bytes before the first part of a row's own file: which row of which array of which run it is.
MARK: Final = 16

#: Roles whose every row is a file of its own; rows of others are, where they are large.
_MAPS: Final = ("weights", "query", "key", "query_wide", "key_wide", "pooled")


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
        Whether the bytes of its numbers are sorted by significance before they are compressed.
    single : bool
        Whether each row is a file of its own, whatever its size.
    marked : bool
        Whether rows say which they are; False in recordings of before.
    """

    name: str
    dims: tuple[str, ...]
    tail: tuple[int, ...]
    dtype: str
    fill: Any
    chunk: tuple[int, ...] | None = None
    shuffled: bool = False
    single: bool = False
    marked: bool = True

    def __post_init__(self) -> None:
        assert self.chunk is None or self.chunk[0] == 1, f"{self.name}: parts hold one site each"

    def key(self, row: int) -> str:
        """Return the name of a row's values below the Zarr hierarchy."""
        return "/".join([self.name, ".".join(["c", str(row), *["0"] * len(self.tail)])])

    def mark(self, run: str, row: int) -> bytes:
        """Return what a row's own file begins with, so that no other is taken for it."""
        if not self.marked:
            return b""
        identity = f"{run} {self.key(row)}".encode()
        return hashlib.blake2b(identity, digest_size=MARK, person=b"limelight").digest()

    @property
    def unit(self) -> tuple[int, ...]:
        """Sizes of what is read at once: a part, or the whole row."""
        return self.chunk or self.tail

    @property
    def grid(self) -> tuple[int, ...]:
        """How many parts a row has along each axis after the first."""
        return tuple(-(-size // part) for size, part in zip(self.tail, self.unit, strict=True))


@dataclass(frozen=True)
class Specs:
    """Every array of a layout, by role.

    Attributes
    ----------
    shared : dict of str to ArraySpec
        What all sites, or none, share: ``measures`` and ``uniform`` if there are sites, those of
        :func:`counts_of` and :func:`statistics_of` for each table, ``images`` if the probe has
        them.
    groups : tuple of dict of str to ArraySpec
        For each group of sites ``weights``, ``overview``, ``nan``, ``allowed``, ``query_valid``,
        ``key_valid``; one kept as vectors has those of :func:`_vector_specs` instead of
        ``weights``.
    """

    shared: dict[str, ArraySpec]
    groups: tuple[dict[str, ArraySpec], ...]

    @property
    def every(self) -> list[ArraySpec]:
        """All arrays, those of no site first."""
        return [spec for specs in (self.shared, *self.groups) for spec in specs.values()]


@dataclass(frozen=True)
class Layout:
    """What the arrays of some steps are like.

    Attributes
    ----------
    description : Description
    specs : Specs
        The arrays it names.
    numbers : tuple of int
        Those at the ends of its groups' arrays' names.
    version : int
        Of what its arrays are like on disk: those of before have every row in a file.
    """

    description: Description
    specs: Specs
    numbers: tuple[int, ...]
    version: int = NEWEST


def laid_out(descriptions: Sequence[tuple[Description, int]]) -> tuple[Layout, ...]:
    """Name the arrays of a recording's layouts.

    Parameters
    ----------
    descriptions : sequence of (Description, int)
        With each, the version of what its arrays are like.

    Returns
    -------
    tuple of Layout
        Arrays, and groups of them, that are alike have one name: what a later layout adds changes
        none of before.
    """
    layouts: list[Layout] = []
    groups: dict[Any, int] = {}
    shared: dict[str, dict[ArraySpec, int]] = {}
    for description, version in descriptions:
        plain, numbers, named = version <= ONE_LAYOUT, [], []
        for at, group in enumerate(description.groups):
            specs = _group_specs(description, group)
            number = groups.setdefault(at if plain else tuple(specs.items()), len(groups))
            numbers.append(number)
            named.append({
                role: replace(spec, name=f"{spec.name}_{number}", marked=not plain,
                              single=role in _MAPS)
                for role, spec in specs.items()
            })  # fmt: skip
        common = {}
        for role, spec in _shared_specs(description).items():
            alike = shared.setdefault(spec.name, {})
            name = spec.name if plain else f"{spec.name}_{alike.setdefault(spec, len(alike))}"
            common[role] = replace(spec, name=name, marked=not plain)
        layouts.append(Layout(description, Specs(common, tuple(named)), tuple(numbers), version))
    return tuple(layouts)


_HEADS = ("row", "site", "example", "head")
_PICTURED = ("row", "reduction", "site", "example", "head", "cell_row", "cell_column")


def _group_specs(description: Description, group: Group) -> dict[str, ArraySpec]:
    """Return the arrays of one group of sites, which share one shape."""
    sites, examples, sizes = len(group.sites), len(description.examples), description.sizes
    heads, queries, keys = group.heads, group.queries, group.keys
    maps = (sites, examples, heads, queries, keys)
    tile = (1, 1, 1, min(queries, sizes.tile), min(keys, sizes.tile))
    picture = (len(sizes.reductions), sites, examples, heads, *sizes.overview_of(queries, keys))
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
        specs |= _vector_specs(description, group) | _pooled_specs(description, group)
    return specs


def _vector_specs(description: Description, group: Group) -> dict[str, ArraySpec]:
    """Return the arrays of sites kept as vectors.

    ``query`` and ``key``, or ``query_wide`` and ``key_wide`` where halves would not do;
    ``normaliser``, ``constants``, ``sink_logits``. What may be attended to, in rows of its own:
    ``runs`` and ``reachable``, or ``allowed`` where no runs describe it; ``overview_allowed``.
    """
    sizes, examples = description.sizes, len(description.examples)
    sites, heads, queries, keys = len(group.sites), group.heads, group.queries, group.keys
    features, key_heads = group.features or 0, group.key_heads or 0
    specs = {}
    for name, count, size in (("query", heads, queries), ("key", key_heads, keys)):
        dims = ("row", "site", "example", "head" if name == "query" else "key_head", name)
        tail, part = (sites, examples, count, size), (1, 1, 1, min(size, sizes.part))
        for role, dtype in ((name, "float16"), (f"{name}_wide", "float32")):
            specs[role] = ArraySpec(role, (*dims, "feature"), (*tail, features), dtype, "NaN",
                                    (*part, features), True)  # fmt: skip
    picture = (heads, *sizes.overview_of(queries, keys))
    specs |= {
        "normaliser": ArraySpec("normaliser", (*_HEADS, "query"), (sites, examples, heads, queries),
                                "float32", "NaN", (1, 1, 1, min(queries, 4 * sizes.part)), True),
        "constants": ArraySpec("constants", ("row", "site", "constant"),
                               (sites, len(sizes.constants)), "float64", "NaN"),
        "sink_logits": ArraySpec("sinks", ("row", "site", "head"), (sites, heads), "float32",
                                 "NaN"),
        "runs": ArraySpec("runs", (*_HEADS[:3], "end", "query"), (sites, examples, 2, queries),
                          "int32", 0, (1, 1, 2, queries), True),
        "reachable": ArraySpec("reachable", (*_HEADS[:3], "key"), (sites, examples, keys),
                               "bool", False, (1, 1, keys)),
        # On disk it says which cells are barred, the opposite, as it always did.
        "overview_allowed": ArraySpec("barred", (*_HEADS, "cell_row", "cell_column"),
                                      (sites, examples, *picture), "bool", False,
                                      (1, 1, *picture)),
    }  # fmt: skip
    return specs


def _pooled_specs(description: Description, group: Group) -> dict[str, ArraySpec]:
    """Return the arrays of large maps kept as vectors and pooled; they keep an older name."""
    if group.strides is None:
        return {}
    sizes, maps = description.sizes, (len(group.sites), len(description.examples), group.heads)
    sides = (-(-group.queries // group.strides[0]), -(-group.keys // group.strides[1]))
    tile = (min(sides[0], sizes.tile), min(sides[1], sizes.tile))
    return {
        "pooled": ArraySpec("shrunk", _PICTURED, (len(sizes.reductions), *maps, *sides), "float16",
                            "NaN", (1, 1, 1, 1, *tile), True),
        "pooled_allowed": ArraySpec("shrunk_allowed", (*_HEADS, "cell_row", "cell_column"),
                                    (*maps, *sides), "int32", 0, (1, 1, 1, *tile), True),
    }  # fmt: skip


def _shared_specs(description: Description) -> dict[str, ArraySpec]:
    """Return the arrays that all sites, or none, share."""
    specs: dict[str, ArraySpec] = {}
    sites, examples = len(description.sites), len(description.examples)
    if sites and description.measures:
        heads = max(site.heads for site in description.sites)
        shape = (sites, examples, heads, len(description.measures))
        dims = (*_HEADS, "measure")
        specs |= {
            "measures": ArraySpec("measures", dims, shape, "float32", "NaN"),
            # On disk it is called nulls, as it always was.
            "uniform": ArraySpec("nulls", (*dims[:3], "measure"), (*shape[:2], shape[3]), "float32",
                                 "NaN"),
        }  # fmt: skip
    for table in filter(lambda table: table.members, description.tables):
        rows, prefix = len(table.members), "" if table.kind == PARAMETER else f"{table.kind}_"
        specs[counts_of(table.kind)] = _counts_spec(f"{prefix}counts", rows, table)
        specs[statistics_of(table.kind)] = ArraySpec(
            f"{prefix}statistics", ("row", PARAMETER, "statistic"), (rows, len(table.columns)),
            "float64", "NaN",
        )  # fmt: skip
    if description.images is not None:
        axes = ("row", "example", "image_row", "image_column", "image_channel")
        tail = (examples, *description.images)
        dtype = description.images_dtype
        fill = 0 if dtype == "uint8" else "NaN"
        specs["images"] = ArraySpec("images", axes[: 1 + len(tail)], tail, dtype, fill)
    return specs


def _counts_spec(name: str, rows: int, table: Table) -> ArraySpec:
    """Return the array of a table's histograms; of long ones, each can be read alone."""
    dims = ("row", PARAMETER, "bin")
    if table.encoding == LINEAR:
        return ArraySpec(name, dims, (rows, table.bins), "int64", 0)
    return ArraySpec(name, dims, (rows, table.bins), "uint32", 0, (1, table.bins), True)


def counts_of(kind: str) -> str:
    """Return the role of the histograms of a table."""
    return f"counts:{kind}"


def statistics_of(kind: str) -> str:
    """Return the role of the numbers of a table."""
    return f"statistics:{kind}"
