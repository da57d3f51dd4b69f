"""Sees the optimizer steps of a Keras model's training, compiled or not, on every backend.

Room: capture, Keras. Comes in: a compiled model that is about to be fitted. Goes out: gradients as
the optimizer gets them (unscaled, accumulated, before it clips them), and the change that its step
makes, summed up. Stands between two methods that every optimizer calls in its step; what they are
handed there is kept, at due steps only, by a
:class:`~limelight.capture.keras.backends.backend.Tap`, which works inside compiled code. Nothing is
computed twice.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.by_time import TIME
from limelight.capture.keras import by_time, names
from limelight.capture.keras.backends.backend import Tap, backend
from limelight.capture.tensors import Tensor
from limelight.capture.watching import Schedule, Seen, norm_of, update_of
from limelight.distribution import TensorTable, difference, distribution
from limelight.errors import LimelightWarning, UnsupportedModelError

#: Where Adam and its relatives keep running means of gradients and of their squares.
_MOMENTS = {"moment1_norm": "_momentums", "moment2_norm": "_velocities"}


class Watch:
    """Sees the optimizer's due steps until it is closed.

    Parameters
    ----------
    model : keras.Model
        Compiled and built.
    schedule : Schedule
    gradients, updates : bool

    Raises
    ------
    UnsupportedModelError
        If the model is not compiled, or trained by several devices.
    """

    def __init__(self, model: Any, schedule: Schedule, *, gradients: bool, updates: bool) -> None:
        optimizer = _innermost(getattr(model, "optimizer", None))
        self._model, self._optimizer, self._schedule = model, optimizer, schedule
        self._gradients, self._updates = gradients, updates
        self._variables = dict(names.parameters(model))
        self._numbers = {id(v): at for at, v in enumerate(self._variables.values())}
        self._tap: Tap = backend().tap(list(self._variables.values()))
        schedule.stride = int(getattr(model, "steps_per_execution", 1) or 1)
        self._clip = optimizer._clip_gradients
        self._gradients_now: list[Any] = []  # of the step that is made or traced just now
        self._patches: dict[str, Callable[..., Any]] = {
            "_clip_gradients": self._clipping,
            "_apply_weight_decay": self._decaying(optimizer._apply_weight_decay),
        }
        # Not by setattr: Keras would take note of it. What is compiled is compiled once more.
        vars(optimizer).update(self._patches)
        self._by_time = by_time.Watch(model, self._tap) if gradients else None
        self._compiled = getattr(model, "train_function", None)
        if self._compiled is not None:
            model.make_train_function(force=True)

    def tables(self) -> dict[str, TensorTable]:
        """Return what was seen of the newest step if it was due, and forget it."""
        knows = backend()
        knows.ready(self._model)
        taken = self._tap.taken()
        done = int(np.asarray(knows.read(self._optimizer.iterations)))
        if taken is None or taken.done != done:
            return {}
        seen = Seen(steps=1)
        for number, (name, variable) in enumerate(self._variables.items()):
            gradient, before = taken.gradients.get(number), taken.before.get(number)
            if gradient is None or before is None:
                continue
            dtype = str(variable.dtype)
            if self._gradients:
                seen.gradients[name] = Tensor(distribution(gradient), gradient.shape, dtype=dtype)
            if self._updates:
                seen.updates[name] = self._update(variable, before, dtype)
        seen.before = norm_of(tensor.distribution for tensor in seen.gradients.values())
        seen.after = self._clipped(taken.gradients)
        seen.clipped = float(seen.after < seen.before * (1 - 1e-5))
        times = None if self._by_time is None else self._by_time.taken()
        tables = seen.tables()
        return tables if times is None else {**tables, TIME: times.table()}

    def _clipped(self, gradients: dict[int, NDArray[Any]]) -> float:
        """Return the norm of gradients as the optimizer clips them: of these, not in its step."""
        knows = backend()
        parts = self._clip([knows.tensor(values) for values in gradients.values()])
        return norm_of(distribution(np.asarray(knows.read(part))) for part in parts)

    def close(self) -> None:
        """See nothing any more."""
        for name, method in self._patches.items():
            if vars(self._optimizer).get(name) is method:
                del vars(self._optimizer)[name]
        if self._by_time is not None:
            self._by_time.close()
        if self._patches and self._compiled is not None:
            self._model.train_function = self._compiled
        self._patches = {}

    def _update(self, variable: Any, before: NDArray[Any], dtype: str) -> Tensor:
        knows = backend()
        change = difference(np.asarray(knows.read(variable)), before)
        numbers = {}
        for column, attribute in _MOMENTS.items():
            moments = getattr(self._optimizer, attribute, None)
            index = self._optimizer._get_variable_index(variable)
            if moments and index < len(moments) and moments[index] is not None:
                numbers[column] = distribution(np.asarray(knows.read(moments[index]))).norm
        norm = norm_of([distribution(before)])
        return update_of(change, before.shape, norm, numbers=numbers, dtype=dtype)

    def _clipping(self, grads: Any) -> Any:
        """See gradients before the optimizer clips them."""
        self._gradients_now = list(grads)
        return self._clip(grads)

    def _decaying(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """See parameters as they are before anything changes them; keep all at a due step."""

        def _apply_weight_decay(variables: Any) -> Any:
            gradients, self._gradients_now = self._gradients_now, []
            try:
                self._keep(list(variables), gradients)
            except Exception as cause:  # noqa: BLE001  # a promise: training goes on
                message = f"limelight records no gradients from here on. {cause}"
                warnings.warn(LimelightWarning(message), stacklevel=2)
            return original(variables)

        return _apply_weight_decay

    def _keep(self, variables: list[Any], gradients: list[Any]) -> None:
        if len(variables) != len(gradients):
            return
        entries = [
            (self._numbers[id(variable)], variable, gradient)
            for variable, gradient in zip(variables, gradients, strict=True)
            if id(variable) in self._numbers and gradient is not None
        ]
        iterations = self._optimizer._iterations  # counts batches where gradients accumulate
        batches = getattr(iterations, "value", iterations) + 1
        whole = self._optimizer.gradient_accumulation_steps or 1
        done = batches // whole
        due = (batches % whole == 0) & self._schedule.due(done)
        self._tap.hold(due, done, entries)


def _innermost(optimizer: Any) -> Any:
    """Return the optimizer that makes the steps, whatever scales losses around it."""
    if optimizer is None:
        raise UnsupportedModelError(
            "Got a model that is not compiled, so nothing of it is known to train it.",
            "Wanted an optimizer whose gradients can be seen.",
            "Call model.compile(…) and train it with fit, or record parameters only.",
        )
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer
