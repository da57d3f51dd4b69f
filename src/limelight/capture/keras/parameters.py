"""The parameters of a Keras model, by names that stay the same from run to run.

Room: capture, Keras. Comes in: a live model. Goes out: NumPy arrays, the model's own memory where
possible.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras import names
from limelight.capture.keras.backends.backend import backend
from limelight.errors import UnsupportedModelError


def named_parameters(model: Any) -> dict[str, NDArray[Any]]:
    """Return every trainable parameter under a name that stays the same from run to run.

    Parameters
    ----------
    model : keras.Model
        Built.

    Returns
    -------
    dict of str to array
        The model's own memory where possible; do not write to it.

    Raises
    ------
    UnsupportedModelError
        If the model has no parameters yet, or Keras runs on a backend that limelight does not know.
    """
    knows = backend()
    knows.ready(model)
    if not model.built:
        raise UnsupportedModelError(
            f"Got the model {model.name!r}, which has no parameters yet.",
            "Wanted a built model.",
            "Call it once on a batch, or give it a keras.Input.",
        )
    return {name: np.asarray(knows.read(v)) for name, v in names.parameters(model)}
