"""Joins sites of equal shape into one array.

Room: capture. Comes in: the tree of :func:`limelight.capture.capture`. Goes out: one dataset with
a dim ``layer``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from limelight import schema
from limelight.errors import UnequalSitesError


def stack(tree: xr.DataTree) -> xr.Dataset:
    """Join a tree's sites along ``layer``.

    Parameters
    ----------
    tree : DataTree
        One node per site, as :func:`limelight.capture.capture` gives it. Cut it first to take some
        sites only, such as ``tree["encoder"]``.

    Returns
    -------
    Dataset
        ``weights`` [example, layer, head, query, key] and what else every site has; coords
        ``layer`` (0, 1, …) and ``module`` (the sites' paths).

    Raises
    ------
    UnequalSitesError
        If the sites differ in shape, or there is none.

    Examples
    --------
    >>> weights = (("example", "head", "query", "key"), np.full((1, 2, 3, 3), 1 / 3))
    >>> site = xr.Dataset({"weights": weights}, attrs={"module": "a"})
    >>> dict(stack(xr.DataTree.from_dict({"a": site, "b": site})).sizes)["layer"]
    2
    """
    nodes = [node.to_dataset(inherit=False) for node in tree.subtree if "weights" in node.data_vars]
    marks = [name for name in schema.POSITIONS if any(name in site.coords for site in nodes)]
    sites = [site.reset_coords([name for name in marks if name in site]) for site in nodes]
    sites.sort(key=lambda site: int(site.attrs.get("order", 0)))
    if not sites:
        raise UnequalSitesError(
            "Got a tree without sites.",
            "Wanted at least one node with 'weights'.",
            "Pass what limelight.capture returned.",
        )
    names = [str(site.attrs.get("module", index)) for index, site in enumerate(sites)]
    shapes = [tuple(site.sizes[dim] for dim in schema.SITE_DIMS) for site in sites]
    if len(set(shapes)) > 1:
        listed = ", ".join(f"{n} {s}" for n, s in zip(names, shapes, strict=True))
        raise UnequalSitesError(
            f"Got sites of different shapes (example, head, query, key): {listed}.",
            "Wanted equal shapes to form one array.",
            "Stack a part of the tree, such as tree['encoder'], or use the sites one by one.",
        )
    common = set.intersection(*({str(name) for name in site.data_vars} for site in sites))
    heads = any(schema.HEAD in site["allowed"].dims for site in sites if "allowed" in site)
    layers = [_even(site[sorted(common)], heads and "allowed" in common) for site in sites]
    computed = [name for name in ("weights", "allowed") if name in common and _lazy(layers, name)]
    ready = [site.drop_vars(computed) for site in layers]
    joined = xr.concat(ready, dim=schema.LAYER, join="exact", combine_attrs="drop_conflicts")
    joined = joined.assign({name: _layered([layer[name] for layer in layers]) for name in computed})
    joined = joined.assign_coords(
        {
            schema.LAYER: np.arange(len(sites)),
            "module": (schema.LAYER, np.array(names, dtype=np.str_)),
        }
    )
    joined = joined.set_coords([name for name in marks if name in joined])
    return joined.transpose(
        schema.EXAMPLE, schema.LAYER, schema.HEAD, schema.QUERY, schema.KEY, missing_dims="ignore"
    )


class _Layers(BackendArray):
    """Variables of equal shape, joined along a first axis when they are looked at."""

    def __init__(self, members: Sequence[xr.Variable]) -> None:
        self.members = members
        self.shape = (len(members), *members[0].shape)
        self.dtype = members[0].dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        support = indexing.IndexingSupport.BASIC
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        chosen = np.arange(len(self.members))[key[0]]
        if chosen.ndim == 0:
            return np.asarray(self.members[int(chosen)][key[1:]].values)
        return np.stack([self.members[index][key[1:]].values for index in chosen])


def _lazy(layers: Sequence[xr.Dataset], name: str) -> bool:
    """Tell whether a variable of any layer is computed when it is looked at."""
    return not all(site[name].variable._in_memory for site in layers)


def _layered(arrays: Sequence[xr.DataArray]) -> xr.Variable:
    members = [array.variable for array in arrays]
    joined = indexing.LazilyIndexedArray(_Layers(members))
    return xr.Variable((schema.LAYER, *members[0].dims), joined)


def _even(site: xr.Dataset, with_heads: bool) -> xr.Dataset:
    """Give ``allowed`` a head dim where another layer's has one."""
    if not with_heads or schema.HEAD in site["allowed"].dims:
        return site
    spread = site["allowed"].expand_dims({schema.HEAD: site.sizes[schema.HEAD]})
    return site.assign(allowed=spread.transpose(*schema.SITE_DIMS))
