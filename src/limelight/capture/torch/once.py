"""Runs a torch model once on a probe and returns its attention.

Room: capture, torch. Comes in: a live model and a probe. Goes out: one labelled dataset per
attention module; the model is left as it was. Loaded when a torch model has come in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from limelight.capture.probe import Probe
from limelight.capture.recognition import Choice, Softmax
from limelight.capture.site import assemble, label
from limelight.capture.special import special
from limelight.capture.torch.calling import accepted, example_axes, forward
from limelight.capture.torch.names import every_parameter, name_of
from limelight.capture.torch.recognise.attention import recognised
from limelight.capture.torch.recognise.reading import captured
from limelight.capture.torch.recognise.refusing import check, notes, nothing
from limelight.capture.torch.recognise.steps import pools
from limelight.capture.torch.recognise.values import with_values
from limelight.capture.torch.state import untouched
from limelight.capture.torch.trace.functions import tensors
from limelight.capture.torch.trace.recorder import Trace, watched
from limelight.capture.torch.trace.values import Computed, examined


def watch(
    model: Any,
    probe: Probe,
    examples: Sequence[int] | None = None,
) -> xr.DataTree:
    """Run a model once on a probe and return its attention.

    Parameters
    ----------
    model : torch.nn.Module
        Stays as it is: parameters, buffers, training flags, compiled code.
    probe : Probe
        A tuple holds positional arguments, a mapping keyword arguments. What it says of softmaxes
        counts, whatever limelight would say.
    examples : sequence of int, optional
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

    def observed(inputs: Any) -> Trace:
        with untouched(model):
            run = forward(model, inputs, probe.call)
            axes = example_axes(probe)
            given = tensors(inputs)
            return watched(model, run, given, probe.examples, examples, axes, probe.worded)[0]

    trace = accepted(model, probe, observed)
    sites, softmaxes = recognised(model, trace, probe.examples, Choice.of(probe))
    if not sites:
        raise nothing(model, trace, [softmax for softmax in softmaxes if softmax.kind is None])
    part = probe if examples is None else probe.some(examples)
    before: tuple[str, ...] = ()
    if probe.layout is not None:
        before = special((name, value.shape) for name, value in every_parameter(model))
    return assemble(
        [label(captured(site, probe.examples, examples), part, before) for site in sites]
    )


def softmaxes(
    model: Any, probe: Probe, example: int | None
) -> tuple[str, list[Softmax], list[str]]:
    """Run a model once on a probe, and say of every softmax what it was taken for.

    Parameters
    ----------
    model : torch.nn.Module
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
    check(model)

    def observed(inputs: Any) -> tuple[Trace, dict[Any, Computed]]:
        with untouched(model):
            run = forward(model, inputs, probe.call)
            axes = example_axes(probe)
            if example is not None:
                return examined(model, run, tensors(inputs), probe.examples, axes)
            return watched(model, run, tensors(inputs), probe.examples, None, axes)[0], {}

    trace, computed = accepted(model, probe, observed)
    choice = replace(Choice.of(probe), strict=False)
    sites, rows = recognised(model, trace, probe.examples, choice)
    pooling = {site.path for site in sites if pools(site)}
    rows = [
        replace(row, kind="pooling") if row.path in pooling and row.kind else row for row in rows
    ]
    if example is not None:
        rows = [with_values(row, computed, probe.examples, example) for row in rows]
    return name_of(model), rows, notes(model, trace)
