"""Sparse relatives of the softmax, of the package ``entmax``: sparsemax and what lies between.

Room: capture, torch. Comes in: the arguments of such a function. Goes out: a
:class:`~limelight.capture.torch.intercept.events.Softmax` that says which other function it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from limelight.capture.torch.intercept.events import Softmax
from limelight.capture.torch.intercept.kernel import Kernel

LIBRARY = "entmax"


def kernels() -> Iterator[Kernel]:
    """Yield the functions that give weights; where ``dim`` stands differs."""
    package = sys.modules[LIBRARY]
    for name, position in (("sparsemax", 1), ("entmax15", 1), ("sparsemax_bisect", 1),
                           ("entmax_bisect", 2)):  # fmt: skip
        function: Callable[..., Any] | None = getattr(package, name, None)
        if function is not None:
            yield Kernel(function, partial(_read, name, position))


def _read(
    name: str, position: int, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Softmax | None:
    if kwargs.get("return_support_size"):
        return None
    logits = args[0] if args else kwargs["X"]
    axis = args[position] if len(args) > position else kwargs.get("dim", -1)
    return Softmax(logits, int(axis) % max(logits.dim(), 1), instead=name.removesuffix("_bisect"))
