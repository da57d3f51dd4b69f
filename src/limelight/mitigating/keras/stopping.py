"""Keras' early stopping, which gives back the best weights.

Room: mitigating/keras.
"""

from __future__ import annotations

from typing import Any

import keras as _keras


def keras(monitor: str, patience: int, least: float, mode: str) -> Any:
    """Return Keras' callback."""
    return _keras.callbacks.EarlyStopping(
        monitor=monitor, patience=patience, min_delta=least, mode=mode, restore_best_weights=True
    )
