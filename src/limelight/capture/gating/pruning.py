"""Takes heads out of a model for good.

Room: capture. Comes in: a live model, and heads. Goes out: the same model without them. Knows no
framework.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from limelight.capture.adapter import adapter_for
from limelight.capture.gating.gates import Gates, read
from limelight.capture.probe import Probe
from limelight.capture.recognition import Choice
from limelight.errors import GateError, LimelightWarning

Model = TypeVar("Model")

#: Heads as a user writes them.
Heads = Mapping[str, Any] | Iterable[tuple[str, int]]


def prune(model: Model, heads: Heads, *, inputs: Any = None, smaller: bool = False) -> Model:
    """Take heads out of a model for good: what they wrote into the output is zero from now on.

    Their slices of the output projection become exact zeros, so that the model computes what it
    does under :func:`limelight.capture.gate` with these heads at 0, costs as much as before, and is
    saved and loaded as usual, also into a model that was not pruned. Training may bring such a head
    back: the zeros are ordinary parameters.

    Parameters
    ----------
    model : torch.nn.Module or keras.Model
        Changed itself.
    heads : mapping of str to sequence of int, or sequence of (str, int)
        Heads by their site, as :func:`limelight.capture` names it.
    inputs : Probe, array, tuple of arrays, or mapping, optional
        A few examples, as for :func:`limelight.capture`: the model is run on them to find the
        projections, and to compare it with the gated one. Without them, inputs are made up of what
        the model's first layers take, where that is plain.
    smaller : bool
        Take the heads' queries, keys, values and outputs out altogether, which saves time and
        memory; only where these are separate layers, and whole groups of heads where several share
        their keys. Elsewhere they are zeros, and a warning says why no time is saved. A smaller
        model's parameters load into one that was pruned alike.

    Returns
    -------
    model
        The very same.

    Raises
    ------
    GateError
        If inputs are wanted, a site or head is not there, its projection cannot be found or is
        shared with other sites, or the pruned model does not compute what the gated one does; the
        model is as before then.
    UnsupportedModelError
        If no adapter knows the model.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = torch.randn(1, 3, 8)
    >>> _ = prune(layer, {"multiheadattention": [1]}, inputs=(x, x, x))
    >>> bool((layer.out_proj.weight[:, 4:] == 0).all())
    True
    """
    gates = read(_closed(heads))
    probe = inputs if inputs is None or isinstance(inputs, Probe) else Probe(inputs)
    if probe is not None:
        gates = replace(gates, choice=Choice.of(probe))
    reason = adapter_for(model).prune(model, probe, gates, smaller)
    if reason:
        warnings.warn(
            LimelightWarning(
                f"limelight.prune took heads out as zeros, which saves no time: {reason}."
            ),
            stacklevel=2,
        )
    return model


def _closed(heads: Heads) -> dict[tuple[str, int], float]:
    """Return gates that close the heads that a user wrote."""
    pairs: list[tuple[Any, Any]] = []
    try:
        if isinstance(heads, Mapping):
            pairs = [(site, head) for site, several in heads.items() for head in _several(several)]
        else:
            pairs = [(site, head) for site, head in heads]
    except (TypeError, ValueError):
        pairs = []
    if not pairs or not all(isinstance(s, str) and hasattr(h, "__index__") for s, h in pairs):
        raise GateError(
            f"Got heads={heads!r}.",
            "Wanted a mapping from sites to numbers of heads, or pairs of both.",
            'Write it as {"encoder/attention": [0, 3]}.',
        )
    return {(site, int(head)): 0.0 for site, head in pairs}


def _several(heads: Any) -> Sequence[Any]:
    return [heads] if hasattr(heads, "__index__") else list(heads)


def heads_of(gates: Gates, known: Mapping[str, int]) -> dict[str, list[int]]:
    """Return the heads that gates close, by site, in order.

    Parameters
    ----------
    gates : Gates
    known : mapping of str to int
        How many heads each site has.

    Returns
    -------
    dict of str to list of int
    """
    return {
        site: sorted({head for piece in pieces for head in piece.indices(known[site])})
        for site, pieces in gates.sites.items()
    }
