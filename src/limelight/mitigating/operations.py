"""The few operations that losses are written in: each framework has them in a file of its own.

Room: mitigating. Comes in: nothing. Goes out: the protocol; so a formula is written once and is the
same on every framework.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Operations(Protocol):
    """What a formula may do to tensors of a framework."""

    def real(self, values: Any, like: Any) -> Any:
        """Return values as a tensor of ``like``'s float type and device, without gradient."""

    def whole(self, values: Any) -> Any:
        """Return values as whole numbers."""

    def log_softmax(self, scores: Any) -> Any:
        """Return logarithms of the softmax over the last axis."""

    def exp(self, values: Any) -> Any:
        """Return the exponential."""

    def log(self, values: Any) -> Any:
        """Return the natural logarithm."""

    def at_least(self, values: Any, bound: float) -> Any:
        """Return the larger of each value and a bound."""

    def where(self, condition: Any, values: Any, others: Any) -> Any:
        """Return values where a condition holds, else the others."""

    def sum(self, values: Any, axis: int | None = None) -> Any:
        """Return the sum over an axis, or over all."""

    def pick(self, values: Any, indices: Any) -> Any:
        """Return values[..., index] along the last axis, which goes."""

    def rows(self, table: Any, indices: Any) -> Any:
        """Return table[index] for each index."""

    def sums_by(self, values: Any, groups: Any, count: int) -> Any:
        """Return the sum of the values of each group [group]."""

    def join(self, parts: list[Any]) -> Any:
        """Return tensors one after the other along the last axis."""

    def still(self, values: Any) -> Any:
        """Return the values, through which no gradient goes."""


class Memory(Protocol):
    """Numbers that a loss remembers from one training step to the next."""

    @property
    def value(self) -> NDArray[np.float32]:
        """The numbers now."""

    def read(self, like: Any) -> Any:
        """Return the numbers as a tensor."""

    def commit(self, loss: Any, numbers: Any) -> Any:
        """Return a loss; once a gradient of it is taken, the numbers are remembered."""
