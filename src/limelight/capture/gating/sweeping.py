"""Runs a model under many gatings, one after another.

Room: capture. Comes in: a model, inputs, and a gating for each run. Goes out: the outputs, as if
each had been run by itself. Knows no framework.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from limelight.capture.adapter import adapter_for
from limelight.capture.gating.gates import read
from limelight.capture.probe import Probe
from limelight.capture.recognition import Choice
from limelight.errors import GateError


def sweep(
    model: Any,
    inputs: Any,
    gates: Sequence[Mapping[Any, Any]],
    *,
    batched: bool | Literal["auto"] = "auto",
) -> list[Any]:
    """Run a model once under each of several gatings, for inference, without gradients.

    What happens before the first gated head of a run is the same in all of them. In torch it is
    computed once and remembered, so that only the rest is run; results are bit for bit those of
    separate runs. Where batches are small, runs that begin at the same place are also put into one
    batch; then they differ by rounding (about 1e-6). With Keras each run is a whole one.

    Parameters
    ----------
    model : torch.nn.Module or keras.Layer
        Its forward pass must not change its state.
    inputs : Probe, array, tuple of arrays, or mapping
        As for :func:`limelight.capture`.
    gates : sequence of mapping
        Each as for :func:`limelight.capture.gate`.
    batched : bool or ``"auto"``
        Whether to join runs in batches; by default, while a batch has at most 256 positions.

    Returns
    -------
    list
        What the model returns, for each gating. Models of transformers return no cache.

    Raises
    ------
    GateError
        As :func:`limelight.capture.gate`, or if a forward pass changes the model's state.
    UnsupportedModelError
        If no adapter knows the model.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = torch.randn(1, 3, 8)
    >>> heads = [{("multiheadattention", head): 0.0} for head in range(2)]
    >>> [output.shape for output, _ in sweep(layer, (x, x, x), heads)]
    [torch.Size([1, 3, 8]), torch.Size([1, 3, 8])]
    """
    if batched not in (True, False, "auto"):
        raise GateError(
            f"Got batched={batched!r}.", "Wanted True, False or 'auto'.", "Write one of these."
        )
    probe = inputs if isinstance(inputs, Probe) else Probe(inputs)
    choice = Choice.of(probe)
    wanted = [dataclasses.replace(read(mapping), choice=choice) for mapping in gates]
    return list(adapter_for(model).sweep(model, probe, wanted, batched)) if wanted else []
