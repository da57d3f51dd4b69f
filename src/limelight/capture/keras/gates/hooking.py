"""Where the contributions of a Keras layer's heads can be had.

Room: capture, Keras. Layers of Keras' own compute them in one method; of others, attention and
softmaxes are met where the backend computes them, while the layer runs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from limelight.capture.keras.gates.products import Later, Products

#: Takes contributions, or weights, and whether it is the former; returns what becomes of them. Of
#: weights it may return a Later.
Seen = Callable[[Any, bool], Any]


def attending(
    layer: Any,
    seen: Seen,
    replace: Callable[[Any, str, Any], None],
    asleep: Callable[[], bool],
) -> None:
    """Hand what a layer's heads contribute to a function.

    Parameters
    ----------
    layer : keras.Layer
    seen : callable
    replace : callable
        Puts an attribute into a layer, for as long as the caller likes.
    asleep : callable
        Says whether others are to be left alone just now.
    """
    for name in ("_compute_attention", "_apply_scores"):
        method = getattr(layer, name, None)
        if callable(method):
            replace(layer, name, _changed(method, seen))
            return
    call = layer.call

    def watched(*args: Any, **kwargs: Any) -> Any:
        if asleep():
            return call(*args, **kwargs)
        with _doors(seen):
            return call(*args, **kwargs)

    replace(layer, "call", watched)


def _changed(method: Callable[..., Any], seen: Seen) -> Callable[..., Any]:
    def attention(*args: Any, **kwargs: Any) -> Any:
        outputs = method(*args, **kwargs)
        if not isinstance(outputs, tuple):
            return seen(outputs, True)
        return (seen(outputs[0], True), *outputs[1:])

    return attention


@contextmanager
def _doors(seen: Seen) -> Iterator[None]:
    """Meet every attention and softmax while a layer runs."""
    import keras

    inside = False
    products = Products()

    def interceptor(function: Callable[..., Any], features: bool) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            if inside:
                return function(*args, **kwargs)
            inside = True
            try:
                found = function(*args, **kwargs)
            finally:
                inside = False
            changed = seen(found, features)
            if not isinstance(changed, Later):
                return changed
            products.begin(changed)
            return changed.weights

        return run

    backend = importlib.import_module(f"keras.src.backend.{keras.backend.backend()}.nn")
    with ExitStack() as undo:
        for owner, name, features in [
            (backend, "dot_product_attention", True),
            (backend, "softmax", False),
            (keras.layers.Softmax, "call", False),
            *_native(keras.backend.backend()),
        ]:
            original = getattr(owner, name)
            undo.callback(setattr, owner, name, original)
            setattr(owner, name, interceptor(original, features))
        undo.enter_context(products.watched())
        yield
    products.finish()


def _native(name: str) -> list[tuple[Any, str, bool]]:
    """Return where the framework itself offers a softmax."""
    if name == "tensorflow":
        import tensorflow as tf

        return [(tf.nn, "softmax", False)]
    if name == "jax":
        import jax

        return [(jax.nn, "softmax", False)]
    import torch
    from torch.nn import functional

    return [
        (torch, "softmax", False),
        (torch.Tensor, "softmax", False),
        (functional, "softmax", False),
    ]


@contextmanager
def uncompiled() -> Iterator[None]:
    """Run what TensorFlow or JAX compiled function by function, and keep nothing compiled.

    Yields
    ------
    None
    """
    import keras

    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        before = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(before)
    elif name == "jax" and "jax" in sys.modules:
        import jax

        from limelight.capture.keras.backends.jax_tracing import traced_afresh

        with jax.disable_jit(), traced_afresh():
            yield
    else:
        yield
