"""Adapter for Keras 3, on TensorFlow, JAX or torch.

Room: capture, Keras. Its face: the members of :class:`~limelight.capture.adapter.Adapter`, each of
which loads what it needs when it is called. Nothing here imports Keras before a Keras model has
come in.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from limelight.capture.adapter import Parameter
    from limelight.capture.contribution import Contribution
    from limelight.capture.gating.cutting import Cut
    from limelight.capture.gating.gates import Gates
    from limelight.capture.gating.scope import Scope
    from limelight.capture.probe import Probe
    from limelight.capture.recognition import Softmax
    from limelight.capture.settings import Setting
    from limelight.capture.watching import Schedule, Training
    from limelight.distribution import TensorTable


def matches(model: Any) -> bool:
    """Say whether a model is a Keras 3 model or layer."""
    keras = sys.modules.get("keras")
    return (
        keras is not None and hasattr(keras, "Operation") and isinstance(model, keras.layers.Layer)
    )


def watch(model: Any, probe: Probe, examples: Sequence[int] | None = None) -> xr.DataTree:
    """Run a model once on a probe and return its attention, a node for each site."""
    from limelight.capture.keras import once

    return once.watch(model, probe, examples)


def softmaxes(
    model: Any, probe: Probe, example: int | None
) -> tuple[str, list[Softmax], list[str]]:
    """Run a model once on a probe, and say of every softmax what it was taken for."""
    from limelight.capture.keras import once

    return once.softmaxes(model, probe, example)


def named_parameters(model: Any) -> dict[str, NDArray[Any]]:
    """Return every trainable parameter under a name that stays the same from run to run."""
    from limelight.capture.keras import parameters

    return parameters.named_parameters(model)


def every_parameter(model: Any) -> dict[str, Parameter]:
    """Return every parameter, frozen or not, with what is to be said of it."""
    from limelight.capture.keras import parameters

    return parameters.every_parameter(model)


def training(model: Any, schedule: Schedule, *, gradients: bool, updates: bool) -> Training:
    """See a model's optimizer steps, as they are made, until it is closed."""
    from limelight.capture.keras.optimizing import Watch

    return Watch(model, schedule, gradients=gradients, updates=updates)


def activations(model: Any, probe: Probe) -> TensorTable:
    """Run a model once on a probe, and sum up what its activation and normalisation layers give."""
    from limelight.capture.keras.activating import activations

    return activations(model, probe)


def settings(model: Any) -> list[Setting]:
    """Look at settings of a model that often are mistakes; nothing is run."""
    from limelight.capture.keras.setup import settings

    return settings(model)


def gate(model: Any, gates: Gates) -> AbstractContextManager[None]:
    """Gate heads of a model while a context lasts."""
    from limelight.capture.keras.gates import gating

    return gating.gated(model, gates)


def sweep(model: Any, probe: Probe, gates: Sequence[Gates], batched: Any = "auto") -> list[Any]:  # noqa: ARG001
    """Run a model under each of several gatings, each time as a whole."""
    from limelight.capture.keras.gates import gating

    return gating.swept(model, probe, gates)


def heads(model: Any, probe: Probe) -> dict[str, int]:
    """Return every site whose heads can be gated, and how many it has."""
    from limelight.capture.keras.gates import measured

    return measured.heads_of(model, probe)


def measured(
    model: Any, probe: Probe, gates: Sequence[Gates], metric: Any, targets: Any
) -> NDArray[Any]:
    """Return a metric [gating, example] under each of several gatings."""
    from limelight.capture.keras.gates import measured

    return measured.measured(model, probe, gates, metric, targets)


def gate_gradients(
    model: Any, probe: Probe, heads: Mapping[str, int], metric: Any, targets: Any
) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """Return a metric for each example, and its gradient by the gate of each head."""
    from limelight.capture.keras.gates import measured

    return measured.gradients(model, probe, heads, metric, targets)


def cut(model: Any, cut: Cut) -> AbstractContextManager[None]:
    """Let queries attend to some keys only while a context lasts."""
    from limelight.capture.keras.doors import edges

    return edges.cut(model, cut)


def attended(model: Any, scope: Scope) -> AbstractContextManager[Mapping[str, Any]]:
    """Let each call leave its weights in the graph, by site."""
    from limelight.capture.keras.doors import graph

    return graph.attended(model, scope)


def weight_gradients(model: Any, probe: Probe, scalar: Any) -> dict[str, NDArray[Any] | str]:
    """Return what a scalar of the outputs changes by with each weight, by site."""
    from limelight.capture.keras.doors import graph

    return graph.weight_gradients(model, probe, scalar)


def contributions(model: Any, probe: Probe) -> dict[str, Contribution | str]:
    """Return what each head gives, before and after its slice of the output projection."""
    from limelight.capture.keras.doors import projecting

    return projecting.contributions(model, probe)


def prune(model: Any, probe: Probe | None, gates: Gates, smaller: bool) -> str:
    """Take heads out for good; return why no time is saved."""
    from limelight.capture.keras.doors import pruning

    return pruning.prune(model, probe, gates, smaller)


def key_heads(model: Any, heads: dict[str, int], probe: Probe) -> dict[str, int]:
    """Return how many heads the keys of each site have: fewer where queries' heads share them."""
    from limelight.capture.keras import conditions

    return conditions.key_heads(model, heads, probe)


def circumstances(model: Any) -> dict[str, Any]:
    """Return the framework, device, precision and threads that a model runs with."""
    from limelight.capture.keras import conditions

    return conditions.circumstances(model)


def stirred(model: Any) -> AbstractContextManager[None]:
    """Let all random numbers that a pass may draw be others while the context lasts."""
    from limelight.capture.keras import conditions

    return conditions.stirred(model)
