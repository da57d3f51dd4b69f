"""What a model returns for a probe, as plain numbers, and how far two returns are apart.

Room: studying. Comes in: a live model and a probe. Goes out: arrays [example, …].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from limelight.capture import Probe
from limelight.capture.adapter import adapter_for
from limelight.capture.gating.gates import Gates
from limelight.capture.recognition import Choice

#: What a model's outputs are about, as its library calls them.
_OUTPUTS: Final = ("logits", "prediction_logits", "pooler_output", "last_hidden_state")


def outputs_of(model: Any, probe: Probe) -> tuple[NDArray[np.float64], bool]:
    """Run a model, and return what it says.

    Parameters
    ----------
    model : torch.nn.Module or keras.Model
    probe : Probe

    Returns
    -------
    array [example, …]
    bool
        Whether these are called logits.
    """
    plain = [Gates({}, choice=Choice.of(probe))]
    outputs = adapter_for(model).sweep(model, probe, plain, False)[0]
    name = ""
    if isinstance(outputs, Mapping):
        names = [name for name in _OUTPUTS if outputs.get(name) is not None]
        name = names[0] if names else next(iter(outputs))
        outputs = outputs[name]
    while isinstance(outputs, (tuple, list)):
        outputs = outputs[0]
    values = outputs.detach().cpu().float() if hasattr(outputs, "detach") else outputs
    return np.asarray(values, np.float64), "logits" in name


def probabilities(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return classes' probabilities of logits, or of what are probabilities already.

    Parameters
    ----------
    values : array [example, class]
        One class is taken for the logit, or the probability, of the second of two.

    Returns
    -------
    array [example, class]

    Examples
    --------
    >>> probabilities(np.zeros((1, 1))).tolist()
    [[0.5, 0.5]]
    """
    if values.shape[-1] == 1:
        values = np.concatenate([np.zeros_like(values), values], -1)
    elif (values >= 0).all() and np.allclose(values.sum(-1), 1, atol=1e-4):
        return values
    raised = np.exp(values - values.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True), np.float64)


def changed(
    before: NDArray[np.float64], after: NDArray[np.float64], classes: bool
) -> NDArray[np.float64]:  # fmt: skip
    """Return how far outputs are from those before.

    Parameters
    ----------
    before, after : array [example, …, feature]
    classes : bool
        True: KL divergence of the classes before from those after; else 1 − cos.

    Returns
    -------
    array [example, …]
    """
    if classes:
        full, less = (np.log(np.maximum(probabilities(part), 1e-30)) for part in (before, after))
        return np.asarray((np.exp(full) * (full - less)).sum(-1), np.float64)
    norm = np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
    return np.asarray(1 - (before * after).sum(-1) / np.maximum(norm, 1e-30), np.float64)
