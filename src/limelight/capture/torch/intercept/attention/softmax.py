"""A softmax that the model takes itself, whatever it multiplies the weights with afterwards.

Room: capture, torch. Comes in: the arguments of a softmax. Goes out: the
:class:`~limelight.capture.torch.intercept.events.Softmax` that they are. Which of them are
attention is recognised later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from limelight.capture.torch.intercept.events import Softmax
from limelight.capture.torch.intercept.kernel import Kernel

LIBRARY = "torch"


def kernels() -> Iterator[Kernel]:
    """Yield every face that torch gives its softmax."""
    import torch

    aten = torch.ops.aten  # what exported programs call
    for function in (torch.softmax, torch.Tensor.softmax, torch.nn.functional.softmax,
                     torch.special.softmax, aten.softmax.int, aten._softmax.default):  # fmt: skip
        yield Kernel(function, _read)
    for function in (torch.log_softmax, torch.Tensor.log_softmax, torch.nn.functional.log_softmax,
                     torch.special.log_softmax, aten.log_softmax.int):  # fmt: skip
        yield Kernel(function, _read_log)


def _read_log(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Softmax:
    return replace(_read(args, kwargs), log=True)


def _read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Softmax:
    logits = args[0] if args else kwargs["input"]
    axis = args[1] if len(args) > 1 else kwargs.get("dim")
    rank = logits.dim()
    if axis is None:  # torch's own rule for a softmax without an axis
        axis = 0 if rank in (0, 1, 3) else 1
    return Softmax(logits, int(axis) % max(rank, 1))
