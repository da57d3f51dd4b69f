"""The smallest model with attention, for finding out whether capture works here.

Room: cases. Not a case to look at: ``limelight doctor`` runs it. May import Keras, and of
limelight its public names and this room.
"""

from __future__ import annotations

import numpy as np

import limelight as ll
from limelight.cases import training
from limelight.errors import LimelightError

FRAMEWORK = "Keras"


def prove() -> str:
    """Capture one layer's attention and compare it with what the layer itself returns.

    Returns
    -------
    str
        What was found, in plain words.

    Raises
    ------
    UnavailableError
        If Keras or TensorFlow is missing.
    LimelightError
        If the two differ.
    """
    keras = training.load_keras()
    import tensorflow as tf

    inputs = np.random.default_rng(training.SEED).normal(size=(2, 5, 8)).astype(np.float32)
    layer = keras.layers.MultiHeadAttention(2, 4, name="attention")
    states = keras.Input((5, 8))
    model = keras.Model(states, layer(states, states))
    (site,) = ll.capture(model, inputs).leaves
    _, own = layer(inputs, inputs, return_attention_scores=True)
    difference = float(np.abs(site.dataset["weights"].values - np.asarray(own)).max())
    if not difference < 1e-6:
        raise LimelightError(
            f"Captured weights differ from the layer's own by {difference:.3g}.",
            "Wanted less than 1e-6.",
            "Report it with these versions: "
            f"Keras {keras.__version__}, TensorFlow {tf.__version__}.",
        )
    return (
        f"yes: Keras {keras.__version__} on TensorFlow {tf.__version__}, "
        f"within {difference:.1g} of the layer's own weights"
    )
