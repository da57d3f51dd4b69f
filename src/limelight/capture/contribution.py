"""What heads give to their module's output, and how a weight changes a scalar: beside weights.

Room: capture. Comes in: a captured tree, and what an adapter found for its sites. Goes out: the
tree with variables more. Knows no framework.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight import schema
from limelight.errors import UnsupportedModelError

#: Dims of what a head gives before its slice of the output projection, and after it.
_BEFORE = (schema.EXAMPLE, schema.HEAD, schema.QUERY, "head_feature")
_AFTER = (schema.EXAMPLE, schema.HEAD, schema.QUERY, "feature")


@dataclass(frozen=True, eq=False)
class Contribution:
    """What the heads of one site give.

    Attributes
    ----------
    values : array [example, head, query, head_feature]
        float32: weights times values, before the output projection.
    projected : array [example, head, query, feature], optional
        float32: after each head's slice of the projection, without its bias. Summed over heads, and
        with the bias, it is what the projection gives. None where no projection was seen.
    bias : array [feature], optional
        None where the projection has none.
    reason : str
        Why there is no ``projected``.
    """

    values: NDArray[np.float32]
    projected: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] | None = None
    reason: str = ""


def with_gradients(
    tree: xr.DataTree, gradients: Mapping[str, NDArray[Any] | str], examples: Sequence[int] | None
) -> xr.DataTree:
    """Return a tree whose sites have ``gradients`` beside ``weights``.

    Parameters
    ----------
    tree : DataTree
    gradients : mapping of str to array [example, head, query, key], or str
        A text says why a site has none; it becomes its attribute ``no_gradients``.
    examples : sequence of int, optional
        Which examples the tree holds.

    Returns
    -------
    DataTree

    Raises
    ------
    UnsupportedModelError
        If no site has any.
    """

    def added(site: xr.Dataset, given: NDArray[Any]) -> xr.Dataset | str:
        values = np.asarray(_some(given, examples), np.float32)
        shape = tuple(site.sizes[dim] for dim in schema.SITE_DIMS)
        if values.shape != shape:
            return f"weights are shown as {list(shape)}, the model holds them as " + str(
                list(values.shape)
            )
        return site.assign(gradients=(schema.SITE_DIMS, values))

    return _beside(tree, gradients, added, "gradients")


def with_contributions(
    tree: xr.DataTree, given: Mapping[str, Contribution | str], examples: Sequence[int] | None
) -> xr.DataTree:
    """Return a tree whose sites have what their heads give beside ``weights``.

    Parameters
    ----------
    tree : DataTree
    given : mapping of str to Contribution, or str
        A text says why a site has none; it becomes its attribute ``no_contributions``.
    examples : sequence of int, optional
        Which examples the tree holds.

    Returns
    -------
    DataTree
        With ``head_output`` [example, head, query, head_feature], and where a projection follows
        ``head_contribution`` [example, head, query, feature] and ``output_bias`` [feature].

    Raises
    ------
    UnsupportedModelError
        If no site has any.
    """

    def added(site: xr.Dataset, part: Contribution) -> xr.Dataset | str:
        values = _some(part.values, examples)
        shape = tuple(site.sizes[dim] for dim in schema.SITE_DIMS[:3])
        if values.shape[:3] != shape:
            return (
                f"weights are shown of {list(shape)} examples, heads and queries, heads give "
                + (str(list(values.shape[:3])))
            )
        more: dict[str, Any] = {"head_output": (_BEFORE, values)}
        if part.projected is None:
            return site.assign(more).assign_attrs(no_head_contribution=part.reason)
        more["head_contribution"] = (_AFTER, _some(part.projected, examples))
        if part.bias is not None:
            more["output_bias"] = (("feature",), part.bias)
        return site.assign(more)

    return _beside(tree, given, added, "contributions")


def _some(values: NDArray[Any], examples: Sequence[int] | None) -> NDArray[Any]:
    return values if examples is None else values[list(examples)]


def _beside(
    tree: xr.DataTree,
    given: Mapping[str, Any],
    added: Callable[[xr.Dataset, Any], xr.Dataset | str],
    what: str,
) -> xr.DataTree:
    """Add to each site what it was given, or the reason why there is nothing."""
    reasons: dict[str, str] = {}
    tree = tree.copy()
    for node in list(tree.leaves):
        site = node.to_dataset()
        name = str(site.attrs["module"]).removesuffix("/softmax")
        part = given.get(name, given.get(str(site.attrs["module"]), "it was not met"))
        more = part if isinstance(part, str) else added(site, part)
        if isinstance(more, str):
            reasons[name] = more
            more = site.assign_attrs({f"no_{what}": more})
        node.dataset = more
    if len(reasons) == len(tree.leaves):
        first, reason = next(iter(reasons.items()))
        raise UnsupportedModelError(
            f"Got {what}= for a model none of whose sites has any; {first!r}: {reason}.",
            "Wanted attention whose weights meet values in a product that can be followed.",
            "Leave it out, or let the model multiply both with matmul, bmm or einsum.",
        )
    return tree
