"""Runs a Keras model once on a probe, on TensorFlow, JAX or torch, and returns its attention.

Room: capture, Keras. Comes in: a live model and a probe. Goes out: one labelled dataset per
attention module; the model is left as it was. Loaded when a Keras model has come in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from limelight.capture.keras import calling
from limelight.capture.keras.backends.backend import backend
from limelight.capture.keras.listen.arguments import is_whole
from limelight.capture.keras.listen.listening import listening
from limelight.capture.keras.listen.provenance import ProvenanceTracker
from limelight.capture.keras.names import every_parameter
from limelight.capture.keras.recognise.attention import Recogniser
from limelight.capture.keras.recognise.layouts import Layout, layouts
from limelight.capture.keras.recognise.naming import COMPILED, nothing, recognised
from limelight.capture.keras.recognise.reading import Reader
from limelight.capture.keras.recognise.values import with_values
from limelight.capture.keras.state import untouched
from limelight.capture.keras.trace import Trace
from limelight.capture.probe import Probe
from limelight.capture.recognition import Choice, Softmax
from limelight.capture.site import assemble, label
from limelight.capture.special import special
from limelight.errors import UnsupportedModelError


def watch(
    model: Any,
    probe: Probe,
    examples: Sequence[int] | None = None,
) -> xr.DataTree:
    """Run a model once on a probe and return its attention.

    Parameters
    ----------
    model : keras.Model
        Stays as it is: parameters, state, compiled functions.
    probe : Probe
        What it says of softmaxes counts, whatever limelight would say.
    examples : sequence of int, optional
        Which examples are kept; the model runs on all.

    Returns
    -------
    DataTree
        One node per site, in the order the modules ran.

    Raises
    ------
    UnsupportedModelError
        If no attention was seen, the probe says how to ``call`` it, or Keras runs on a backend
        that limelight does not know.
    ProbeError
        If the model refuses the probe's inputs.
    """
    return laid_out(model, probe, examples)[0]


def laid_out(
    model: Any, probe: Probe, examples: Sequence[int] | None = None
) -> tuple[xr.DataTree, dict[str, list[Layout]]]:
    """Run a model once; return its attention, and where heads lie.

    Parameters
    ----------
    model : keras.Model
    probe : Probe
    examples : sequence of int, optional
        Which examples are kept.

    Returns
    -------
    DataTree
        As :func:`watch` returns it.
    dict of str to list of Layout
        Paths of layers, to their softmaxes in the order they ran.
    """
    trace, inputs = _observed(model, probe)
    tracker = ProvenanceTracker(trace, inputs)
    recogniser = Recogniser(trace, tracker, probe.examples, inputs)
    groups, softmaxes = recognised(model, trace, recogniser, Choice.of(probe))
    if not groups:
        raise nothing(model, trace, softmaxes)
    read = Reader(tracker, probe)
    before: tuple[str, ...] = ()
    if probe.layout is not None:
        before = special((name, variable.shape) for name, variable, _ in every_parameter(model))
    sites = [label(read(path, group), probe, before) for path, group in groups]
    if examples is not None:
        sites = [site.isel(example=list(examples)) for site in sites]
    return assemble(sites), layouts(model, trace, recogniser, groups)


def softmaxes(
    model: Any, probe: Probe, example: int | None
) -> tuple[str, list[Softmax], list[str]]:
    """Run a model once on a probe, and say of every softmax what it was taken for.

    Parameters
    ----------
    model : keras.Model
    probe : Probe
    example : int, optional
        Whose values are kept and compared with the model's own.

    Returns
    -------
    str
        The model's name.
    list of Softmax
        In the order they ran.
    list of str
        What else may hide attention.
    """
    trace, inputs = _observed(model, probe, examined=example is not None)
    recogniser = Recogniser(trace, ProvenanceTracker(trace, inputs), probe.examples, inputs)
    choice = replace(Choice.of(probe), strict=False)
    _, rows = recognised(model, trace, recogniser, choice)
    if example is not None:
        pairs = zip(rows, trace.softmaxes, strict=True)
        rows = [with_values(row, softmax, probe.examples, example) for row, softmax in pairs]
    return str(model.name), rows, [COMPILED] if trace.hidden else []


def _observed(model: Any, probe: Probe, examined: bool = False) -> tuple[Trace, list[Any]]:
    """Run a model once, leaving no trace, and return what it did and was called with."""
    backend().ready(model)
    if probe.call is not None:
        raise UnsupportedModelError(
            f"Got call= for the Keras model {model.name!r}.",
            "Only torch models are run by a function of yours.",
            "Leave call out; wrap what you want to run in a keras.Model, and pass that.",
        )
    if not model.built:
        calling.run(model, probe)  # builds it, as its owner's first call would
    with untouched(model), listening(model) as trace:
        trace.examined = examined
        inputs = calling.run(model, probe, lambda given: _begin(trace, probe, given))
    return trace, inputs


def _begin(trace: Trace, probe: Probe, inputs: list[Any]) -> None:
    """Say what the axes of a model's inputs count."""
    for number, (tensor, axis) in enumerate(zip(inputs, probe.example_axes, strict=True)):
        if hasattr(tensor, "shape"):
            trace.flow.input(tensor, number, axis, is_whole(tensor))
