"""One number for each example of what a Keras model returned, by Keras' own operations.

Room: capture, Keras. Comes in: outputs and targets. Goes out: a tensor [example], differentiable
on every backend. Whether outputs are logits is what the model was compiled with; where it was not,
rows of positive numbers that sum to one are shares.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from limelight.errors import StudyError


def scored(model: Any, outputs: Any, targets: Any, metric: str, full: Any = None) -> Any:
    """Return a metric's number for each example.

    Parameters
    ----------
    model : keras.Layer
    outputs : object
    targets : array, optional
        Classes [example] or [example, position], one-hot classes, or what a regression shall give.
        For ``difference`` [example, 2]: target and foil.
    metric : str
        ``loss``, ``accuracy``, ``probability``, ``margin``, ``difference`` or ``change``. The loss
        is the one that the model was compiled with.
    full : object, optional
        Outputs of the whole model, for ``change``.

    Returns
    -------
    tensor [example]

    Raises
    ------
    StudyError
        If targets do not fit the outputs.
    """
    from keras import ops

    given = ops.cast(values_of(outputs), "float32")
    logits = _gives_logits(model, given)
    if metric == "change":
        before = _log_shares(ops.cast(values_of(full), "float32"), logits)
        after = _log_shares(given, logits)
        return _mean(ops.sum(ops.exp(before) * (before - after), -1))
    wanted = np.asarray(targets)
    if metric == "loss":
        compiled = _loss_of(model)
        if compiled is not None:
            return _mean(compiled.call(ops.convert_to_tensor(wanted), given))
        if wanted.dtype.kind == "f" and wanted.size == int(np.prod(given.shape)):
            return _mean((ops.reshape(given, wanted.shape) - wanted) ** 2)
    if metric == "difference":
        if wanted.shape != (given.shape[0], 2):
            raise StudyError(
                f"Got targets of shape {wanted.shape} for metric='difference'.",
                "Wanted [example, 2]: the target and its foil.",
                "Stack them: np.stack([targets, foils], axis=1).",
            )
        rows = given if len(given.shape) == 2 else given[:, -1]
        pair = ops.take_along_axis(rows, ops.convert_to_tensor(wanted.astype("int32")), 1)
        return pair[:, 0] - pair[:, 1]
    given, classes = _aligned(given, wanted, logits)
    count = given.shape[-1]
    hot = ops.one_hot(ops.convert_to_tensor(classes.astype("int32")), count)
    if metric == "accuracy":
        return _mean(ops.cast(ops.equal(ops.argmax(given, -1), classes), "float32"))
    if metric == "margin":
        target = ops.sum(given * hot, -1)
        return _mean(target - ops.max(given - hot * 1e30, -1))
    shares = _log_shares(given, logits)
    target = ops.sum(shares * hot, -1)
    return _mean(-target if metric == "loss" else ops.exp(target))


def values_of(outputs: Any) -> Any:
    """Return the tensor that a model's outputs are about.

    Parameters
    ----------
    outputs : tensor, mapping, or sequence

    Returns
    -------
    tensor
    """
    if isinstance(outputs, dict):
        return values_of(outputs.get("logits", next(iter(outputs.values()))))
    if isinstance(outputs, (tuple, list)):
        return values_of(outputs[0])
    return outputs


def _loss_of(model: Any) -> Any:
    """Return the loss that a model was compiled with, if it is a single one."""
    import keras

    loss = getattr(model, "loss", None)
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.Loss):
        return loss
    if callable(loss):
        return keras.losses.LossFunctionWrapper(loss) if hasattr(
            keras.losses, "LossFunctionWrapper") else _Called(loss)  # fmt: skip
    return None


class _Called:
    """A loss that is a plain function."""

    def __init__(self, function: Any) -> None:
        self.call = function


def _gives_logits(model: Any, given: Any) -> bool:
    """Say whether outputs are logits: as the loss was told, else as they look."""
    loss = _loss_of(model)
    settings = getattr(loss, "_fn_kwargs", None) or {}
    if "from_logits" in settings:
        return bool(settings["from_logits"])
    if hasattr(loss, "from_logits"):
        return bool(loss.from_logits)
    from limelight.capture.keras.backends.backend import backend

    knows = backend()
    if not knows.has_values(given):
        return True
    values = np.asarray(knows.read(given))
    if values.ndim < 2 or values.shape[-1] == 1:
        return not bool(((values >= 0) & (values <= 1)).all())
    return not bool((values >= 0).all() and np.allclose(values.sum(-1), 1, atol=1e-3))


def _log_shares(given: Any, logits: bool) -> Any:
    from keras import ops

    if given.shape[-1] == 1:
        given = _two(given, logits)
    if logits:
        return ops.log_softmax(given, -1)
    return ops.log(ops.maximum(given, 1e-30))


def _two(given: Any, logits: bool) -> Any:
    """Return both of two classes, where a model gives a number for the second."""
    from keras import ops

    return ops.concatenate([ops.zeros_like(given) if logits else 1 - given, given], -1)


def _aligned(given: Any, wanted: Any, logits: bool) -> tuple[Any, Any]:
    """Return outputs […, class] and classes […]."""
    if given.shape[-1] == 1 or len(given.shape) == 1:
        from keras import ops

        given = _two(ops.reshape(given, (-1, 1)) if len(given.shape) == 1 else given, logits)
        wanted = wanted.reshape(given.shape[:-1])
    elif tuple(wanted.shape) == tuple(given.shape):
        wanted = wanted.argmax(-1)  # one-hot
    elif tuple(wanted.shape) == (*given.shape[:-1], 1):
        wanted = wanted[..., 0]
    if tuple(wanted.shape) != tuple(given.shape[:-1]):
        raise StudyError(
            f"Got targets of shape {tuple(wanted.shape)} for outputs of {tuple(given.shape)}.",
            "Wanted a class for each example, or for each of its positions.",
            "Give such targets, or metric=lambda outputs, targets: … with a number per example.",
        )
    return given, wanted


def _mean(each: Any) -> Any:
    """Return the mean of each example's own numbers."""
    from keras import ops

    if len(each.shape) < 2:
        return each
    return ops.mean(ops.reshape(each, (each.shape[0], -1)), -1)
