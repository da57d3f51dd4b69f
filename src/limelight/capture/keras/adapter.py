"""Adapter for Keras 3, on TensorFlow, JAX or torch.

Room: capture, Keras. Comes in: a live model and a probe. Goes out: one labelled dataset per
attention module, and the model's weights by stable names. Nothing here imports Keras before a
Keras model has come in.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.capture.keras import names as keras_names
from limelight.capture.gating import Gates
from limelight.capture.keras.backends.backend import backend
from limelight.capture.keras.calling import run as call
from limelight.capture.keras.recognise.reading import pick
from limelight.capture.keras.state import untouched
from limelight.capture.keras.watch.listening import listening
from limelight.capture.probe import Probe
from limelight.capture.site import assemble, label
from limelight.errors import UnsupportedModelError


def matches(model: Any) -> bool:
    """Say whether a model is a Keras 3 model or layer.

    Parameters
    ----------
    model : object

    Returns
    -------
    bool
    """
    keras = sys.modules.get("keras")
    return (
        keras is not None and hasattr(keras, "Operation") and isinstance(model, keras.layers.Layer)
    )


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
    model : keras.Model
        Stays as it is: weights, state, compiled functions.
    probe : Probe
    include, exclude : sequence of str
        Paths (``*`` matches anything) of softmaxes that are attention, or are not, whatever
        limelight would say.
    run : callable, optional
        Not for Keras models.
    rows : sequence of int, optional
        Which examples are kept; the model runs on all.

    Returns
    -------
    DataTree
        One node per site, in the order the modules ran.

    Raises
    ------
    UnsupportedModelError
        If no attention was seen, ``run`` is given, or Keras runs on a backend that limelight
        does not know.
    ProbeError
        If the model refuses the probe's inputs.
    """
    backend().ready(model)
    if run is not None:
        raise UnsupportedModelError(
            f"Got run= for the Keras model {model.name!r}.",
            "Only torch models are run by a function of yours.",
            "Leave run out; wrap what you want to run in a keras.Model, and pass that.",
        )
    if not model.built:
        call(model, probe)  # builds it, as its owner's first call would
    with untouched(model), listening(model) as trace:
        inputs = call(model, probe)
    found = pick(model, trace, inputs, probe, include, exclude)
    sites = [label(sighting, probe) for sighting in found]
    if rows is not None:
        sites = [site.isel(example=list(rows)) for site in sites]
    return assemble(sites)


def named_weights(model: Any) -> dict[str, NDArray[Any]]:
    """Return every trainable weight under a name that stays the same from run to run.

    Parameters
    ----------
    model : keras.Model
        Built.

    Returns
    -------
    dict of str to array
        The model's own memory where possible; do not write to it.

    Raises
    ------
    UnsupportedModelError
        If the model has no weights yet, or Keras runs on a backend that limelight does not know.
    """
    knows = backend()
    knows.ready(model)
    if not model.built:
        raise UnsupportedModelError(
            f"Got the model {model.name!r}, which has no weights yet.",
            "Wanted a built model.",
            "Call it once on a batch, or give it a keras.Input.",
        )
    return {name: np.asarray(knows.read(v)) for name, v in keras_names.weights(model)}


def gate(model: Any, gates: Gates) -> AbstractContextManager[None]:
    """Gate heads of a model while a context lasts.

    Parameters
    ----------
    model : keras.Layer
    gates : Gates

    Returns
    -------
    context manager
    """
    from limelight.capture.keras.gates.gating import gated

    backend()  # one that limelight does not know is an error
    return gated(model, gates)


def sweep(model: Any, inputs: Any, gates: Sequence[Gates], batched: Any = "auto") -> list[Any]:  # noqa: ARG001
    """Run a model under each of several gatings, each time as a whole.

    Parameters
    ----------
    model : keras.Layer
    inputs : Probe, array, tuple of arrays, or dict
    gates : sequence of Gates
    batched : bool or ``"auto"``
        Without effect.

    Returns
    -------
    list
    """
    from limelight.capture.keras.gates.gating import swept

    backend()
    return swept(model, inputs if isinstance(inputs, Probe) else Probe(inputs), gates)
