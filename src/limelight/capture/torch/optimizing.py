"""Sees a torch model's optimizer steps, whichever optimizers and loops make them.

Room: capture, torch. Comes in: a live model, and a function that says when a step is due. Goes out:
gradients as the optimizer gets them, and the change its step makes, summed up. Stands at hooks that
torch calls around the step of every optimizer: loops, ``Trainer`` and Lightning need no change.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np

from limelight.capture.by_time import TIME, ByTime
from limelight.capture.tensors import Tensor
from limelight.capture.torch import by_time, names
from limelight.capture.torch.clipping import listening
from limelight.capture.torch.nonfinite import Calls, finite
from limelight.capture.torch.parameters import values_of
from limelight.capture.watching import AFTER, Schedule, Seen, norm_of, update_of
from limelight.distribution import TensorTable, difference, distribution
from limelight.errors import LimelightWarning


class Watch:
    """Sees every optimizer step until it is closed.

    Parameters
    ----------
    model : torch.nn.Module
    schedule : Schedule
        Says whether the step that runs now is to be seen.
    gradients, updates : bool
        What of it.
    """

    def __init__(self, model: Any, schedule: Schedule, *, gradients: bool, updates: bool) -> None:
        from torch.optim import optimizer

        self._model, self._schedule = model, schedule
        self._gradients, self._updates = gradients, updates
        self._seen: dict[int, Seen] = {}  # by optimizer: a model may have several
        self._before: dict[int, dict[str, Any]] = {}
        self._norms: list[Any] = []  # of clipping since the last step
        self._clipped: list[Any] = []
        self._steps = 0
        self._times: ByTime | None = None  # of the newest step, if it was due
        self._unseen = False  # whether a person was told of steps that nobody sees
        self._alarmed = False  # one extra recording is enough
        self._calls = Calls(model)
        self._by_time = by_time.Watch(model, schedule.next) if gradients else None
        self._known: WeakKeyDictionary[Any, tuple[int, bool]] = WeakKeyDictionary()
        self._failed = False
        self._undo: list[Callable[[], object]] = [
            optimizer.register_optimizer_step_pre_hook(self._before_step).remove,
            optimizer.register_optimizer_step_post_hook(self._after_step).remove,
            listening(self._clip),
            self._calls.close,
        ]
        if self._by_time is not None:
            self._undo.append(self._by_time.close)

    def tables(self) -> dict[str, TensorTable]:
        """Return what was seen of the newest step if it was due, and forget it."""
        whole, clipped = Seen(steps=self._steps), float(sum(map(float, self._clipped)))
        for seen in self._seen.values():
            whole.gradients |= seen.gradients
            whole.updates |= seen.updates
            if len(self._seen) == 1:
                whole.before = seen.before
            whole.first_nonfinite = whole.first_nonfinite or seen.first_nonfinite
        whole.clipped = clipped
        if not self._steps and not self._unseen:
            self._unseen = True
            warnings.warn(LimelightWarning(_UNSEEN), stacklevel=3)
        if self._seen:
            self._seen, self._clipped, self._steps = {}, [], 0
        tables = whole.tables()
        times = None if self._times is None else self._times.table()
        self._times = None
        return tables if times is None else {**tables, TIME: times}

    def close(self) -> None:
        """See nothing any more."""
        while self._undo:
            self._undo.pop()()
        self._seen.clear()
        self._before.clear()

    def _before_step(self, optimizer: Any, args: Any, kwargs: Any) -> Any:
        """Look at a step that begins; where its closure makes the gradients, once it has."""
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            self._guarded(self._begin, optimizer)
            return None
        looked = False

        def watched() -> Any:
            nonlocal looked
            loss = closure()
            if not looked:  # LBFGS asks several times: of its step the first gradient is shown
                looked = True
                self._guarded(self._begin, optimizer)
            return loss

        if "closure" in kwargs:
            return args, {**kwargs, "closure": watched}
        return (args[0], watched, *args[2:]), kwargs

    def _after_step(self, optimizer: Any, _args: Any, _kwargs: Any) -> None:
        self._guarded(self._end, optimizer)

    def _guarded(self, look: Callable[[Any], None], optimizer: Any) -> None:
        """Look at something; never stops a step: what fails is told once."""
        import torch

        if self._failed or torch.compiler.is_compiling():
            return
        try:
            look(optimizer)
        except Exception as cause:  # noqa: BLE001  # a promise: training goes on
            self._failed = True
            self._seen.clear()
            self._before.clear()
            message = f"limelight records no gradients from here on. {cause}"
            warnings.warn(LimelightWarning(message), stacklevel=4)

    def _begin(self, optimizer: Any) -> None:
        """Look at gradients before a step, and remember parameters."""
        self._seen.pop(id(optimizer), None)  # what it did before is not the newest any more
        if not self._concerns(optimizer):
            return
        self._steps += 1
        norms, self._norms = self._norms, []
        alarm = self._is_alarming(optimizer)
        due, culprit = self._schedule.next() or alarm, ""
        if alarm:
            self._alarmed = self._schedule.alarm = True
            culprit = self._calls.first_nonfinite() or AFTER
        self._calls.forget()
        if self._by_time is not None:
            self._times = self._by_time.taken() if due else None
        if not due:
            return
        mine = list(self._parameters(optimizer))
        seen = self._seen[id(optimizer)] = Seen(first_nonfinite=culprit)
        if norms:
            seen.before = float(norms[-1])
        if self._gradients or alarm:
            scale = getattr(optimizer, "grad_scale", None)  # where a fused step takes it out
            for name, parameter in mine:
                if parameter.grad is not None:
                    seen.gradients[name] = _summed(parameter.grad, scale)
            if seen.before is not None and scale is not None:
                seen.before /= float(scale)
        if self._updates:
            copies = {name: values_of(parameter)[0] for name, parameter in mine}
            self._before[id(optimizer)] = {
                name: values.copy() for name, values in copies.items() if values is not None
            }

    def _end(self, optimizer: Any) -> None:
        """See what a step changed."""
        before = self._before.pop(id(optimizer), None)
        seen = self._seen.get(id(optimizer))
        if before is None or seen is None:
            return
        for name, parameter in self._parameters(optimizer):
            if name not in before:
                continue
            values, note = values_of(parameter)
            if values is None or values.shape != before[name].shape:
                continue
            norm = norm_of([distribution(before[name])])
            change = difference(values, before[name])
            moments = _moments(optimizer.state.get(parameter, {}))
            seen.updates[name] = update_of(change, values.shape, norm, note=note, numbers=moments,
                                           dtype=_dtype(parameter))  # fmt: skip

    def _concerns(self, optimizer: Any) -> bool:
        """Say whether an optimizer has any of the model's parameters; cheap at later steps."""
        count = sum(len(group["params"]) for group in optimizer.param_groups)
        known = self._known.get(optimizer)
        if known is None or known[0] != count:
            known = self._known[optimizer] = count, any(self._parameters(optimizer))
        return known[1]

    def _parameters(self, optimizer: Any) -> Iterator[tuple[str, Any]]:
        """Yield those of an optimizer's parameters that are the model's, by name."""
        named = {id(parameter): name for name, parameter in names.every_parameter(self._model)
                 if names.absence(parameter) is None}  # fmt: skip
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if id(parameter) in named:
                    yield named[id(parameter)], parameter

    def _is_alarming(self, optimizer: Any) -> bool:
        """Say whether a gradient is not finite, for the first time, and nobody leaves it out."""
        if self._alarmed or getattr(optimizer, "found_inf", None) is not None:
            return False
        gradients = [parameter.grad for group in optimizer.param_groups
                     for parameter in group["params"] if parameter.grad is not None]  # fmt: skip
        return not finite(gradients)

    def _clip(self, gradients: Sequence[Any], norm: Any, clipped: Any) -> None:
        """Note that gradients were clipped, or would have been, had they been larger."""
        if self._failed:
            return
        mine = {id(parameter.grad) for parameter in self._model.parameters()}
        if any(id(gradient) in mine for gradient in gradients):
            self._norms.append(norm)
            self._clipped.append(clipped)


#: Said once.
_UNSEEN: Final = (
    "limelight saw no optimizer make a step since the last record, so there are no gradients of "
    "one. If there were steps, torch.compile may have compiled them whole: compile the model, and "
    "not the step."
)


def _summed(gradient: Any, scale: Any) -> Tensor:
    values, note = values_of(gradient)
    if values is None:
        return Tensor(distribution(np.zeros(0)), tuple(gradient.shape), note=note)
    if scale is not None:
        values = values / float(scale)
    return Tensor(distribution(values), values.shape, note=note, dtype=_dtype(gradient))


def _moments(state: Any) -> dict[str, float]:
    """Return norms of what Adam and its relatives keep of a parameter."""
    keys = {"moment1_norm": "exp_avg", "moment2_norm": "exp_avg_sq"}
    numbers = {}
    for name, key in keys.items():
        moment = state.get(key)
        if moment is not None and hasattr(moment, "detach"):
            values, _ = values_of(moment)
            if values is not None:
                numbers[name] = distribution(values).norm
    return numbers


def _dtype(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")
