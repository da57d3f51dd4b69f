"""What becomes of a metric as heads of a Keras model are gated: by running it, and by gradient.

Room: capture, Keras. Comes in: a model, a probe, targets. Goes out: numbers [gating, example], and
gradients of one number an example by each gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.gating.gates import Gates, Piece
from limelight.capture.keras import once
from limelight.capture.keras.backends.backend import backend
from limelight.capture.keras.calling import outputs, tensors
from limelight.capture.keras.gates.gating import gated
from limelight.capture.keras.scoring import scored
from limelight.capture.keras.state import untouched
from limelight.capture.probe import Probe
from limelight.capture.recognition import Choice
from limelight.errors import StudyError

Metric = str | Callable[[Any, Any], Any]


def heads_of(model: Any, probe: Probe) -> dict[str, int]:
    """Return every site that can be gated, in the order they run, and how many heads it has."""
    tree, _ = once.laid_out(model, probe)
    nodes = sorted((node for node in tree.subtree if node.has_data), key=_ordinal)
    return {node.attrs["module"]: int(node["weights"].sizes["head"]) for node in nodes}


def _ordinal(node: Any) -> int:
    return int(node.attrs.get("order", 0))


def measured(
    model: Any, probe: Probe, gates: Sequence[Gates], metric: Metric, targets: Any
) -> NDArray[np.float64]:
    """Return a metric for each example under each of several gatings.

    Parameters
    ----------
    model : keras.Layer
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
    inputs, rows, full = tensors(probe), [], None
    for member in gates:
        with untouched(model):
            if member.sites:
                with gated(model, member):
                    given = outputs(model, probe, inputs)
            else:
                given = outputs(model, probe, inputs)
        full = given if full is None else full
        values = _scored(model, given, targets, metric, full, probe.examples)
        rows.append(np.asarray(backend().read(values), np.float64))
    return np.stack(rows)


def gradients(
    model: Any, probe: Probe, heads: Mapping[str, int], metric: Metric, targets: Any
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Return a metric for each example, and its gradient by the gate of each head.

    Parameters
    ----------
    model : keras.Layer
    probe : Probe
    heads : mapping of str to int
    metric : str or callable
    targets : array, optional

    Returns
    -------
    array [example], dict of str to array [example, head]
        One backward pass for all: an example's number depends on its own gates only.
    """
    from keras import ops

    knows, inputs = backend(), tensors(probe)
    ones = [ops.ones((probe.examples, count), "float32") for count in heads.values()]

    def gates_of(values: Sequence[Any]) -> Gates:
        pieces: dict[str, tuple[Piece, ...]] = {
            site: (Piece(None, value, each_head=True),)
            for site, value in zip(heads, values, strict=True)
        }
        return Gates(pieces, choice=Choice.of(probe))

    def act(values: Sequence[Any]) -> Any:
        with gated(model, gates_of(values)):
            given = outputs(model, probe, inputs)
        return _scored(model, given, targets, metric, given, probe.examples)

    with untouched(model):
        act(ones)  # sites are found and gates proved where everything has values
        values, slopes = knows.slopes(act, ones)
    by_site = {
        site: np.zeros((probe.examples, count)) if slope is None
        else np.asarray(knows.read(slope), np.float64)
        for (site, count), slope in zip(heads.items(), slopes, strict=True)
    }  # fmt: skip
    return np.asarray(knows.read(values), np.float64), by_site


def _scored(model: Any, given: Any, targets: Any, metric: Metric, full: Any, examples: int) -> Any:
    """Return a number for each example, or say what came instead."""
    if isinstance(metric, str):
        return scored(model, given, targets, metric, full)
    values = metric(given, targets)
    if tuple(getattr(values, "shape", ())) != (examples,):
        raise StudyError(
            f"Got a metric that returned {tuple(getattr(values, 'shape', ())) or 'one number'} for "
            f"{examples} examples.",
            "Wanted one number for each example, of that example alone.",
            "Do not average over the batch.",
        )
    return values
