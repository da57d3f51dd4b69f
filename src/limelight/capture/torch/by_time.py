"""Sees gradients of what torch's recurrent layers are handed, by time step.

Room: capture, torch. Comes in: a model that trains. Goes out: a table. They are taken from the
backward pass that training makes; where a layer is handed data, of which there is no gradient, it
is asked for one there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from limelight.capture.by_time import ByTime
from limelight.capture.torch import names
from limelight.errors import LimelightWarning


class Watch:
    """Sees gradients by time step, at due steps, until it is closed.

    Parameters
    ----------
    model : torch.nn.Module
    due : callable
        Says whether the step that runs now is to be seen.
    """

    def __init__(self, model: Any, due: Callable[[], bool]) -> None:
        from torch import nn

        self._due, self._sums, self._failed = due, ByTime(), False
        self._calls: dict[str, int] = {}  # of cells that a loop calls, since the model was called
        self._undo = [
            module.register_forward_pre_hook(self._hook(path or names.name_of(model)),
                                             with_kwargs=True).remove
            for module, path in names.paths(model)
            if isinstance(module, nn.RNNBase | nn.RNNCellBase)
        ]  # fmt: skip
        if not isinstance(model, nn.RNNCellBase):
            self._undo.append(model.register_forward_pre_hook(self._begin).remove)

    def taken(self) -> ByTime | None:
        """Return what was seen since the step before; None where there was nothing."""
        sums, self._sums = self._sums, ByTime()
        self._calls.clear()
        return sums or None

    def close(self) -> None:
        """See nothing any more."""
        while self._undo:
            self._undo.pop()()

    def _begin(self, *_: Any) -> None:
        """Count a cell's calls anew: the model is handed another sequence."""
        import torch

        if not torch.compiler.is_compiling():
            self._calls.clear()

    def _hook(self, path: str) -> Callable[..., Any]:
        def enter(module: Any, args: Any, kwargs: Any) -> Any:
            import torch

            if self._failed or torch.compiler.is_compiling() or not torch.is_grad_enabled():
                return None
            try:
                return self._entered(path, module, args, kwargs) if self._due() else None
            except Exception as cause:  # noqa: BLE001  # a promise: training goes on
                self._failed = True
                message = f"limelight records no gradients by time step from here on. {cause}"
                warnings.warn(LimelightWarning(message), stacklevel=4)
                return None

        return enter

    def _entered(self, path: str, module: Any, args: Any, kwargs: Any) -> Any:
        given = args[0] if args else kwargs["input"]
        packed = hasattr(given, "batch_sizes")
        values = given.data if packed else given
        if not values.requires_grad:
            values = values.detach().requires_grad_()
            given = given._replace(data=values) if packed else values
        if not hasattr(module, "batch_first"):  # a cell: each of its calls is a time step
            values = given = values.view_as(values)  # the same may be handed to several of them
            time = self._calls[path] = self._calls.get(path, -1) + 1
            values.register_hook(lambda gradient: self._add(path, (gradient,), time))
        elif packed:
            sizes = given.batch_sizes.tolist()
            values.register_hook(lambda gradient: self._add(path, gradient.split(sizes)))
        else:
            axis = 1 if module.batch_first and values.dim() == 3 else 0
            values.register_hook(lambda gradient: self._add(path, gradient.unbind(axis)))
        return ((given, *args[1:]), kwargs) if args else (args, {**kwargs, "input": given})

    def _add(self, path: str, parts: Any, begin: int = 0) -> None:
        import torch

        squares = torch.stack([part.detach().double().square().sum() for part in parts])
        self._sums.add(path, squares.tolist(), begin)
