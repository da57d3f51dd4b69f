"""Finds out where a model first gives a value that is no finite number.

Room: capture, torch. Comes in: a model that trains. Goes out: the name of a module. What a model
is called with is kept until the optimizer has made its step; only if a gradient is not finite then,
the forward pass is made once more, without gradients, and everything it touched is put back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from limelight.capture.torch import names
from limelight.capture.torch.state import untouched

#: What is said where a model was handed such a value.
INPUTS: Final = "inputs"

#: So many calls since the last step are kept: batches of which gradients are added up.
_CALLS: Final = 16


class Calls:
    """Keeps what a model, or what lies directly in it, was called with since the last step.

    Parameters
    ----------
    model : torch.nn.Module
    """

    def __init__(self, model: Any) -> None:
        self._model = names.unwrapped(model)
        self._calls: deque[tuple[Any, Any, Any]] = deque(maxlen=_CALLS)
        self._inside = 0
        self._undo: list[Callable[[], object]] = []
        parts = [self._model]
        for child in self._model.children():  # a loop may call only these
            # A list is never called; what is in it is.
            parts += [child] if type(child).forward is not _unwritten() else list(child.children())
        for part in parts:
            self._undo += [
                part.register_forward_pre_hook(self._enter, with_kwargs=True).remove,
                part.register_forward_hook(self._leave, always_call=True).remove,
            ]

    def _enter(self, module: Any, args: Any, kwargs: Any) -> None:
        import torch

        if torch.compiler.is_compiling():
            return
        self._inside += 1
        if self._inside == 1 and torch.is_grad_enabled():
            self._calls.append((module, args, kwargs))

    def _leave(self, *_: Any) -> None:
        import torch

        if not torch.compiler.is_compiling():
            self._inside = max(0, self._inside - 1)

    def forget(self) -> None:
        """Keep nothing of what was before."""
        self._calls.clear()
        self._inside = 0

    def first_nonfinite(self) -> str:
        """Make the passes again, and return the path of the module that first gives such a value.

        Returns
        -------
        str
            ``inputs`` where the model was given one; empty where each module's output is finite,
            as where the loss is not, or where the model was not called as a whole.
        """
        culprits: list[str] = []
        calls = list(self._calls)
        handles = []

        def leave(path: str) -> Callable[..., None]:
            def hook(_module: Any, _inputs: Any, output: Any) -> None:
                if not culprits and not _finite(output):
                    culprits.append(path)

            return hook

        if not all(_finite(part) for _, args, kwargs in calls for part in (args, kwargs)):
            return INPUTS
        training = {module: module.training for module in self._model.modules()}
        try:
            for module, path in names.paths(self._model):
                named = path or names.name_of(self._model)
                handles.append(module.register_forward_hook(leave(named)))
            for module, args, kwargs in calls:
                with untouched(self._model):
                    for inner, flag in training.items():
                        inner.training = flag  # as the batch was seen
                    module(*args, **kwargs)
                if culprits:
                    break
        finally:
            for handle in handles:
                handle.remove()
        return culprits[0] if culprits else ""

    def close(self) -> None:
        """Keep nothing any more."""
        while self._undo:
            self._undo.pop()()
        self.forget()


def finite(gradients: Sequence[Any]) -> bool:
    """Say whether all values of some tensors are finite, or their norm at least.

    Parameters
    ----------
    gradients : sequence of torch.Tensor

    Returns
    -------
    bool
    """
    import torch

    dense = [part for part in gradients if part.layout is torch.strided]
    if not dense:
        return True
    try:
        norms = torch._foreach_norm(dense)
    except RuntimeError:  # of several devices or types
        norms = [part.float().norm() for part in dense]
    devices = {part.device for part in norms}
    return all(
        bool(torch.stack([n.float() for n in norms if n.device == device]).sum().isfinite())
        for device in devices
    )


def _finite(value: Any) -> bool:
    """Say whether all numbers in nested values are finite."""
    if hasattr(value, "isfinite"):
        return not value.is_floating_point() or bool(value.isfinite().all())
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_finite, value))
    return True


def _unwritten() -> Any:
    from torch import nn

    return nn.Module.forward
