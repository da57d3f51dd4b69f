"""Sees a torch model's optimizer steps, whichever optimizers and loops make them.

Room: capture, torch. Comes in: a live model, and a function that says when a step is due. Goes out:
gradients as the optimizer gets them, and the change its step makes, summed up. Stands at hooks that
torch calls around the step of every optimizer: loops, ``Trainer`` and Lightning need no change.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import xarray as xr

from limelight.capture.tensors import Tensor
from limelight.capture.torch import names
from limelight.capture.torch.parameters import values_of
from limelight.capture.watching import Schedule, Seen, norm_of, update_of
from limelight.distribution import difference, distribution
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
        self._known: WeakKeyDictionary[Any, tuple[int, bool]] = WeakKeyDictionary()
        self._failed = False
        self._undo: list[Callable[[], object]] = [
            optimizer.register_optimizer_step_pre_hook(self._caught(self._begin)).remove,
            optimizer.register_optimizer_step_post_hook(self._caught(self._end)).remove,
            _listening_to_clips(self._clip),
        ]

    def tables(self) -> dict[str, xr.Dataset]:
        """Return what was seen of the newest step if it was due, and forget it."""
        whole, clipped = Seen(steps=self._steps), float(sum(map(float, self._clipped)))
        for seen in self._seen.values():
            whole.gradients |= seen.gradients
            whole.updates |= seen.updates
            if len(self._seen) == 1:
                whole.before = seen.before
        whole.clipped = clipped
        if self._seen:
            self._seen, self._clipped, self._steps = {}, [], 0
        return whole.tables()

    def close(self) -> None:
        """See nothing any more."""
        while self._undo:
            self._undo.pop()()
        self._seen.clear()
        self._before.clear()

    def _caught(self, hook: Callable[[Any], None]) -> Callable[..., None]:
        """Return a hook that never stops a step: what fails is told once."""

        def caught(optimizer: Any, _args: Any, _kwargs: Any) -> None:
            import torch

            if self._failed or torch.compiler.is_compiling():
                return
            try:
                hook(optimizer)
            except Exception as cause:  # noqa: BLE001  # a promise: training goes on
                self._failed = True
                self._seen.clear()
                self._before.clear()
                message = f"limelight records no gradients from here on. {cause}"
                warnings.warn(LimelightWarning(message), stacklevel=3)

        return caught

    def _begin(self, optimizer: Any) -> None:
        """Look at gradients before a step, and remember parameters."""
        self._seen.pop(id(optimizer), None)  # what it did before is not the newest any more
        if not self._concerns(optimizer):
            return
        self._steps += 1
        norms, self._norms = self._norms, []
        if not self._schedule.next():
            return
        mine = list(self._parameters(optimizer))
        seen = self._seen[id(optimizer)] = Seen()
        if norms:
            seen.before = float(norms[-1])
        if self._gradients:
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

    def _clip(self, parameters: Sequence[Any], most: float, norm: Any) -> None:
        """Note that gradients were clipped, or would have been, had they been larger."""
        if self._failed:
            return
        mine = {id(parameter) for parameter in self._model.parameters()}
        if any(id(parameter) in mine for parameter in parameters):
            self._norms.append(norm.detach())
            self._clipped.append(norm.detach() > most)


def _listening_to_clips(heard: Callable[..., None]) -> Callable[[], object]:
    """Hear of every clipping by norm, however it was imported; return what ends it."""
    from torch.nn.utils import clip_grad

    name = "_clip_grads_with_norm_"  # which clip_grad_norm_ looks up each time it runs
    original = getattr(clip_grad, name, None)
    if original is None:
        return lambda: None

    def clip(parameters: Any, max_norm: float, total_norm: Any, *args: Any, **kwargs: Any) -> Any:
        listed = [parameters] if hasattr(parameters, "grad_fn") else list(parameters)
        with suppress(Exception):  # a promise: training goes on
            heard(listed, max_norm, total_norm)
        return original(listed, max_norm, total_norm, *args, **kwargs)

    setattr(clip_grad, name, clip)

    def undo() -> None:
        if getattr(clip_grad, name) is clip:
            setattr(clip_grad, name, original)

    return undo


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
