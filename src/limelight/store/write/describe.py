"""The description of a step: its layout, if no step before has the same.

Room: store. Comes in: a step. Goes out: a
:class:`~limelight.store.format.description.Description`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
import xarray as xr

from limelight import schema
from limelight.distribution import TensorTable
from limelight.factors import Factors, factors_of
from limelight.store.format.description import LINEAR, Description, Example, Parameter, Site, Table
from limelight.store.format.index import PARAMETER
from limelight.store.format.precision import Precision, precision
from limelight.store.format.sizes import Sizes
from limelight.store.write.step import ProbeLike, Step

_TITLE = 60

#: Half of a character, such as a token that holds half an emoji: no file and no page can hold it.
_HALF: Final = re.compile("[\ud800-\udfff]")

Texts = dict[tuple[tuple[str, ...], ...], int]


def describe(step: Step, form: Precision, sizes: Sizes) -> Description:
    """Describe a step.

    Parameters
    ----------
    step : Step
    form : Precision
        How weights will be stored.
    sizes : Sizes
        As which; histograms have as many bins as they come with.

    Returns
    -------
    Description
    """
    parameters = step.tables.get(PARAMETER)
    if parameters is not None and parameters.encoding == LINEAR:
        sizes = replace(sizes, bins=parameters.counts.shape[1])
    if any(site.attrs.get("stage") for site in step.sites.values()):
        form = precision("float16")  # what follows a softmax may lie outside 0 to 1
    texts: Texts = {}
    images = step.images
    return Description(
        precision=form,
        sites=tuple(_site(name, site, texts, form, sizes) for name, site in step.sites.items()),
        examples=_examples(step.sites, step.probe),
        tables=tuple(_statistics(kind, values, sizes) for kind, values in step.tables.items()),
        measures=tuple(
            sorted({str(name) for measured in step.measures.values() for name in measured})
        ),
        texts=tuple(texts),
        images=None if images is None else tuple(map(int, images.shape[1:])),
        images_digest="" if images is None else _digest(np.asarray(images, np.float32)),
        images_dtype="uint8" if images is not None and images.dtype == np.uint8 else "float32",
        sizes=sizes,
    )


def _site(name: str, site: xr.Dataset, texts: Texts, form: Precision, sizes: Sizes) -> Site:
    attrs, axes = site.attrs, site["weights"].sizes
    vectors = _vectors(site["weights"], form)
    return Site(
        name=name,
        module=str(attrs.get("module", name)),
        kind=str(attrs.get("kind", "self")),
        module_class=str(attrs.get("module_class", "")),
        heads=int(axes[schema.HEAD]),
        queries=int(axes[schema.QUERY]),
        keys=int(axes[schema.KEY]),
        query_layout=_layout(attrs.get("query_layout")),
        key_layout=_layout(attrs.get("key_layout")),
        framework=str(attrs.get("framework", "")),
        dtype=str(attrs.get("dtype", "")),
        query_text=_table(site, "query_token", texts),
        key_text=_table(site, "key_token", texts),
        features=None if vectors is None else int(vectors.query.shape[3]),
        key_heads=None if vectors is None else int(vectors.key.shape[1]),
        strides=None if vectors is None else sizes.strides(*vectors.shape[2:]),
        reading=whole_text(attrs.get("reading", "")),
        stage=whole_text(attrs.get("stage", "")),
    )


def _vectors(weights: xr.DataArray, form: Precision) -> Factors | None:
    """Return the factors of a site if they are smaller than its maps as they would be stored."""
    factors = factors_of(weights)
    if factors is None:
        return None
    examples, heads, queries, keys = factors.shape
    halves = 2 * (factors.query.size + factors.key.size) + 4 * examples * heads * queries
    whole = np.dtype(form.dtype).itemsize * examples * heads * queries * keys
    return factors if halves < whole else None


def _layout(value: Any) -> tuple[int, int] | None:
    return None if value is None else (int(value[0]), int(value[1]))


def _table(site: xr.Dataset, name: str, texts: Texts) -> int | None:
    """Return the number of a site's table of texts; sites with the same texts share one."""
    if name not in site:
        return None
    rows = site[name].transpose(schema.EXAMPLE, ...).values
    table = tuple(tuple(map(whole_text, row)) for row in rows.tolist())
    return texts.setdefault(table, len(texts))


def _examples(sites: Mapping[str, xr.Dataset], probe: ProbeLike | None) -> tuple[Example, ...]:
    if probe is not None:
        return tuple(_example(probe, index) for index in range(probe.examples))
    count = max((site["weights"].sizes[schema.EXAMPLE] for site in sites.values()), default=0)
    return tuple(Example(index, f"example {index}") for index in range(count))


def _example(probe: ProbeLike, index: int) -> Example:
    tokens = probe.tokens_of(index)
    words = None if tokens is None else tuple(map(whole_text, tokens))
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
    return label if isinstance(label, int | float | bool | None) else whole_text(label)


def whole_text(value: Any) -> str:
    r"""Return a value's text, with U+FFFD, the mark for what is lost, for half of a character.

    Parameters
    ----------
    value : object

    Returns
    -------
    str

    Examples
    --------
    >>> ascii(whole_text("so \ud83d"))
    "'so \\ufffd'"
    """
    return _HALF.sub("\N{REPLACEMENT CHARACTER}", str(value))


def _statistics(kind: str, values: TensorTable, sizes: Sizes) -> Table:
    members = _members(
        values.names, values.modules, values.shapes, values.sizes, values.trainable, values.notes
    )
    bins = values.counts.shape[1]
    if values.encoding == LINEAR and kind == PARAMETER:
        return Table(kind, members, sizes.statistics, bins)
    return Table(kind, members, tuple(values.columns), bins, values.encoding)


@lru_cache(maxsize=16)  # a model's tensors stay the same from step to step
def _members(*columns: tuple[Any, ...]) -> tuple[Parameter, ...]:
    return tuple(Parameter(*members) for members in zip(*columns, strict=True))


def _digest(values: np.ndarray[Any, Any]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=8).hexdigest()
