"""Changes what single heads contribute, while a context lasts.

Room: capture. Comes in: a live model, and how strong each head shall be. Goes out: a context in
which the model computes just that. Knows no framework; the adapter of the model's own does the
work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from limelight.capture.adapter import adapter_for
from limelight.capture.gating.gates import Replace, read


@contextmanager
def gate(
    model: Any,
    gates: Mapping[Any, Any],
    *,
    replace: Replace = None,
    reference: Any = None,
) -> Iterator[None]:
    """Scale, silence or replace what single heads contribute, while the context lasts.

    A head's contribution is its weighted values, before the output projection. It becomes
    ``gate · own + (1 − gate) · other``. A gate of one everywhere leaves every bit as it was.

    On the first call inside, the model is run on the same inputs twice more: to find its sites,
    and to test that silencing the named heads reaches the model. Later contexts of the same model
    trust that, and only check that each named site ran. Nothing stays behind afterwards, also
    after an exception.

    Parameters
    ----------
    model : torch.nn.Module or keras.Layer
        Called as usual inside the context.
    gates : mapping
        From ``(site, head)``, ``(site, heads)`` (a range, a tuple, or from Python 3.12 a slice) or
        ``(site, None)`` (all heads) to a number, a 0-d tensor, or a tensor [example]: a gate for
        each example. Or from ``site`` to a tensor [head] or [example, head]. Sites bear the names
        that :func:`limelight.capture` gives them. Gradients flow to tensors. A later entry wins.
    replace : ``"mean"``, ``"sample"``, ``"uniform"``, optional
        What ``other`` is: zero; the head's mean over examples and positions (padding included);
        its contribution in another example, at the same position; or what it would contribute if
        each query attended evenly to all that it may attend to.
    reference : inputs, optional
        What means and samples are taken from, run through the model ungated when first needed.
        Example ``i`` gets the sample of the reference's example ``i``, counted round. Without it
        the batch itself is used, and example ``i`` gets the sample of example ``i + 1``. A Probe
        also says which softmaxes are attention, by its ``include``, ``exclude`` and ``axes``.

    Yields
    ------
    None

    Raises
    ------
    GateError
        On the first call, if a site or head is not there (all that are get listed), or gating does
        not reach the model; at the end, if a named site never ran.
    UnsupportedModelError
        If no adapter knows the model.

    Notes
    -----
    What ``torch.compile``, ``tf.function`` or ``jax.jit`` compiled runs uncompiled inside, as do
    ``fit`` and ``predict`` of Keras; fused inference paths of ``torch.nn`` are off. So rounding may
    differ from that outside. If a torch model recomputes activations in the backward pass, run
    that pass inside, too. Calls of a torch model from other threads pass ungated. Of Keras layers
    that take a softmax of their own the weights themselves are scaled, and nothing can stand in.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = torch.randn(1, 3, 8)
    >>> with gate(layer, {("multiheadattention", None): 0.0}):
    ...     silent, _ = layer(x, x, x)
    >>> bool((silent == layer.out_proj.bias).all())
    True
    """
    wanted = read(gates, replace, reference)
    with adapter_for(model).gate(model, wanted):
        yield
