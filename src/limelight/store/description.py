"""What a recording holds: sites, examples, parameters; as JSON and back.

Room: store. Comes in: facts of the first recorded step, or the text of ``limelight.json``, which
may be damaged, newer, or hostile. Goes out: a checked :class:`Description`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from limelight.errors import StoreError
from limelight.schema import KINDS, SCHEMA_VERSION
from limelight.store.precision import Precision, precision

FORMAT: Final = "limelight"

#: Nothing larger than this is believed: reading it would take all memory.
_MOST_CELLS: Final = 1 << 28
_MOST_PARTS: Final = 1 << 24


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


@dataclass(frozen=True)
class Example:
    """One of the probe's examples.

    Attributes
    ----------
    index : int
        Its place in the probe.
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
    """One of the model's own weights.

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
    """

    heads: int
    queries: int
    keys: int
    sites: tuple[str, ...]


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
        shapes: dict[tuple[int, int, int], list[str]] = {}
        for site in self.sites:
            shapes.setdefault((site.heads, site.queries, site.keys), []).append(site.name)
        groups = tuple(Group(*shape, tuple(names)) for shape, names in shapes.items())
        object.__setattr__(self, "groups", groups)

    def location(self, site: str) -> tuple[int, int]:
        """Return a site's group and its place in it."""
        for number, group in enumerate(self.groups):
            if site in group.sites:
                return number, group.sites.index(site)
        raise KeyError(site)

    def dumps(self) -> str:
        """Return the text of ``limelight.json``."""
        facts = {
            "format": FORMAT,
            "schema": SCHEMA_VERSION,
            "limelight": _own_version(),
            "precision": {"name": self.precision.name, "max_error": self.precision.max_error},
            "images": self.images,
            "images_digest": self.images_digest,
            "measures": self.measures,
            "sites": [asdict(site) for site in self.sites],
            "groups": [asdict(group) for group in self.groups],
            "examples": [asdict(example) for example in self.examples],
            "parameters": [asdict(parameter) for parameter in self.parameters],
            "texts": self.texts,
        }
        return json.dumps(facts, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def loads(text: str, where: str) -> Description:
    """Read the text of ``limelight.json`` and believe nothing in it unchecked.

    Parameters
    ----------
    text : str
    where : str
        The file's path, for messages.

    Returns
    -------
    Description

    Raises
    ------
    StoreError
        If it is no description, comes from a newer limelight, or claims absurd sizes.
    """
    try:
        facts = json.loads(text)
        if facts["format"] != FORMAT:
            raise ValueError(f"format {facts['format']!r}")
        number = _whole(facts["schema"], 1)
    except (ValueError, KeyError, TypeError, RecursionError) as cause:
        raise _damaged(where, cause) from cause
    if number > SCHEMA_VERSION:
        raise StoreError(
            f"{where} has schema version {number}, written by limelight "
            f"{str(facts.get('limelight', '?'))[:40]}.",
            f"This limelight, {_own_version()}, reads versions up to {SCHEMA_VERSION}.",
            "Upgrade it: pip install --upgrade limelight.",
        )
    try:
        return _checked(facts)
    except (ValueError, KeyError, TypeError, RecursionError, StoreError) as cause:
        raise _damaged(where, cause) from cause


def merged(old: Description, new: Description) -> Description:
    """Return a description that holds both, where neither contradicts the other.

    Parameters
    ----------
    old, new : Description
        One may lack attention, or parameters, or a probe, which then follow the other.

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
        if before and after and before != after:
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


def _checked(facts: Mapping[str, Any]) -> Description:
    texts = tuple(tuple(_texts(row) for row in table) for table in facts["texts"])
    description = Description(
        precision=precision(facts["precision"]["name"]),
        sites=tuple(_site(site, len(texts)) for site in facts["sites"]),
        examples=tuple(_example(example, at) for at, example in enumerate(facts["examples"])),
        parameters=tuple(_parameter(parameter) for parameter in facts["parameters"]),
        measures=_texts(facts["measures"]),
        texts=texts,
        images=_pair(facts["images"]),
        images_digest=_text(facts["images_digest"]),
    )
    for names in (
        [site.name for site in description.sites],
        [parameter.name for parameter in description.parameters],
        description.measures,
    ):
        if len(set(names)) < len(names):
            raise ValueError("a name occurs twice")
    examples = max(len(description.examples), 1)
    parts = len(description.sites) * examples
    for site in description.sites:
        _bounded(site.queries * site.keys, _MOST_CELLS)
        tiles = -(-site.queries // 512) * -(-site.keys // 512)
        _bounded(parts * site.heads * tiles, _MOST_PARTS)
    if description.images is not None:
        _bounded(description.images[0] * description.images[1] * examples, _MOST_CELLS)
    if any(len(table) != len(description.examples) for table in texts):
        raise ValueError("texts for another number of examples")
    return description


def _site(facts: Mapping[str, Any], tables: int) -> Site:
    site = Site(
        name=_text(facts["name"]),
        module=_text(facts["module"]),
        kind=_text(facts["kind"]),
        module_class=_text(facts["module_class"]),
        heads=_whole(facts["heads"], 1),
        queries=_whole(facts["queries"], 1),
        keys=_whole(facts["keys"], 1),
        query_layout=_pair(facts["query_layout"]),
        key_layout=_pair(facts["key_layout"]),
        framework=_text(facts["framework"]),
        dtype=_text(facts["dtype"]),
        query_text=_choice(facts["query_text"], tables),
        key_text=_choice(facts["key_text"], tables),
    )
    if site.kind not in KINDS:
        raise ValueError(f"kind {site.kind!r}")
    return site


def _example(facts: Mapping[str, Any], at: int) -> Example:
    tokens = facts["tokens"]
    label = facts["label"]
    if not isinstance(label, str | int | float | bool | None):
        raise TypeError("label")
    return Example(at, _text(facts["title"]), None if tokens is None else _texts(tokens), label)


def _parameter(facts: Mapping[str, Any]) -> Parameter:
    name, module, shape = (_text(facts[key]) for key in ("name", "module", "shape"))
    return Parameter(name, module, shape, _whole(facts["size"], 0))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is no text")
    return value


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{str(values)[:40]!r} is no list of texts")
    return tuple(map(_text, values))


def _whole(value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{str(value)[:40]!r} is no whole number from {least}")
    return value


def _pair(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    first, second = value
    return _whole(first, 1), _whole(second, 1)


def _choice(value: Any, count: int) -> int | None:
    if value is None:
        return None
    if _whole(value, 0) >= count:
        raise ValueError(f"{value} of {count} texts")
    return int(value)


def _bounded(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"a size of {size}, more than {most}")


def _damaged(where: str, cause: Exception) -> StoreError:
    return StoreError(
        f"{where} does not describe a recording ({type(cause).__name__}: {str(cause)[:120]}).",
        "Wanted the text that limelight wrote there.",
        "Restore the file from a copy, or record the run again.",
    )


def _own_version() -> str:
    """Return our version; the package itself, above this room, must not be imported for it."""
    try:
        return version("limelight")
    except PackageNotFoundError:  # run from its source, not installed
        return "from source"
