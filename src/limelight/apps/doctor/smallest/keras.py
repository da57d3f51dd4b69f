"""The smallest Keras model with attention, for finding out whether capture works here.

Room: cases. Not a case to look at: ``limelight doctor`` runs it. May import Keras, and of
limelight its public names and this room.
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import limelight as ll
from limelight.errors import LimelightError, UnavailableError

FRAMEWORK = "Keras"

#: What Keras runs on, and limelight's extra that brings it.
_BACKENDS: Final = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}


def prove() -> str:
    """Capture one layer's attention and compare it with what the layer itself returns.

    Returns
    -------
    str
        What was found, in plain words.

    Raises
    ------
    UnavailableError
        If Keras is missing, or what it is set to run on.
    LimelightError
        If the two differ.
    """
    backend = configured()
    require("keras", _BACKENDS.get(backend, "tensorflow"))
    require(backend, _BACKENDS.get(backend, "tensorflow"))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    inputs = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
    layer = keras.layers.MultiHeadAttention(2, 4, name="attention")
    states = keras.Input((5, 8))
    model = keras.Model(states, layer(states, states))
    (site,) = ll.capture(model, inputs).leaves
    _, own = layer(inputs, inputs, return_attention_scores=True)
    versions = str(site.dataset.attrs["framework"])
    _, _, runs_on = versions.partition(", ")
    own = own.detach().cpu().numpy() if hasattr(own, "detach") else np.asarray(own)
    return agreed(f"Keras {keras.__version__} on {runs_on}", site.dataset["weights"].values, own)


def configured() -> str:
    """Return what Keras would run on, without importing it.

    Returns
    -------
    str
        From ``KERAS_BACKEND``, else from Keras' own settings, else ``tensorflow``.
    """
    told = os.environ.get("KERAS_BACKEND")
    if told:
        return told
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return str(json.loads((home / "keras.json").read_text("utf-8"))["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


def require(package: str, extra: str) -> None:
    """Raise an error that names the extra to install, if a package is missing.

    Parameters
    ----------
    package, extra : str

    Raises
    ------
    UnavailableError
    """
    if find_spec(package) is None:
        raise UnavailableError(
            f"{package} is not installed.",
            "Wanted it to capture a model with.",
            f'Run: pip install "limelight[{extra}]"',
        )


def agreed(versions: str, captured: NDArray[Any], own: NDArray[Any]) -> str:
    """Say that captured weights are a layer's own, or raise an error.

    Parameters
    ----------
    versions : str
        Of what ran.
    captured, own : array [example, head, query, key]

    Returns
    -------
    str

    Raises
    ------
    LimelightError
        If they differ by 1e-6 or more.
    """
    difference = float(np.abs(captured - own).max())
    if not difference < 1e-6:
        raise LimelightError(
            f"Captured weights differ from the layer's own by {difference:.3g}.",
            "Wanted less than 1e-6.",
            f"Report it with these versions: {versions}.",
        )
    return f"yes: {versions}, within {difference:.1g} of the layer's own weights"
