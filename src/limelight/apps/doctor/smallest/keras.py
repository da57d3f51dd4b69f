"""The smallest Keras model with attention, for finding out whether capture works here.

Room: apps. ``limelight doctor`` runs it, found by being in this folder. May import Keras, and of
limelight its public names and doctor's own.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

import numpy as np

import limelight as ll
from limelight.apps.doctor.proof import agreed, require

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
    _, expected = layer(inputs, inputs, return_attention_scores=True)
    versions = str(site.dataset.attrs["framework"])
    _, _, runs_on = versions.partition(", ")
    if hasattr(expected, "detach"):
        expected = expected.detach().cpu()
    return agreed(
        f"Keras {keras.__version__} on {runs_on}",
        site.dataset["weights"].values,
        np.asarray(expected),
    )


def configured() -> str:
    """Return what Keras would run on, without importing it.

    Returns
    -------
    str
        From ``KERAS_BACKEND``, else from Keras' own settings, else ``tensorflow``.
    """
    backend = os.environ.get("KERAS_BACKEND")
    if backend:
        return backend
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return str(json.loads((home / "keras.json").read_text("utf-8"))["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"
