"""What limelight needs of the framework that Keras runs on, and where it gets it.

Room: capture, Keras. One file per framework, ``tensorflow.py``, ``jax.py`` and ``torch.py``, holds
a :class:`Backend`; only the one in use is loaded, so no other framework needs to be installed.
Nothing else in this adapter knows which framework that is.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.trace import Call, Softmax, Trace
from limelight.errors import UnsupportedModelError

#: Takes the ordinal of a call in the trace; returns a context in which its operations are known.
Scope = Callable[[int], AbstractContextManager[Any]]

NAMES: Final = ("tensorflow", "jax", "torch")


class Passage(NamedTuple):
    """A function that the weights of a softmax may be handed to.

    Attributes
    ----------
    owner : object
        The module or class that holds it.
    name : str
    form : ``matmul``, ``einsum`` or ``same``
        How it multiplies them with others; ``same`` if what comes out is the weights still.
    """

    owner: Any
    name: str
    form: Literal["matmul", "einsum", "same"]


class Taken(NamedTuple):
    """What a tap has kept.

    Attributes
    ----------
    done : int
        Optimizer steps that were made when it was over.
    gradients, before : dict of int to array
        By the variable's number: its gradient, and its value before the step.
    """

    done: int
    gradients: dict[int, NDArray[Any]]
    before: dict[int, NDArray[Any]]


class Tap(Protocol):
    """Keeps values from within a training step, also a compiled one."""

    def hold(self, due: Any, done: Any, entries: Sequence[tuple[int, Any, Any]]) -> None:
        """Keep values if a step is due; is called while the step is made or compiled.

        Parameters
        ----------
        due, done : scalar tensor
        entries : sequence of (int, variable, tensor)
            Number, variable and gradient.
        """

    def taken(self) -> Taken | None:
        """Return what was kept last, once."""

    def through(self, name: str, values: Any, anchor: Any) -> Any:
        """Return values as they are, and keep the squares of their gradient by time step.

        Parameters
        ----------
        name : str
        values : tensor [example, time, …]
        anchor : tensor
            Something that is trained: so that there is a gradient of values that are data.

        Returns
        -------
        tensor
        """

    def squares(self) -> dict[str, NDArray[Any]]:
        """Return sums of squares [time] of the newest gradients by name, once."""


class Backend(Protocol):
    """What a framework's file offers, in an instance named ``BACKEND``.

    Attributes
    ----------
    TRIES_A_STEP : bool
        Whether a loop over time calls its cell once more before the first step.
    COMPILES : bool
        Whether Keras compiles ``fit`` and its like.
    """

    TRIES_A_STEP: ClassVar[bool]
    COMPILES: ClassVar[bool]

    # ------------------------------------------------------------------------------------ watching

    def version(self) -> str:
        """Return the framework's name and version, such as ``jax 0.10.2``."""

    def ready(self, model: Any) -> None:
        """Make sure that a call has values, and bring back variables that ``fit`` put away.

        Parameters
        ----------
        model : keras.Layer

        Raises
        ------
        UnsupportedModelError
            If the framework is tracing or compiling the caller just now.
        """

    def tensor(self, array: NDArray[Any]) -> Any:
        """Return an array as the tensor the model would be called with.

        Parameters
        ----------
        array : array

        Returns
        -------
        tensor
            Text stays an array where the framework has none.
        """

    def observed(
        self, model: Any, trace: Trace, stack: list[Call]
    ) -> AbstractContextManager[Scope]:
        """Add every softmax to a trace and follow its values, while the context lasts.

        Parameters
        ----------
        model : keras.Layer
        trace : Trace
        stack : list of Call
            The calls that are running, innermost last.

        Yields
        ------
        callable
            Takes the ordinal of a call in the trace; returns a context to run it in.
        """

    def loop(self, layer: Any, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a recurrent layer of Keras' own, unseen, as fast as it goes.

        A loop over time steps, op by op, costs a hundred times what it costs compiled.

        Parameters
        ----------
        layer : keras.layers.RNN
        original : callable
            Runs it op by op.
        args, kwargs : tuple, dict
            What Keras hands to ``call``.

        Returns
        -------
        tensor or nested tensors
        """

    # ------------------------------------------------------------------------------------- reading

    def read(self, variable: Any) -> NDArray[Any]:
        """Return a variable's or tensor's present value.

        Parameters
        ----------
        variable : keras.Variable, variable or tensor

        Returns
        -------
        array
            In its own dtype; the framework's own memory where it can be. Do not write to it.
        """

    def read_all(
        self,
        model: Any,  # noqa: ARG002  # for backends that keep what reads all of a model's
        variables: Sequence[Any],
    ) -> list[NDArray[Any]]:
        """Return the present values of many of a model's variables, each as :meth:`read` does.

        Parameters
        ----------
        model : keras.Layer
        variables : sequence of keras.Variable

        Returns
        -------
        list of array
        """
        return [self.read(variable) for variable in variables]

    def snapshot(self, variable: Any) -> NDArray[Any]:
        """Return a variable's value as it will still be after the variable has changed.

        Parameters
        ----------
        variable : keras.Variable or variable

        Returns
        -------
        array
        """

    def has_values(self, tensor: Any) -> bool:
        """Say whether a tensor has values, and is no stand-in for one while a part is traced.

        Parameters
        ----------
        tensor : tensor

        Returns
        -------
        bool
        """

    def is_variable(self, value: Any) -> bool:
        """Say whether a value is a variable of the framework itself, not of Keras.

        Parameters
        ----------
        value : object

        Returns
        -------
        bool
        """

    def remembered(self, value: Any, path: Any) -> Callable[[], object] | None:
        """Remember a value of the framework's that can change and is no variable.

        Parameters
        ----------
        value : object
        path : object
            Where it was met, for messages.

        Returns
        -------
        callable or None
            Puts it back; None if the value is none such.
        """

    def randomness(self, model: Any) -> AbstractContextManager[list[Any]]:
        """Put the framework's random state and switches back at the end.

        Parameters
        ----------
        model : keras.Layer

        Yields
        ------
        list of variable
            What else holds such state and belongs to no model.
        """

    def stir(self) -> None:
        """Draw from the framework's own source of random numbers, so that others follow."""

    def tap(self, variables: Sequence[Any]) -> Tap:
        """Return what keeps values from within a training step.

        Parameters
        ----------
        variables : sequence of keras.Variable

        Returns
        -------
        Tap

        Raises
        ------
        UnsupportedModelError
            If several devices train the model, each with gradients of its own.
        """

    # -------------------------------------------------------------------------------------- gating

    def uncompiled(self) -> AbstractContextManager[None]:
        """Run what is compiled function by function, and keep nothing compiled.

        Yields
        ------
        None
        """

    def slopes(self, act: Callable[[list[Any]], Any], at: list[Any]) -> tuple[Any, list[Any]]:
        """Return what a function gives, and the gradient of its sum.

        Parameters
        ----------
        act : callable
            Takes tensors, returns one [example].
        at : list of tensor

        Returns
        -------
        tensor, list of (tensor or None)
            None where nothing depends on it.
        """

    def softmaxes(self) -> Sequence[tuple[Any, str]]:
        """Return where the framework itself offers a softmax: owners and names of functions.

        Returns
        -------
        sequence of (object, str)
        """

    def passages(self) -> Sequence[Passage]:
        """Return the framework's own functions that weights may pass through.

        Returns
        -------
        sequence of Passage
        """


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
    return cast("Backend", importlib.import_module(f"{__package__}.{name}").BACKEND)


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


def weights_of(softmax_call: Softmax) -> NDArray[np.float32]:
    """Return the values after a softmax, its axes last.

    Parameters
    ----------
    softmax_call : Softmax

    Returns
    -------
    array
    """
    values = single(softmax_call.weights)
    return np.exp(values) if softmax_call.log else values
