"""What a recording holds: sites, examples, parameters; as plain facts.

Room: store. Comes in: facts of the first recorded step. Goes out: a :class:`Description`, and the
text of ``limelight.json``; ``loading.py`` reads it back.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from limelight.store.format.precision import Precision
from limelight.store.format.sizes import FIRST, Sizes

FORMAT: Final = "limelight"

#: Version of the layout of a recording without vectors, of one with them, and of one with sizes
#: other than the first version's. A reader refuses what is newer than it knows; what needs nothing
#: new is written as before, for older readers.
PLAIN: Final = 1
WITH_VECTORS: Final = 2
WITH_SIZES: Final = 3
NEWEST: Final = WITH_SIZES


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
        ``self``, ``cross`` or ``pooling``.
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
    """

    name: str
    module: str
    shape: str
    size: int


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
    """What every recorded step of a run has in common.

    Attributes
    ----------
    precision : Precision
    sites, examples, parameters : tuple
    measures : tuple of str
        Names of the stored measures, in storage order.
    texts : tuple
        Texts of positions [example][position], which sites refer to.
    images : (int, int), optional
        Rows and columns of the probe's images.
    images_digest : str
        Tells one probe's images from another's.
    sizes : Sizes
    """

    precision: Precision
    sites: tuple[Site, ...] = ()
    examples: tuple[Example, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    measures: tuple[str, ...] = ()
    texts: tuple[tuple[tuple[str, ...], ...], ...] = ()
    images: tuple[int, int] | None = None
    images_digest: str = ""
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

    @property
    def schema(self) -> int:
        """Version of the layout."""
        if self.sizes != FIRST:
            return WITH_SIZES
        return PLAIN if all(site.features is None for site in self.sites) else WITH_VECTORS

    def dumps(self) -> str:
        """Return the text of ``limelight.json``."""
        facts = {
            "format": FORMAT,
            "schema": self.schema,
            "limelight": own_version(),
            "precision": {"name": self.precision.name, "max_error": self.precision.max_error},
            "sizes": asdict(self.sizes),
            "images": self.images,
            "images_digest": self.images_digest,
            "measures": self.measures,
            "sites": [_facts(site) for site in self.sites],
            "groups": [_facts(group) for group in self.groups],
            "examples": [asdict(example) for example in self.examples],
            "parameters": [asdict(parameter) for parameter in self.parameters],
            "texts": self.texts,
        }
        return json.dumps(facts, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _facts(described: Site | Group) -> dict[str, Any]:
    """Return what is written of a site or a group; one without vectors does not mention them."""
    facts = asdict(described)
    vectors = described.features is not None
    return facts if vectors else {k: facts[k] for k in facts if k not in _VECTORS}


#: What is said only of sites whose vectors are stored.
_VECTORS: Final = ("features", "key_heads", "strides")


def own_version() -> str:
    """Return our version; the package itself, above this room, must not be imported for it."""
    try:
        return version("limelight")
    except PackageNotFoundError:  # run from its source, not installed
        return "from source"
