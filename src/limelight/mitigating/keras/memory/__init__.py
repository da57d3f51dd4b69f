"""What a Keras loss remembers between training steps, one file a backend.

Keras tells a loss neither the model nor whether it trains. So what is to be remembered hangs on the
loss's gradient: who takes none, as evaluation does, changes nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

import keras
from numpy.typing import NDArray


def memory(initial: NDArray[Any]) -> Any:
    """Return a memory of the backend that Keras runs on.

    Parameters
    ----------
    initial : array
        What is remembered before the first step.

    Returns
    -------
    Memory
    """
    module = importlib.import_module(f"{__name__}.{keras.backend.backend()}")
    return module.Remembered(initial)
