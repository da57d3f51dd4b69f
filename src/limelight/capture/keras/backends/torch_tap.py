"""Keeps values from within a training step that torch makes.

Room: capture, Keras. Comes in: tensors. Goes out: copies of them as arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.keras.backends.backend import Taken, Tap


class TorchTap(Tap):
    """Copies what a due step has in hand."""

    def __init__(self) -> None:
        self._taken: Taken | None = None
        self._squares: dict[str, Any] = {}

    def hold(self, due: Any, done: Any, entries: Sequence[tuple[int, Any, Any]]) -> None:
        """As :class:`Tap` says."""
        import torch

        if torch.compiler.is_compiling() or not bool(due):
            return
        gradients = {number: _copy(gradient) for number, _, gradient in entries}
        before = {number: _copy(variable.value) for number, variable, _ in entries}
        self._taken = Taken(int(done), gradients, before)

    def taken(self) -> Taken | None:
        """As :class:`Tap` says."""
        taken, self._taken = self._taken, None
        return taken

    def through(self, name: str, values: Any, anchor: Any) -> Any:  # noqa: ARG002
        """As :class:`Tap` says."""
        import torch

        if torch.compiler.is_compiling() or not torch.is_grad_enabled():
            return values
        if not values.requires_grad:
            values = values.detach().requires_grad_()

        def keep(gradient: Any) -> None:
            axes = [0, *range(2, gradient.dim())]
            self._squares[name] = gradient.detach().double().square().sum(dim=axes)

        values.register_hook(keep)
        return values

    def squares(self) -> dict[str, NDArray[Any]]:
        """As :class:`Tap` says."""
        squares, self._squares = self._squares, {}
        return {name: values.cpu().numpy() for name, values in squares.items()}


def _copy(tensor: Any) -> NDArray[Any]:
    dense = tensor.detach()
    dense = dense.to_dense() if dense.is_sparse else dense
    if dense.is_floating_point() and dense.itemsize < 4:
        dense = dense.float()
    return np.array(dense.cpu().numpy())
