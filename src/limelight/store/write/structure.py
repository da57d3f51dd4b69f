"""The description of a recording, made from the first step that is recorded.

Room: store. Comes in: a tree of sites, measures, parameters, a probe. Goes out: a
:class:`~limelight.store.format.description.Description`, and what is stored once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import xarray as xr

from limelight import schema
from limelight.store.format.description import Description, Example, Parameter, Site
from limelight.store.format.packing import vectors_of
from limelight.store.format.precision import Precision

_TITLE = 60

Texts = dict[tuple[tuple[str, ...], ...], int]


class ProbeLike(Protocol):
    """What the store wants to know of a probe."""

    @property
    def labels(self) -> Sequence[Any] | None:
        """The class of each example."""

    @property
    def examples(self) -> int:
        """How many there are."""

    @property
    def images(self) -> np.ndarray[Any, Any] | None:
        """Pictures [example, row, column], if positions are their pixels."""

    def tokens_of(self, example: int) -> Sequence[str] | None:
        """Text of one example's positions."""


def sites_of(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """Return the sites of a captured tree by name, in the order of the tree.

    Parameters
    ----------
    tree : DataTree
        Nodes that hold ``weights``.

    Returns
    -------
    dict of str to Dataset
    """
    found: dict[str, xr.Dataset] = {}

    def walk(node: xr.DataTree) -> None:
        if "weights" in node.data_vars:
            site = node.to_dataset()
            name = node.path.strip("/") or str(site.attrs.get("module", "attention"))
            found[name] = site
        for child in node.children.values():
            walk(child)

    walk(tree)
    return found


def describe(
    form: Precision,
    sites: Mapping[str, xr.Dataset],
    measures: Sequence[str],
    parameters: xr.Dataset | None,
    probe: ProbeLike | None,
) -> Description:
    """Describe a recording whose first step holds these.

    Parameters
    ----------
    form : Precision
        How weights will be stored.
    sites : mapping of str to Dataset
    measures : sequence of str
        Names of the measures to store.
    parameters : Dataset, optional
    probe : ProbeLike, optional

    Returns
    -------
    Description
    """
    texts: Texts = {}
    images = None if probe is None else probe.images
    return Description(
        precision=form,
        sites=tuple(_site(name, site, texts, form) for name, site in sites.items()),
        examples=_examples(sites, probe),
        parameters=() if parameters is None else _parameters(parameters),
        measures=tuple(measures),
        texts=tuple(texts),
        images=None if images is None else (int(images.shape[1]), int(images.shape[2])),
        images_digest="" if images is None else _digest(np.asarray(images, np.float32)),
    )


def _site(name: str, site: xr.Dataset, texts: Texts, form: Precision) -> Site:
    attrs, sizes = site.attrs, site["weights"].sizes
    vectors = vectors_of(site["weights"], form)
    return Site(
        name=name,
        module=str(attrs.get("module", name)),
        kind=str(attrs.get("kind", "self")),
        module_class=str(attrs.get("module_class", "")),
        heads=int(sizes[schema.HEAD]),
        queries=int(sizes[schema.QUERY]),
        keys=int(sizes[schema.KEY]),
        query_layout=_layout(attrs.get("query_layout")),
        key_layout=_layout(attrs.get("key_layout")),
        framework=str(attrs.get("framework", "")),
        dtype=str(attrs.get("dtype", "")),
        query_text=_table(site, "query_token", texts),
        key_text=_table(site, "key_token", texts),
        features=None if vectors is None else int(vectors.query.shape[3]),
        key_heads=None if vectors is None else int(vectors.key.shape[1]),
    )


def _layout(value: Any) -> tuple[int, int] | None:
    return None if value is None else (int(value[0]), int(value[1]))


def _table(site: xr.Dataset, name: str, texts: Texts) -> int | None:
    """Return the number of a site's table of texts; sites with the same texts share one."""
    if name not in site:
        return None
    rows = site[name].transpose(schema.EXAMPLE, ...).values
    table = tuple(tuple(map(str, row)) for row in rows.tolist())
    return texts.setdefault(table, len(texts))


def _examples(sites: Mapping[str, xr.Dataset], probe: ProbeLike | None) -> tuple[Example, ...]:
    if probe is not None:
        return tuple(_example(probe, index) for index in range(probe.examples))
    count = max((site["weights"].sizes[schema.EXAMPLE] for site in sites.values()), default=0)
    return tuple(Example(index, f"example {index}") for index in range(count))


def _example(probe: ProbeLike, index: int) -> Example:
    tokens = probe.tokens_of(index)
    words = None if tokens is None else tuple(map(str, tokens))
    title = " ".join(word for word in words or () if word) or f"example {index}"
    if len(title) > _TITLE:
        title = title[: _TITLE - 1] + "…"
    label = None if probe.labels is None else probe.labels[index]
    return Example(index, title, words, _plain_label(label))


def _plain_label(label: Any) -> str | int | float | bool | None:
    if isinstance(label, np.generic | np.ndarray) and np.size(label) == 1:
        label = label.item()
    if isinstance(label, float) and not np.isfinite(label):
        return str(label)
    return label if isinstance(label, str | int | float | bool | None) else str(label)


def _parameters(parameters: xr.Dataset) -> tuple[Parameter, ...]:
    columns = [parameters[name].values.tolist() for name in ("parameter", "module", "shape")]
    sizes = parameters["size"].values.tolist()
    rows = zip(*columns, sizes, strict=True)
    return tuple(
        Parameter(str(name), str(module), str(shape), int(size))
        for name, module, shape, size in rows
    )


def _digest(values: np.ndarray[Any, Any]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=8).hexdigest()
