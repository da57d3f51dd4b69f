"""Follows weights that are changed after their softmax, up to the product with the values.

Room: capture, torch. Comes in: a softmax whose values a model masks, renormalises or mixes. Goes
out: what it multiplies with the values in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from limelight.capture.torch.gates.products import Alias, Follower
from limelight.capture.torch.intercept.modes import Op

#: Brings weights, or what has their form, to [lead …, query, key].
Layout = Callable[[Any], Any]


class Finals(Follower):
    """Tells of weights as they enter a product.

    Parameters
    ----------
    met : callable
        Given a site, its weights, how to lay them out with the keys last, and whether some were
        dropped at random.
    """

    def __init__(self, met: Callable[[Any, Any, Layout, bool], None]) -> None:
        super().__init__(lambda _, rows, __: rows, lambda _, weights, __: weights)
        self._met = met
        self._dropped: set[int] = set()
        self._noted: set[int] = set()

    def forget(self) -> None:
        """Let go of every tensor."""
        super().forget()
        self._dropped.clear()
        self._noted.clear()

    def __call__(self, op: Op, run: Callable[[], Any]) -> Any:
        """Do what an operation does, and note what drops weights."""
        if not self._aliases:
            return run()
        source = next((arg for arg in op.args if id(arg) in self._aliases), None)
        out = super().__call__(op, run)
        if source is not None and id(out) in self._aliases:
            drops = "dropout" in getattr(op.function, "__name__", "") and out is not source
            if id(source) in self._dropped or (drops and not bool((out == source).all())):
                self._dropped.add(id(out))
        return out

    def _product(self, alias: Alias, first: bool, op: Op) -> Any:  # noqa: ARG002
        self._tell(alias)
        return op.function(*op.args, **op.kwargs)

    def _einsum(self, op: Op, run: Callable[[], Any]) -> Any:
        operands = op.args[1] if isinstance(op.args[1], (list, tuple)) else op.args[1:]
        index = next((i for i, arg in enumerate(operands) if id(arg) in self._aliases), None)
        out = super()._einsum(op, run)
        if index is not None and id(out) not in self._aliases:  # a product, no mixing of heads
            self._tell(self._aliases[id(operands[index])])
        return out

    def _scaled(self, alias: Alias) -> Any:
        self._tell(alias)
        return alias.tensor

    def _tell(self, alias: Alias) -> None:
        if id(alias.tensor) in self._noted:
            return
        self._noted.add(id(alias.tensor))
        rank = alias.tensor.dim()
        order = (*alias.natural, *(axis for axis in range(rank) if axis not in alias.natural))

        def layout(values: Any) -> Any:
            turned = values.permute(order)
            return turned.reshape(turned.shape[: len(alias.natural)])

        self._met(alias.origin, alias.tensor, layout, id(alias.tensor) in self._dropped)
