"""What a recording's steps hold: sites, examples, parameters; as plain facts.

Room: store. Comes in: facts of recorded steps. Goes out: a :class:`Description` for each layout
that steps have, and the text of ``limelight.json``; ``loading.py`` reads it back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from limelight.store.format.checked import signed
from limelight.store.format.index import PARAMETER
from limelight.store.format.precision import Precision
from limelight.store.format.sizes import FIRST, Sizes

FORMAT: Final = "limelight"

#: Version of what is on disk. Up to 3 a recording had one layout for all its steps, and every row a
#: file of its own. A reader refuses what is newer than it knows.
NEWEST: Final = 4
ONE_LAYOUT: Final = 3


#: How bins lie: evenly from a column to another, or on the upper bits of a single, as
#: :mod:`limelight.distribution` has them.
LINEAR: Final = "linear"
BITS: Final = "bits"

#: What is said only of sites that have it.
NOTES: Final = ("reading", "stage")


@dataclass(frozen=True)
class Site:
    """One attention module in one role.

    Attributes
    ----------
    name : str
        Its path in the model, and its key in ``run.sites``.
    module, module_class : str
        Path and class of the module.
    kind : str
        ``self``, ``cross``, ``pooling`` or another of :data:`limelight.schema.KINDS`.
    heads, queries, keys : int
        Sizes of its maps.
    query_layout, key_layout : (int, int), optional
        Rows and columns, where positions form an image.
    framework, dtype : str
        What ran it, and the precision of its softmax.
    query_text, key_text : int, optional
        Which of the description's texts name its positions.
    features, key_heads : int, optional
        Given where vectors are stored, not maps: how long each is, and how many heads keys have.
    strides : (int, int), optional
        Given where a large map is also stored pooled: how many queries and keys lie in a cell.
    reading : str
        A note where its axes could have been read in two ways.
    stage : str
        What is shown where it is not the plain softmax, such as ``after mask and renormalisation``.
    """

    name: str
    module: str
    kind: str
    module_class: str
    heads: int
    queries: int
    keys: int
    query_layout: tuple[int, int] | None = None
    key_layout: tuple[int, int] | None = None
    framework: str = ""
    dtype: str = ""
    query_text: int | None = None
    key_text: int | None = None
    features: int | None = None
    key_heads: int | None = None
    strides: tuple[int, int] | None = None
    reading: str = ""
    stage: str = ""


@dataclass(frozen=True)
class Example:
    """One of the probe's examples.

    Attributes
    ----------
    index : int
        Its number in the probe.
    title : str
        A line to choose it by.
    tokens : tuple of str, optional
        Text of its positions, ``""`` where padding.
    label : optional
        Its class: text, number or None.
    """

    index: int
    title: str
    tokens: tuple[str, ...] | None = None
    label: str | int | float | bool | None = None


@dataclass(frozen=True)
class Parameter:
    """One of the model's own parameters.

    Attributes
    ----------
    name, module : str
        Its path, and its layer's.
    shape : str
        Such as ``784×64``.
    size : int
        How many numbers it holds.
    trainable : bool
        False where it is frozen.
    note : str
        What its numbers are of, where that is not its values, such as the modulus of complex ones.
    """

    name: str
    module: str
    shape: str
    size: int
    trainable: bool = True
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Statistics of some tensors at a step: a histogram and some numbers of each.

    Attributes
    ----------
    kind : str
        Of what: ``parameter``, ``gradient``, ``update``, ``activation``, ``spectrum`` …
    members : tuple of Parameter
        The tensors, in storage order.
    columns : tuple of str
        Names of the numbers, in storage order.
    bins : int
        Of a histogram.
    encoding : str
        How a histogram's bins lie: ``linear``, evenly from the column ``low`` to ``high``;
        ``bits``, as :mod:`limelight.distribution` has them, the same for all.
    """

    kind: str
    members: tuple[Parameter, ...]
    columns: tuple[str, ...]
    bins: int
    encoding: str = LINEAR


@dataclass(frozen=True)
class Group:
    """Sites of one shape, which lie in one array.

    Attributes
    ----------
    heads, queries, keys : int
    sites : tuple of str
        Names, in storage order.
    features, key_heads, strides : optional
        As those of the sites.
    """

    heads: int
    queries: int
    keys: int
    sites: tuple[str, ...]
    features: int | None = None
    key_heads: int | None = None
    strides: tuple[int, int] | None = None


@dataclass(frozen=True)
class Description:
    """What the steps of one layout have in common.

    Attributes
    ----------
    precision : Precision
    sites, examples : tuple
    tables : tuple of Table
        At most one of each kind.
    measures : tuple of str
        Names of the stored measures, in storage order.
    texts : tuple
        Texts of positions [example][position], which sites refer to.
    images : tuple of int, optional
        Rows, columns and perhaps channels of the probe's images.
    images_digest : str
        Tells one probe's images from another's.
    images_dtype : str
        ``uint8`` or ``float32``.
    sizes : Sizes
    """

    precision: Precision
    sites: tuple[Site, ...] = ()
    examples: tuple[Example, ...] = ()
    tables: tuple[Table, ...] = ()
    measures: tuple[str, ...] = ()
    texts: tuple[tuple[tuple[str, ...], ...], ...] = ()
    images: tuple[int, ...] | None = None
    images_digest: str = ""
    images_dtype: str = "float32"
    sizes: Sizes = FIRST
    #: Sites by shape; follows from ``sites``.
    groups: tuple[Group, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        alike: dict[tuple[Any, ...], list[str]] = {}
        for site in self.sites:
            shape = (site.heads, site.queries, site.keys)
            form = (site.features, site.key_heads, site.strides)
            alike.setdefault((*shape, *form), []).append(site.name)
        groups = tuple(
            Group(heads, queries, keys, tuple(names), *form)
            for (heads, queries, keys, *form), names in alike.items()
        )
        object.__setattr__(self, "groups", groups)

    def table(self, kind: str) -> Table | None:
        """Return the table of that kind, if there is one."""
        return next((table for table in self.tables if table.kind == kind), None)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The model's own parameters."""
        table = self.table(PARAMETER)
        return () if table is None else table.members


def dumps(run: str, layouts: Sequence[tuple[Description, int, Sequence[int]]]) -> bytes:
    """Return the text of ``limelight.json``.

    Parameters
    ----------
    run : str
        The run's own mark.
    layouts : sequence of (Description, int, sequence of int)
        With each, the version of what its arrays are like, and the numbers of its groups' arrays.

    Returns
    -------
    bytes
        What several layouts have in common is written once, and referred to by number.
    """
    shared: dict[str, list[Any]] = {"sites": [], "examples": [], "texts": [], "members": []}

    def number(part: str, values: Any) -> int:
        if values not in shared[part]:
            shared[part].append(values)
        return shared[part].index(values)

    written = []
    for description, arrays, numbers in layouts:
        groups = zip(description.groups, numbers, strict=True)
        tables = [
            {**asdict(table), "members": number("members", list(map(asdict, table.members)))}
            for table in description.tables
        ]
        written.append({
            "arrays": arrays,
            "precision": {"name": description.precision.name,
                          "max_error": description.precision.max_error},
            "sizes": asdict(description.sizes),
            "measures": description.measures,
            "images": description.images,
            "images_digest": description.images_digest,
            "images_dtype": description.images_dtype,
            "sites": number("sites", [_facts(site) for site in description.sites]),
            "groups": [{"number": at, **_facts(group)} for group, at in groups],
            "examples": number("examples", list(map(asdict, description.examples))),
            "texts": number("texts", description.texts),
            "tables": tables,
        })  # fmt: skip
    facts = {"format": FORMAT, "schema": NEWEST, "limelight": own_version(), "run": run}
    facts |= {"layouts": written, **shared}
    return signed(json.dumps(facts, ensure_ascii=False, allow_nan=False, indent=1)) + b"\n"


def _facts(described: Site | Group) -> dict[str, Any]:
    """Return what is written of a site or a group; one without vectors does not mention them."""
    facts = asdict(described)
    vectors = described.features is not None
    facts = facts if vectors else {k: facts[k] for k in facts if k not in _VECTORS}
    return {name: value for name, value in facts.items() if name not in NOTES or value}


#: What is said only of sites whose vectors are stored.
_VECTORS: Final = ("features", "key_heads", "strides")


def own_version() -> str:
    """Return our version; the package itself, above this room, must not be imported for it."""
    try:
        return version("limelight")
    except PackageNotFoundError:  # run from its source, not installed
        return "from source"
