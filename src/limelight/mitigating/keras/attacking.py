"""Attacks on a Keras model's embedding inside ``fit``, on each backend.

Room: mitigating/keras. Comes in: a model. Goes out: a context in which its training loss holds the
attack's: Keras takes gradients of ``compute_loss`` on all backends, and the model runs again there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops as keras_ops

from limelight.mitigating.attacking import Attack, no_embedding
from limelight.mitigating.keras import operations as ops
from limelight.mitigating.keras.slopes import slope


class Moved:
    """What an embedding gave, and what is added to it now."""

    def __init__(self) -> None:
        self.delta: Any = None
        self.seen: Any = None
        self.mask: Any = None


@contextmanager
def attacked(model: Any, attack: Attack, embedding: Any) -> Iterator[None]:
    """Attack a model's embedding in training as long as the context lasts.

    Parameters
    ----------
    model : keras.Model
    attack : Attack
    embedding : str or keras.layers.Layer, optional
    """
    layer = _embedding(model, embedding)
    if attack.weight == 0:
        yield
        return
    moved = Moved()
    call, plain = layer.call, model.compute_loss

    def moving(inputs: Any, *args: Any, **options: Any) -> Any:
        output = call(inputs, *args, **options)
        if moved.delta is None:
            moved.seen, moved.mask = output, layer.compute_mask(inputs)
        elif len(output.shape) == len(moved.delta.shape):
            output = output + moved.delta
        return output

    def compute_loss(
        x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None,
        training: bool = True,
    ) -> Any:  # fmt: skip
        loss = plain(x, y, y_pred, sample_weight, training=training)
        if not training:
            return loss
        return loss + attack.weight * _attacked(model, attack, moved, plain, (x, y, sample_weight))

    _put(layer, "call", moving)
    _put(model, "compute_loss", compute_loss)
    model.train_function = None  # so that fit traces anew
    try:
        yield
    finally:
        for thing, name in ((layer, "call"), (model, "compute_loss")):
            object.__delattr__(thing, name)
        model.train_function = None


def _put(thing: Any, name: str, value: Any) -> None:
    """Hide a method of an object, past Keras' tracking of attributes."""
    object.__setattr__(thing, name, value)


def _attacked(model: Any, attack: Attack, moved: Moved, plain: Any, batch: Any) -> Any:
    """Return the loss of a batch where the model is attacked."""
    x, y, sample_weight = batch
    zero = keras_ops.zeros_like(keras_ops.stop_gradient(moved.seen))
    counted = keras_ops.ones_like(zero[..., :1])
    if moved.mask is not None:
        counted = keras_ops.cast(moved.mask, zero.dtype)[..., None]
    start = None
    if attack.method == "freelb":
        # Random enough, and without a random state, which JAX keeps for nothing but layers: other
        # draws of the training stay as they are without the attack.
        start = keras_ops.sin(1e4 * keras_ops.stop_gradient(moved.seen))

    def loss_at(delta: Any) -> Any:
        moved.delta = delta
        # What a pass changes beside, such as running averages, is not to be changed by an attack.
        state = [(variable, variable.value) for variable in model.variables]
        state += [(variable, variable.value) for variable in model.metrics_variables]
        try:
            with keras.StatelessScope(state_mapping=state):
                extra = sum(model.losses)  # of the parameters: they are in the plain loss already
                return plain(x, y, model(x, training=True), sample_weight) - extra
        finally:
            moved.delta = None

    return attack.loss(ops, loss_at, slope, zero, counted, start)


def _embedding(model: Any, embedding: Any) -> Any:
    """Return the layer whose output is moved."""
    layers = [layer for layer in _layers(model) if layer is not model]
    for layer in layers:
        if embedding in (layer, layer.name) or (
            embedding is None and isinstance(layer, keras.layers.Embedding)
        ):
            return layer
    raise no_embedding(model, [layer.name for layer in layers])


def _layers(layer: Any) -> Iterator[Any]:
    """Yield a layer, and all within it."""
    yield layer
    inside: Any = getattr(layer, "layers", None) or getattr(layer, "_layers", ())
    for inner in inside:
        yield from _layers(inner)
