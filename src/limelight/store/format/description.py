"""What a recording holds: sites, examples, parameters; as plain facts.

Room: store. Comes in: facts of the first recorded step. Goes out: a :class:`Description`, and the
text of ``limelight.json``; ``loading.py`` reads it back.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from limelight.errors import StoreError
from limelight.store.format.precision import Precision

FORMAT: Final = "limelight"

#: Version of the layout of a recording without vectors, and of one with them. A reader refuses what
#: is newer than it knows; what needs nothing new is written as before, for older readers.
PLAIN: Final = 1
WITH_VECTORS: Final = 2


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
    features, key_heads : int, optional
        As those of the sites.
    """

    heads: int
    queries: int
    keys: int
    sites: tuple[str, ...]
    features: int | None = None
    key_heads: int | None = None


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
    """

    precision: Precision
    sites: tuple[Site, ...] = ()
    examples: tuple[Example, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    measures: tuple[str, ...] = ()
    texts: tuple[tuple[tuple[str, ...], ...], ...] = ()
    images: tuple[int, int] | None = None
    images_digest: str = ""
    #: Sites by shape; follows from ``sites``.
    groups: tuple[Group, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        alike: dict[tuple[Any, ...], list[str]] = {}
        for one in self.sites:
            shape = (one.heads, one.queries, one.keys, one.features, one.key_heads)
            alike.setdefault(shape, []).append(one.name)
        groups = tuple(
            Group(heads, queries, keys, tuple(names), features, key_heads)
            for (heads, queries, keys, features, key_heads), names in alike.items()
        )
        object.__setattr__(self, "groups", groups)

    @property
    def schema(self) -> int:
        """Version of the layout."""
        return PLAIN if all(site.features is None for site in self.sites) else WITH_VECTORS

    def location(self, site: str) -> tuple[int, int]:
        """Return a site's group and its number in it."""
        for number, group in enumerate(self.groups):
            if site in group.sites:
                return number, group.sites.index(site)
        raise KeyError(site)

    def dumps(self) -> str:
        """Return the text of ``limelight.json``."""
        facts = {
            "format": FORMAT,
            "schema": self.schema,
            "limelight": own_version(),
            "precision": {"name": self.precision.name, "max_error": self.precision.max_error},
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


def _facts(one: Site | Group) -> dict[str, Any]:
    """Return what is written of a site or a group; one without vectors does not mention them."""
    facts = asdict(one)
    return facts if one.features is not None else {k: facts[k] for k in facts if k not in _VECTORS}


_VECTORS: Final = ("features", "key_heads")


def merged(old: Description, new: Description) -> Description:
    """Return a description that holds both, where neither contradicts the other.

    Parameters
    ----------
    old, new : Description
        One may lack attention, or parameters, or a probe, which then follow the other. Measures
        are those of ``old``: a limelight that knows others continues a recording without them.

    Returns
    -------
    Description
        ``old`` itself, or equal to it, if ``new`` adds nothing.

    Raises
    ------
    StoreError
        If they describe different models, probes or forms of storage.
    """
    values: dict[str, Any] = {}
    for name in ("sites", "examples", "parameters", "measures", "texts", "images", "images_digest"):
        before, after = getattr(old, name), getattr(new, name)
        if name == "sites":
            after = _as_before(old.sites, new.sites)
        if before and after and before != after and name != "measures":
            raise StoreError(
                f"Got other {name} than those recorded before.",
                "Wanted the same model and probe as before.",
                "Record into another folder.",
            )
        values[name] = before or after
    if old.sites and new.sites and old.precision != new.precision:
        raise StoreError(
            f"Got weights as {new.precision.name}; those recorded before are {old.precision.name}.",
            "Wanted one form of storage in a recording.",
            "Record into another folder.",
        )
    return Description(precision=(old if old.sites else new).precision, **values)


def _as_before(old: tuple[Site, ...], new: tuple[Site, ...]) -> tuple[Site, ...]:
    """Let maps that were stored whole be stored whole again, though vectors would now do."""
    whole = {site.name for site in old if site.features is None}
    none: dict[str, Any] = dict.fromkeys(_VECTORS)
    return tuple(replace(site, **none) if site.name in whole else site for site in new)


def own_version() -> str:
    """Return our version; the package itself, above this room, must not be imported for it."""
    try:
        return version("limelight")
    except PackageNotFoundError:  # run from its source, not installed
        return "from source"
