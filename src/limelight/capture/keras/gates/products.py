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

from limelight.capture.keras.backends.backend import Passage, backend

#: Takes contributions [example, query, head, feature], or [example, query, feature] of one head.
Change = Callable[[Any], Any]

#: Takes a product's arguments, where the weights are among them, and how many axes come out;
#: returns the order of axes that makes contributions of it.
Act = Callable[[tuple[Any, ...], dict[str, Any], int, int], list[int] | None]


@dataclass(frozen=True)
class Later:
    """Weights that are left as they are, and what becomes of the product they enter.

    Attributes
    ----------
    weights : tensor [example, head, query, key], or [example, query, key]
    change : callable
    lost : callable
        Called, and expected to raise, if they enter no product that is known.
    """

    weights: Any
    change: Change
    lost: Callable[[], None]


class Products:
    """Weights under way to their products."""

    def __init__(self) -> None:
        self._aliases: dict[int, tuple[Any, Later]] = {}
        self._waiting: list[Later] = []

    def begin(self, later: Later) -> None:
        """Follow the weights of a softmax."""
        self._waiting.append(later)
        self._known_as(later.weights, later)

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
        with ExitStack() as undo:
            for owner, name, act in _functions():
                original = getattr(owner, name)
                undo.callback(setattr, owner, name, original)
                setattr(owner, name, self._around(original, act))
            yield

    def _around(self, original: Callable[..., Any], act: Act | None) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            out = original(*args, **kwargs)
            index = next((i for i, arg in enumerate(args) if id(arg) in self._aliases), None)
            if index is None:
                return out
            tensor, later = self._aliases[id(args[index])]
            if act is None:
                self._known_as(out, later)
                return out
            order = act(args, kwargs, index, len(out.shape))
            if order is None or later not in self._waiting:
                return out
            self._waiting.remove(later)
            return _changed(out, order, len(tensor.shape), later.change)

        return run

    def _known_as(self, tensor: Any, later: Later) -> None:
        self._aliases[id(tensor)] = tensor, later  # kept, so that no other gets its id


def _changed(out: Any, order: list[int], rank: int, change: Change) -> Any:
    """Bring a product to contributions, change these, and bring them back."""
    from keras import ops

    turned = ops.transpose(out, order)
    lead = rank - 1  # examples, heads if there are, queries
    shape = [-1 if size is None else size for size in turned.shape]
    flat = ops.reshape(turned, (*shape[:lead], math.prod(shape[lead:])))
    back = [order.index(axis) for axis in range(len(order))]
    return ops.transpose(ops.reshape(change(flat), shape), back)


def _matmul(args: Any, kwargs: dict[str, Any], index: int, out: int) -> list[int] | None:
    """Return how to permute weights @ values to contributions; None where that is not clear."""
    turned = any(kwargs.get(name) for name in ("transpose_a", "adjoint_a"))
    rank = len(args[index].shape)
    if index != 0 or turned or rank != out:
        return None
    return {3: [0, 1, 2], 4: [0, 2, 1, 3]}.get(rank)


def _einsum(args: Any, _: dict[str, Any], index: int, out: int) -> list[int] | None:
    """The same for an einsum, whose first argument is its equation."""
    equation = args[0]
    if not isinstance(equation, str) or "..." in equation or "->" not in equation:
        return None
    inputs, output = equation.replace(" ", "").split("->")
    letters = inputs.split(",")[index - 1]
    rows = {3: letters[:2], 4: letters[:1] + letters[2:3] + letters[1:2]}.get(len(letters), "")
    features = [letter for letter in output if letter not in rows]
    lost = not rows or len(output) != out or any(letter not in output for letter in rows)
    if lost or letters[-1] in output or not features:
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
