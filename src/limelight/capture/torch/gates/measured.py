"""What becomes of a metric as heads of a torch model are gated: by running it, and by gradient.

Room: capture, torch. Comes in: a model, a probe, targets. Goes out: numbers [gating, example], and
gradients of one number an example by each gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.gating.gates import Gates, Piece
from limelight.capture.probe import Probe
from limelight.capture.recognition import Choice
from limelight.capture.torch import names as torch_names
from limelight.capture.torch.calling import accepted, forward
from limelight.capture.torch.gates.discovery import dry_run
from limelight.capture.torch.gates.gating import gated
from limelight.capture.torch.gates.sweeping import swept
from limelight.capture.torch.scoring import scored
from limelight.capture.torch.state import untouched
from limelight.errors import StudyError

Metric = str | Callable[[Any, Any], Any]


def heads_of(model: Any, probe: Probe) -> dict[str, int]:
    """Return every site that can be gated, in the order they run, and how many heads it has."""
    plain = torch_names.unwrapped(model)

    def sites(given: Any) -> dict[str, int]:
        run = forward(plain, given, probe.call)
        with untouched(plain):
            known, _ = dry_run(plain, given, run, None, Choice.of(probe))
        return {site.name: site.heads for site in known.values()}

    return accepted(model, probe, sites)


def measured(
    model: Any, probe: Probe, gates: Sequence[Gates], metric: Metric, targets: Any
) -> NDArray[np.float64]:
    """Return a metric for each example under each of several gatings.

    Parameters
    ----------
    model : torch.nn.Module
    probe : Probe
    gates : sequence of Gates
        The first is of no sites where the metric is ``change``.
    metric : str or callable
    targets : array, optional

    Returns
    -------
    array [gating, example]

    Raises
    ------
    StudyError
        If the metric gives anything else than a number for each example.
    """
    import torch

    full: list[Any] = []

    def act(outputs: Any) -> NDArray[np.float64]:
        if not full:
            full.append(outputs if metric == "change" else None)
        values = _scored(model, outputs, targets, metric, full[0], probe.examples)
        return np.asarray(values.detach().double().cpu())

    plain = [member for member in gates if member.replace is None]
    with torch.no_grad():
        numbers = iter(swept(model, probe, plain, "auto", act) if plain else [])
        return np.stack([
            next(numbers) if member.replace is None else _replaced(model, probe, member, act)
            for member in gates
        ])  # fmt: skip


def gradients(
    model: Any, probe: Probe, heads: Mapping[str, int], metric: Metric, targets: Any
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Return a metric for each example, and its gradient by the gate of each head.

    Parameters
    ----------
    model : torch.nn.Module
    probe : Probe
    heads : mapping of str to int
        Sites and how many heads they have.
    metric : str or callable
    targets : array, optional

    Returns
    -------
    array [example], dict of str to array [example, head]
        One backward pass for all: an example's number depends on its own gates only.
    """
    import torch

    plain = torch_names.unwrapped(model)
    device = next((p.device for p in plain.parameters()), torch.device("cpu"))
    ones = {
        site: torch.ones((probe.examples, count), device=device, requires_grad=True)
        for site, count in heads.items()
    }
    gates = Gates({site: (Piece(None, gate, each_head=True),) for site, gate in ones.items()},
                  choice=Choice.of(probe))  # fmt: skip

    def differentiated(given: Any) -> Any:
        with untouched(plain), torch.enable_grad(), gated(plain, gates):
            outputs = forward(plain, given, probe.call)()
            values = _scored(model, outputs, targets, metric, None, probe.examples)
            slopes = torch.autograd.grad(values.sum(), list(ones.values()), allow_unused=True)
        return values, slopes

    values, slopes = accepted(model, probe, differentiated)
    by_site = {
        site: np.zeros((probe.examples, heads[site])) if slope is None
        else np.asarray(slope.double().cpu())
        for site, slope in zip(ones, slopes, strict=True)
    }  # fmt: skip
    return np.asarray(values.detach().double().cpu()), by_site


def _replaced(model: Any, probe: Probe, gates: Gates, act: Callable[[Any], Any]) -> Any:
    """Run once with something in the place of what heads contribute."""

    def run(given: Any) -> Any:
        plain = torch_names.unwrapped(model)
        with untouched(plain), gated(plain, gates):
            return act(forward(plain, given, probe.call)())

    return accepted(model, probe, run)


def _scored(
    model: Any, outputs: Any, targets: Any, metric: Metric, full: Any, examples: int
) -> Any:
    """Return a number for each example, or say what came instead."""
    import torch

    if isinstance(metric, str):
        return scored(torch_names.unwrapped(model), outputs, targets, metric, full)
    values = metric(outputs, None if targets is None else torch.as_tensor(targets))
    values = torch.as_tensor(values)
    if tuple(values.shape) != (examples,):
        raise StudyError(
            f"Got a metric that returned {tuple(values.shape) or 'one number'} for {examples} "
            "examples.",
            "Wanted one number for each example, of that example alone.",
            "Do not average over the batch: reduction='none', then the mean of each example.",
        )
    return values
