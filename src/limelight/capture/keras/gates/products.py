"""Follows a softmax's weights into the product with the values, on any backend of Keras.

Room: capture, Keras. What comes out of that product is what a layer's heads contribute; a layer
that takes its own softmax may also drop or cast the weights before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from limelight.capture.keras.backends.backend import Passage, backend

#: Takes contributions [example, query, head, feature], or [example, query, feature] of one head.
Change = Callable[[Any], Any]

#: What each axis of weights counts.
Roles = tuple[str, ...]

#: Takes a product's arguments, where the weights are among them, what their axes count, and how
#: many axes come out; returns the order of axes that makes contributions of it.
Act = Callable[[tuple[Any, ...], dict[str, Any], int, Roles, int], list[int] | None]

#: Keras' functions that turn axes, as NumPy's of the same names do.
_TURNS = ("transpose", "swapaxes", "moveaxis")


@dataclass(frozen=True)
class Later:
    """Weights that are left as they are, and what becomes of the product they enter.

    Attributes
    ----------
    weights : tensor
    change : callable
    lost : callable
        Called if they enter no product that is known.
    roles : tuple of str
        What each axis of the weights counts: ``example``, ``head`` if there are, ``query``,
        ``key``.
    """

    weights: Any
    change: Change
    lost: Callable[[], None]
    roles: Roles


class Products:
    """Weights under way to their products."""

    def __init__(self) -> None:
        self._aliases: dict[int, tuple[Any, Later, Roles]] = {}
        self._waiting: list[Later] = []

    def begin(self, later: Later) -> None:
        """Follow the weights of a softmax."""
        self._waiting.append(later)
        self._known_as(later.weights, later, later.roles)

    def finish(self) -> None:
        """Tell of weights that entered no product."""
        for later in self._waiting:
            later.lost()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Meet the functions that weights may pass through.

        Yields
        ------
        None
        """
        from keras.src import backend as keras_backend

        with ExitStack() as undo:
            for owner, name, act in _functions():
                original = getattr(owner, name)
                undo.callback(setattr, owner, name, original)
                setattr(owner, name, self._around(original, act))
            for name in _TURNS:
                original = getattr(keras_backend.numpy, name)
                undo.callback(setattr, keras_backend.numpy, name, original)
                setattr(keras_backend.numpy, name, self._turning(original, name))
            yield

    def _around(self, original: Callable[..., Any], act: Act | None) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            out = original(*args, **kwargs)
            index = next((i for i, arg in enumerate(args) if id(arg) in self._aliases), None)
            if index is None:
                return out
            _, later, roles = self._aliases[id(args[index])]
            if act is None:
                self._known_as(out, later, roles)
                return out
            order = act(args, kwargs, index, roles, len(out.shape))
            if order is None or later not in self._waiting:
                return out
            self._waiting.remove(later)
            return _changed(out, order, len(roles), later.change)

        return run

    def _turning(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        def run(values: Any, *args: Any, **kwargs: Any) -> Any:
            out = original(values, *args, **kwargs)
            if id(values) in self._aliases:
                _, later, roles = self._aliases[id(values)]
                sizes = np.empty(range(2, 2 + len(roles)))  # each of a size of its own
                turned = getattr(np, name)(sizes, *args, **kwargs).shape
                self._known_as(out, later, tuple(roles[size - 2] for size in turned))
            return out

        return run

    def _known_as(self, tensor: Any, later: Later, roles: Roles) -> None:
        self._aliases[id(tensor)] = tensor, later, roles  # kept, so that no other gets its id


def _changed(out: Any, order: list[int], rank: int, change: Change) -> Any:
    """Bring a product to contributions, change these, and bring them back."""
    from keras import ops

    turned = ops.transpose(out, order)
    lead = rank - 1  # examples, heads if there are, queries
    shape = [-1 if size is None else size for size in turned.shape]
    flat = ops.reshape(turned, (*shape[:lead], math.prod(shape[lead:])))
    back = [order.index(axis) for axis in range(len(order))]
    return ops.transpose(ops.reshape(change(flat), shape), back)


def _matmul(
    args: Any, kwargs: dict[str, Any], index: int, roles: Roles, out: int
) -> list[int] | None:
    """Return how to permute weights @ values to contributions; None where that is not clear."""
    turned = any(kwargs.get(name) for name in ("transpose_a", "adjoint_a"))
    if index != 0 or turned or len(roles) != out or len(args[0].shape) != out:
        return None
    if roles[-1] != "key" or roles[-2] != "query":
        return None
    return [*(roles.index(role) for role in _rows(roles)), out - 1]


def _rows(roles: Roles) -> list[str]:
    """Return what the axes of contributions before their features count."""
    return [role for role in ("example", "query", "head") if role in roles]


def _einsum(args: Any, _: dict[str, Any], index: int, roles: Roles, out: int) -> list[int] | None:
    """The same for an einsum, whose first argument is its equation."""
    equation = args[0]
    if not isinstance(equation, str) or "..." in equation or "->" not in equation:
        return None
    inputs, output = equation.replace(" ", "").split("->")
    letters = inputs.split(",")[index - 1]
    if len(letters) != len(roles):
        return None
    rows = [letters[roles.index(role)] for role in _rows(roles)]
    features = [letter for letter in output if letter not in rows]
    lost = len(output) != out or any(letter not in output for letter in rows)
    if lost or letters[roles.index("key")] in output or not features:
        return None
    return [output.index(letter) for letter in (*rows, *features)]


def _functions() -> Iterator[tuple[Any, str, Act | None]]:
    """Yield owners and names of functions; products with how to read them."""
    from keras.src import backend as keras_backend

    of_keras = [
        Passage(keras_backend.numpy, "matmul", "matmul"),
        Passage(keras_backend.numpy, "einsum", "einsum"),
        Passage(keras_backend.random, "dropout", "same"),
        Passage(keras_backend.core, "cast", "same"),
    ]
    for owner, name, form in (*of_keras, *backend().passages()):
        yield owner, name, _ACTS[form]


#: How to read each form of product; None where the weights stay weights.
_ACTS: dict[str, Act | None] = {"matmul": _matmul, "einsum": _einsum, "same": None}
