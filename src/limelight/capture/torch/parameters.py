"""The parameters of a torch model, by names that stay the same from run to run.

Room: capture, torch. Comes in: a live model. Goes out: NumPy arrays, the model's own memory where
possible.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.torch import names


def named_parameters(model: Any) -> dict[str, NDArray[Any]]:
    """Return every trainable parameter under a name that stays the same from run to run.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    dict of str to array
        The model's own memory where possible; do not write to it.

    Raises
    ------
    UnsupportedModelError
        If a parameter has no values in this process.
    """
    return {name: _array(parameter) for name, parameter in names.parameters(model)}


def _array(parameter: Any) -> NDArray[Any]:
    values = parameter.detach().cpu()
    if values.is_floating_point() and values.itemsize < 4:
        values = values.float()  # NumPy knows no bfloat16
    return np.asarray(values.numpy())
