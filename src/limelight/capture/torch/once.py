"""Runs a torch model once on a probe and returns its attention.

Room: capture, torch. Comes in: a live model and a probe. Goes out: one labelled dataset per
attention module; the model is left as it was. Loaded when a torch model has come in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

from limelight.capture.probe import Probe
from limelight.capture.recognition import Choice
from limelight.capture.site import assemble, label
from limelight.capture.torch.calling import accepted, example_axes, forward
from limelight.capture.torch.recognise.attention import recognised
from limelight.capture.torch.recognise.reading import captured
from limelight.capture.torch.recognise.refusing import check, nothing
from limelight.capture.torch.state import untouched
from limelight.capture.torch.trace.functions import tensors
from limelight.capture.torch.trace.recorder import Trace, watched


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
            return watched(model, run, tensors(inputs), probe.examples, examples, axes)[0]

    trace = accepted(model, probe, observed)
    sites, softmaxes = recognised(model, trace, probe.examples, Choice.of(probe))
    if not sites:
        raise nothing(model, trace, [softmax for softmax in softmaxes if softmax.kind is None])
    part = probe if examples is None else probe.some(examples)
    return assemble([label(captured(site, probe.examples, examples), part) for site in sites])
