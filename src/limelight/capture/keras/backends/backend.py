"""What limelight needs of the framework that Keras runs on, and where it gets it.

Room: capture, Keras. One file per framework, ``tensorflow.py``, ``jax.py`` and ``torch.py``,
offers what :class:`Backend` lists; only the one in use is asked, so no other
framework needs to be installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.trace import Call, Trace
from limelight.errors import UnsupportedModelError

#: Takes the place of a call in the trace; returns a context in which its operations are known.
Scope = Callable[[int], AbstractContextManager[Any]]

NAMES: Final = ("tensorflow", "jax", "torch")


class Backend(Protocol):
    """What a framework's file offers."""

    #: Whether a loop over time calls its cell once more before the first step.
    TRIES_A_STEP: bool

    def version(self) -> str:
        """Return the framework's name and version, such as ``jax 0.10.2``."""

    def ready(self, model: Any) -> None:
        """Raise if something is being traced; bring back variables that training put away."""

    def tensor(self, array: NDArray[Any]) -> Any:
        """Return an array as the tensor the model would be called with."""

    def observed(
        self, model: Any, trace: Trace, stack: list[Call]
    ) -> AbstractContextManager[Scope]:
        """Add every softmax to the trace and follow its values; yield what to call layers in."""

    def loop(self, layer: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one of Keras' own recurrent layers, unseen, as fast as it goes."""

    def read(self, variable: Any) -> NDArray[Any]:
        """Return a variable's or tensor's present value in its own dtype, copied or not."""

    def kept(self, variable: Any) -> NDArray[Any]:
        """Return a variable's value as it will still be after the variable has changed."""

    def has_values(self, tensor: Any) -> bool:
        """Say whether a tensor has values, and is no stand-in for one while a part is traced."""

    def is_variable(self, value: Any) -> bool:
        """Say whether a value is a variable of the framework itself, not of Keras."""

    def randomness(self, model: Any) -> AbstractContextManager[list[Any]]:
        """Put the framework's random state and switches back at the end; yield its variables."""


def backend() -> Backend:
    """Return what knows the framework Keras runs on.

    Returns
    -------
    Backend

    Raises
    ------
    UnsupportedModelError
        If it is none of those limelight knows.
    """
    import keras

    name = keras.backend.backend()
    if name not in NAMES:
        raise UnsupportedModelError(
            f"Got a Keras model on the backend {name!r}.",
            "Wanted Keras on tensorflow, jax or torch.",
            "Set the environment variable KERAS_BACKEND=tensorflow before importing keras.",
        )
    return cast("Backend", importlib.import_module(f"{__package__}.{name}"))


def dtype_of(tensor: Any) -> str:
    """Return the name of a tensor's dtype, the same on every backend.

    Parameters
    ----------
    tensor : tensor

    Returns
    -------
    str
    """
    import keras

    return str(keras.backend.standardize_dtype(tensor.dtype))


def single(tensor: Any) -> NDArray[np.float32]:
    """Return a tensor as float32: exact for half precision, rounded for double.

    Parameters
    ----------
    tensor : tensor

    Returns
    -------
    array
        A copy.
    """
    return np.array(backend().read(tensor), dtype=np.float32)
