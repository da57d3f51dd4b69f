"""Hears of gradients being clipped, however the functions that do it were imported.

Room: capture, torch. Comes in: a function to be told. Goes out: what ends it. Stands at what
torch's own clipping functions look up each time they run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

#: Is told of gradients, their norm before, and whether clipping changes them: tensors all.
Heard = Callable[[Sequence[Any], Any, Any], None]


def listening(heard: Heard) -> Callable[[], object]:
    """Hear of every clipping, by norm or by value.

    Parameters
    ----------
    heard : callable
        Its errors are nobody's.

    Returns
    -------
    callable
        Ends it.
    """
    from torch.nn.utils import clip_grad

    undo = [
        _around(clip_grad, "_clip_grads_with_norm_", lambda *given, **_: _by_norm(heard, *given)),
        _around(clip_grad, "_group_tensors_by_device_and_dtype",
                lambda grads, *_, **__: _by_value(heard, grads[0])),
    ]  # fmt: skip

    def end() -> None:
        for act in undo:
            act()

    return end


def _around(module: Any, name: str, before: Callable[..., None]) -> Callable[[], None]:
    """Have a function called ahead of one of a module's."""
    original = getattr(module, name, None)
    if original is None:
        return lambda: None

    def around(first: Any, *args: Any, **kwargs: Any) -> Any:
        listed = (
            list(first) if not isinstance(first, list) and hasattr(first, "__next__") else first
        )
        with suppress(Exception):  # a promise: training goes on
            before(listed, *args, **kwargs)
        return original(listed, *args, **kwargs)

    setattr(module, name, around)

    def undo() -> None:
        if getattr(module, name) is around:
            setattr(module, name, original)

    return undo


def _by_norm(heard: Heard, parameters: Any, most: float, norm: Any, *_: Any) -> None:
    listed = [parameters] if hasattr(parameters, "grad_fn") else list(parameters)
    gradients = [parameter.grad for parameter in listed if parameter.grad is not None]
    heard(gradients, norm.detach(), norm.detach() > most)


def _by_value(heard: Heard, gradients: Sequence[Any]) -> None:
    """Tell of clipping by value: what it looks up is looked up by others too."""
    import torch
    from torch.nn.utils import clip_grad

    caller = sys._getframe(3)
    known = getattr(clip_grad.clip_grad_value_, "__wrapped__", clip_grad.clip_grad_value_)
    if caller.f_code is not known.__code__ or not gradients:
        return
    most = float(caller.f_locals["clip_value"])
    norm = torch.stack([part.detach().float().norm() for part in gradients]).norm()
    largest = torch.stack([part.detach().abs().max().float() for part in gradients]).max()
    heard(gradients, norm, largest > most)
