"""Reads the text of ``limelight.json`` and believes nothing in it unchecked.

Room: store. Comes in: text that may be damaged, newer, or hostile. Goes out: :class:`Described`,
layouts whose sizes can be allocated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from limelight import installation
from limelight.errors import StoreError
from limelight.schema import KINDS
from limelight.store.format.checked import is_whole
from limelight.store.format.description import (
    FORMAT,
    NEWEST,
    ONE_LAYOUT,
    Description,
    Example,
    Parameter,
    Site,
    Table,
    own_version,
)
from limelight.store.format.index import PARAMETER
from limelight.store.format.layout import Layout, laid_out
from limelight.store.format.precision import precision
from limelight.store.format.sizes import FIRST, Sizes

#: A longer description is none of ours, nor is one of more lists and objects, or more values:
#: what its text takes in memory is many times what it takes on disk.
LONGEST: Final = 1 << 27
_MOST_BRACKETS: Final = 1 << 21
_MOST_COMMAS: Final = 1 << 24

#: Nothing larger than this is believed: reading it would take all memory.
_MOST_CELLS: Final = 1 << 28
_MOST_PARTS: Final = 1 << 24
_MOST_BINS: Final = 1 << 16
_MOST_LAYOUTS: Final = 1 << 16
#: Of a pooled map, which is read whole to be shown whole.
_MOST_POOLED: Final = 1 << 24

#: What a column of statistics cannot be called: other variables and coordinates are.
_TAKEN: Final = {"count", "step", "epoch", "parameter", "bin"}

#: Measures by the names under which an earlier limelight recorded them.
RENAMED_MEASURES: Final = {"sink": "first_key_share"}


@dataclass(frozen=True)
class Described:
    """What ``limelight.json`` says.

    Attributes
    ----------
    run : str, optional
        The run's own mark; None: an earlier limelight wrote it, and nothing is marked.
    layouts : tuple of Layout
        What the arrays of some steps are like; each step's line says which are its.
    """

    run: str | None
    layouts: tuple[Layout, ...]


def loads(text: bytes, where: str) -> Described:
    """Read the text of ``limelight.json`` and believe nothing in it unchecked.

    Parameters
    ----------
    text : bytes
    where : str
        The file's path, for messages.

    Returns
    -------
    Described
        Whose arrays are small enough to be read.

    Raises
    ------
    StoreError
        If it is no description, is not as it was written, comes from a newer limelight, or claims
        absurd sizes.
    """
    try:
        _bounded(text.count(b"[") + text.count(b"{"), _MOST_BRACKETS)
        _bounded(text.count(b","), _MOST_COMMAS)
        facts = json.loads(text.decode("utf-8", errors="replace"))
        if facts["format"] != FORMAT:
            raise ValueError(f"format {str(facts['format'])[:40]!r}")
        number = _whole(facts["schema"], 1)
    except Exception as cause:  # whatever the text leads to
        raise _damaged(where, cause) from cause
    if number > NEWEST:
        raise StoreError(
            f"{where} has schema version {number}, written by limelight "
            f"{str(facts.get('limelight', '?'))[:40]}.",
            f"This limelight, {own_version()}, reads versions up to {NEWEST}.",
            f"Upgrade it: {installation.command()}",
        )
    try:
        if number <= ONE_LAYOUT:
            return Described(None, _allocatable([(_one_layout(facts), number)]))
        if not is_whole(text):
            raise ValueError("it is not as it was written")
        return _checked(facts)
    except Exception as cause:
        raise _damaged(where, cause) from cause


def _checked(facts: Mapping[str, Any]) -> Described:
    """Read layouts; each refers by number to what several have in common."""
    parts = {name: _list(facts[name]) for name in ("sites", "examples", "texts", "members")}
    layouts = []
    _bounded(len(facts["layouts"]), _MOST_LAYOUTS)
    for layout in _list(facts["layouts"]):
        version = _whole(layout["arrays"], 1)
        tables = [
            {**table, "members": parts["members"][_choice(table["members"], parts["members"])]}
            for table in _list(layout["tables"])
        ]
        flat = {**layout, "tables": tables}
        for name in ("sites", "examples", "texts"):
            flat[name] = parts[name][_choice(layout[name], parts[name])]
        layouts.append((_description(flat), version))
    if not layouts:
        raise ValueError("no layouts")
    return Described(_text(facts["run"]), _allocatable(layouts))


def _one_layout(facts: Mapping[str, Any]) -> Description:
    """Read what an earlier limelight wrote: one layout, one table."""
    sizes, members = _sizes(facts.get("sizes")), _list(facts["parameters"])
    table = {"kind": PARAMETER, "members": members, "columns": list(sizes.statistics),
             "bins": sizes.bins, "encoding": "linear"}  # fmt: skip
    return _description({**facts, "tables": [table] if members else []})


def _description(facts: Mapping[str, Any]) -> Description:
    texts = tuple(tuple(_texts(row) for row in table) for table in facts["texts"])
    sizes = _sizes(facts.get("sizes"))
    images = facts["images"]
    description = Description(
        precision=precision(facts["precision"]["name"]),
        sites=tuple(_site(site, texts, sizes) for site in _list(facts["sites"])),
        examples=tuple(_example(example, at) for at, example in enumerate(facts["examples"])),
        tables=tuple(map(_table, facts["tables"])),
        measures=tuple(RENAMED_MEASURES.get(name, name) for name in _texts(facts["measures"])),
        texts=texts,
        images=None if images is None else tuple(_whole(size, 1) for size in images),
        images_digest=_text(facts["images_digest"]),
        images_dtype=_text(facts.get("images_dtype", "float32")),
        sizes=sizes,
    )
    for names in (
        [site.name for site in description.sites],
        [table.kind for table in description.tables],
        *([member.name for member in table.members] for table in description.tables),
        description.measures,
    ):
        if len(set(names)) < len(names):
            raise ValueError("a name occurs twice")
    if any(len(table) != len(description.examples) for table in texts):
        raise ValueError("texts for another number of examples")
    if description.images is not None and len(description.images) not in (2, 3):
        raise ValueError(f"images of {len(description.images)} axes")
    if description.images_dtype not in ("uint8", "float32"):
        raise ValueError(f"images of {description.images_dtype}"[:80])
    return description


def _allocatable(described: Sequence[tuple[Description, int]]) -> tuple[Layout, ...]:
    """Return a recording's layouts if reading any array allocates no more than is bearable."""
    for description, _ in described:
        _bearable_maps(description)
    layouts = laid_out(described)
    for layout in layouts:
        _bearable_arrays(layout)
    return layouts


def _bearable_maps(description: Description) -> None:
    for site in description.sites:
        if site.features is None:
            _bounded(site.queries * site.keys, _MOST_CELLS)
        else:
            _bounded((site.queries + site.keys) * site.features, _MOST_CELLS)
        if site.strides is not None:
            sides = (-(-site.queries // site.strides[0]), -(-site.keys // site.strides[1]))
            _bounded(math.prod(sides), _MOST_POOLED)


def _bearable_arrays(layout: Layout) -> None:
    groups = (None, *layout.description.groups)
    for group, arrays in zip(groups, (layout.specs.shared, *layout.specs.groups), strict=True):
        for role, spec in arrays.items():
            _bounded(math.prod(spec.unit), _MOST_CELLS)
            # Cells of what vectors allow are seldom written, and of long maps there may be many.
            if role != "allowed" or group is None or group.features is None:
                _bounded(math.prod(spec.grid), _MOST_PARTS)


def _sizes(facts: Mapping[str, Any] | None) -> Sizes:
    """Read the sizes a recording gives itself; the first version gave none."""
    if facts is None:
        return FIRST
    sizes = Sizes(
        tile=_whole(facts["tile"], 1),
        part=_whole(facts["part"], 1),
        overview=_whole(facts["overview"], 1),
        bins=_whole(facts["bins"], 1),
        large=_whole(facts["large"], 0),
        stride=_whole(facts["stride"], 1),
        sides=_pair(facts["sides"]) or FIRST.sides,
        statistics=_texts(facts["statistics"]),
        reductions=_texts(facts["reductions"]),
        constants=_texts(facts["constants"]),
    )
    _bounded(sizes.bins, _MOST_BINS)
    _checked_columns(sizes.statistics, {"low", "high"})
    _checked_columns(sizes.reductions, set())
    _checked_columns(sizes.constants, set(FIRST.constants))
    return sizes


def _site(facts: Mapping[str, Any], texts: Sequence[Any], sizes: Sizes) -> Site:
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
        query_text=_text_of(facts["query_text"], texts),
        key_text=_text_of(facts["key_text"], texts),
        features=_some(facts.get("features")),
        key_heads=_some(facts.get("key_heads")),
        strides=_pair(facts.get("strides")),
        reading=_text(facts.get("reading", "")),
        stage=_text(facts.get("stage", "")),
    )
    if site.features is not None and "strides" not in facts:  # the first version did not say
        site = replace(site, strides=sizes.strides(site.queries, site.keys))
    if site.features is None and site.strides is not None:
        raise ValueError("strides of maps that are stored whole")
    if (site.features is None) != (site.key_heads is None) or site.heads % (site.key_heads or 1):
        raise ValueError(f"{site.key_heads} heads of keys with {site.features} features")
    for table, size in ((site.query_text, site.queries), (site.key_text, site.keys)):
        if table is not None and any(len(row) != size for row in texts[table]):
            raise ValueError(f"texts of another length than the {size} positions")
    if site.kind not in KINDS:
        raise ValueError(f"kind {site.kind!r}")
    return site


def _example(facts: Mapping[str, Any], at: int) -> Example:
    tokens = facts["tokens"]
    label = facts["label"]
    if not isinstance(label, str | int | float | bool | None):
        raise TypeError("label")
    return Example(at, _text(facts["title"]), None if tokens is None else _texts(tokens), label)


def _table(facts: Mapping[str, Any]) -> Table:
    table = Table(
        kind=_text(facts["kind"]),
        members=tuple(map(_parameter, _list(facts["members"]))),
        columns=_texts(facts["columns"]),
        bins=_whole(facts["bins"], 1),
        encoding=_text(facts["encoding"]),
    )
    _bounded(table.bins, _MOST_BINS)
    _checked_columns(table.columns, {"low", "high"} if table.encoding == "linear" else set())
    return table


def _parameter(facts: Mapping[str, Any]) -> Parameter:
    name, module, shape = (_text(facts[key]) for key in ("name", "module", "shape"))
    return Parameter(name, module, shape, _whole(facts["size"], 0),
                     bool(facts.get("trainable", True)), _text(facts.get("note", "")))  # fmt: skip


def _checked_columns(names: tuple[str, ...], wanted: set[str]) -> None:
    if len(set(names)) < len(names) or not wanted <= set(names) or _TAKEN & set(names):
        raise ValueError(f"columns {names}"[:80])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is no text")
    return value


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{str(values)[:40]!r} is no list of texts")
    return tuple(map(_text, values))


def _whole(value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{str(value)[:40]!r} is no whole number from {least}")
    return value


def _some(value: Any) -> int | None:
    return None if value is None else _whole(value, 1)


def _pair(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    first, second = value
    return _whole(first, 1), _whole(second, 1)


def _choice(value: Any, among: Sequence[Any]) -> int:
    if _whole(value, 0) >= len(among):
        raise ValueError(f"{value} of {len(among)}")
    return int(value)


def _text_of(value: Any, texts: Sequence[Any]) -> int | None:
    return None if value is None else _choice(value, texts)


def _list(values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise TypeError(f"{str(values)[:40]!r} is no list")
    return values


def _bounded(size: int, most: int) -> None:
    if size > most:
        raise ValueError(f"a size of {size}, more than {most}")


def _damaged(where: str, cause: Exception) -> StoreError:
    return StoreError(
        f"{where} does not describe a recording ({type(cause).__name__}: {str(cause)[:120]}).",
        "Wanted the text that limelight wrote there.",
        "Restore the file from a copy, or record the run again.",
    )
