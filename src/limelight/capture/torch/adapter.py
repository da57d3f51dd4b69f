"""Adapter for PyTorch models, Hugging Face transformers among them.

Room: capture, torch. Comes in: a live model and a probe. Goes out: one labelled dataset per
attention module, and the model's weights by stable names. Nothing here imports torch before a
torch model has come in.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.capture.torch import names as torch_names
from limelight.capture.gating import Gates
from limelight.capture.probe import Probe
from limelight.capture.site import assemble, label
from limelight.capture.torch.calling import forward, prepared
from limelight.capture.torch.trace.functions import tensors
from limelight.capture.torch.recognise.attention import judged
from limelight.capture.torch.recognise.reading import sighting
from limelight.capture.torch.recognise.refusing import check, nothing
from limelight.capture.torch.state import untouched
from limelight.capture.torch.trace.recorder import watched


def matches(model: Any) -> bool:
    """Say whether a model is a torch module, and not one of Keras on torch.

    Parameters
    ----------
    model : object

    Returns
    -------
    bool
    """
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if torch is None or not hasattr(torch, "nn") or not isinstance(model, torch.nn.Module):
        return False
    return keras is None or not isinstance(model, keras.layers.Layer)


def watch(
    model: Any,
    probe: Probe,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    run: Callable[[Any, Any], Any] | None = None,
    rows: Sequence[int] | None = None,
) -> xr.DataTree:
    """Run a model once on a probe and return its attention.

    Parameters
    ----------
    model : torch.nn.Module
        Stays as it is: weights, buffers, training flags, compiled code.
    probe : Probe
        A tuple holds positional arguments, a mapping keyword arguments.
    include, exclude : sequence of str
        Paths (``*`` matches anything) of softmaxes that are attention, or are not, whatever
        limelight would say.
    run : callable, optional
        Called as ``run(model, inputs)`` instead of the plain forward.
    rows : sequence of int, optional
        Which examples are kept; the model runs on all.

    Returns
    -------
    DataTree
        One node per site, in the order the modules ran.

    Raises
    ------
    UnsupportedModelError
        If no attention was seen, or none can be.
    ProbeError
        If the model refuses the probe's inputs.
    """
    check(model)
    inputs = prepared(model, probe)
    with untouched(model):
        go = forward(model, inputs, run)
        trace, _ = watched(model, go, tensors(inputs), probe.examples, rows)
    sites, others = judged(model, trace, probe.examples, include, exclude)
    if not sites:
        raise nothing(model, trace, others)
    kept = probe if rows is None else probe.some(rows)
    return assemble([label(sighting(site, probe.examples, rows), kept) for site in sites])


def named_weights(model: Any) -> dict[str, NDArray[Any]]:
    """Return every trainable weight under a name that stays the same from run to run.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    dict of str to array
        The model's own memory where possible; do not write to it.

    Raises
    ------
    UnsupportedModelError
        If a weight has no values in this process.
    """
    return {name: _array(weight) for name, weight in torch_names.weights(model)}


def _array(weight: Any) -> NDArray[Any]:
    values = weight.detach().cpu()
    if values.is_floating_point() and values.itemsize < 4:
        values = values.float()  # NumPy knows no bfloat16
    return np.asarray(values.numpy())


def gate(model: Any, gates: Gates) -> AbstractContextManager[None]:
    """Gate heads of a model while a context lasts.

    Parameters
    ----------
    model : torch.nn.Module
    gates : Gates

    Returns
    -------
    context manager
    """
    from limelight.capture.torch.gates.gating import gated

    return gated(model, gates)


def sweep(model: Any, inputs: Any, gates: Sequence[Gates], batched: Any = "auto") -> list[Any]:
    """Run a model under each of several gatings, sharing what comes before them.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : Probe, array, tuple of arrays, or mapping
    gates : sequence of Gates
    batched : bool or ``"auto"``

    Returns
    -------
    list
    """
    from limelight.capture.torch.gates.sweeping import swept

    return swept(model, inputs, gates, batched)
