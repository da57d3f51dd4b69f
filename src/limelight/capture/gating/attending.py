"""Hands out the weights with which a model attends, inside what it is differentiated by.

Room: capture. Comes in: a live model. Goes out: a context in which each call of it leaves the
weights of its sites, as tensors that gradients flow through. Knows no framework.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from limelight.capture.adapter import adapter_for
from limelight.capture.gating.scope import Scope


@contextmanager
def attended(
    model: Any,
    *,
    sites: Sequence[str] | str | None = None,
    include: Sequence[str] | str | None = None,
    exclude: Sequence[str] | str | None = None,
    axes: Mapping[str, Any] | None = None,
) -> Iterator[Mapping[str, Any]]:
    """Let each call of a model leave its attention weights, for a loss to use.

    What the model returns stays as it is, in training to the bit: weights are those before dropout,
    computed beside a fused kernel from the queries and keys that it gets. In inference, fused paths
    of ``torch.nn`` that hide them are off, so that rounding may differ.

    Parameters
    ----------
    model : torch.nn.Module or keras.Layer
        Called as usual inside the context, in training or inference mode.
    sites : str or sequence of str, optional
        Names of sites, where ``*`` matches anything; by default all.
    include, exclude, axes : optional
        As in :class:`~limelight.capture.probe.Probe`.

    Yields
    ------
    mapping of str to tensor
        By site, weights [example, head, query, key] of the newest call, in the precision the model
        computes in; gradients flow through them to parameters and inputs. Empty before the first
        call.

    Raises
    ------
    GateError
        If a site is not there, or its weights cannot be handed out.
    UnsupportedModelError
        If no adapter knows the model.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = torch.randn(1, 3, 8)
    >>> with attended(layer) as weights:
    ...     _ = layer(x, x, x)
    ...     loss = weights["multiheadattention"][..., 0].mean()
    >>> loss.backward()
    >>> bool(layer.in_proj_weight.grad.any())
    True
    """
    scope = Scope.of(sites, include, exclude, axes)
    with adapter_for(model).attended(model, scope) as weights:
        yield weights
