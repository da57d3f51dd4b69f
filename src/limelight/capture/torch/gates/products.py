"""Follows a softmax's values into the product that consumes them.

Room: capture, torch. A module that takes its own softmax casts, drops, slices and reshapes it
before it multiplies it with the values; only what comes out of that product is what the heads
contribute. The weights themselves stay what they are, because modules also return them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from limelight.capture.torch.intercept.modes import Op
from limelight.capture.torch.trace import functions as kinds
from limelight.capture.torch.trace.after import CASTS, IN_PLACE
from limelight.capture.torch.trace.mixing import mixing

_SAME_FORM = CASTS | kinds.ELEMENTWISE | IN_PLACE | {"getitem"}
_REGROUPED = frozenset(
    {"view", "reshape", "flatten", "unflatten", "squeeze", "expand", "view_as", "reshape_as"}
)  # fmt: skip
_TURNED = frozenset(
    {"transpose", "permute", "movedim", "moveaxis", "swapaxes", "swapdims", "t", "unsqueeze",
     "__getitem__"}
)  # fmt: skip
_PRODUCTS = frozenset({"matmul", "bmm", "__matmul__", "__rmatmul__"})
_SCALED = frozenset({"mul", "multiply", "__mul__", "__rmul__"})


@dataclass(eq=False)
class Alias:
    """A tensor that holds a softmax's values.

    Attributes
    ----------
    tensor : tensor
        Kept, so that no other tensor gets its id.
    natural : tuple of int
        How to permute it to [lead …, query, key], ``lead`` being examples and heads. Axes it does
        not name are of size one.
    origin : object
        What the caller knows of the softmax.
    """

    tensor: Any
    natural: tuple[int, ...]
    origin: Any

    @property
    def lead(self) -> tuple[int, ...]:
        """Sizes of examples and heads, as the softmax had them."""
        return tuple(self.tensor.shape[axis] for axis in self.natural[:-2])


#: Give their first argument the form or the precision of their second.
_FORMS = frozenset({"expand_as", "reshape_as", "type_as", "view_as"})

#: Takes an alias's origin, a tensor [lead …, query, feature] and ``lead``; returns it changed.
Change = Callable[[Any, Any, tuple[int, ...]], Any]


@dataclass(eq=False)
class Follower:
    """Follows softmaxes through the functions that a model calls.

    Attributes
    ----------
    change : callable
        Applied to each product of a followed softmax and its values.
    scale : callable
        The same, where weights enter a product of another form: applied to them.
    """

    change: Change
    scale: Change

    def __post_init__(self) -> None:
        self._aliases: dict[int, Alias] = {}

    def begin(self, weights: Any, axis: int, origin: Any) -> None:
        """Follow the values of a softmax.

        Parameters
        ----------
        weights : tensor
        axis : int
            What the softmax ran over.
        origin : object
            Handed to ``change`` and ``scale``.
        """
        natural = _natural(weights.dim(), axis)
        if natural is not None:
            self._aliases[id(weights)] = Alias(weights, natural, origin)

    def forget(self) -> None:
        """Let go of every tensor."""
        self._aliases.clear()

    def __call__(self, op: Op, run: Callable[[], Any]) -> Any:
        """Do what an operation does, changing what followed weights make."""
        if not self._aliases:
            return run()
        name = getattr(op.function, "__name__", "")
        if name == "einsum":
            return self._einsum(op, run)
        index = next((i for i, arg in enumerate(op.args) if id(arg) in self._aliases), None)
        if index is None:
            return run()
        alias = self._aliases[id(op.args[index])]
        if name in _PRODUCTS and index < 2 and not _mixes(op, alias):
            return self._product(alias, first=(index == 0) != (name == "__rmatmul__"), op=op)
        out = run()
        plain = kinds.name_of(op.function)
        if index and plain in _FORMS:
            return out  # another tensor, in the form or precision of the weights
        mixed = None
        if plain in _SAME_FORM and _alike(out, alias, sliced=name == "__getitem__"):
            self._aliases[id(out)] = Alias(out, alias.natural, alias.origin)
        elif (mixed := _mixed(plain, op, alias, out)) is not None:
            self._aliases[id(out)] = Alias(out, mixed, alias.origin)
        elif name in _SCALED:
            changed = self._scaled(alias)
            args = tuple(changed if i == index else arg for i, arg in enumerate(op.args))
            out = op.function(*args, **op.kwargs)
        else:
            natural = _regrouped(out, alias) if name in _REGROUPED else None
            if natural is None and (name in _TURNED or plain in kinds.TURNS):
                natural = _turned(op, alias, index)
            if natural is not None:
                self._aliases[id(out)] = Alias(out, natural, alias.origin)
        return out

    def _product(self, alias: Alias, first: bool, op: Op) -> Any:
        rank = alias.tensor.dim()
        plain = alias.natural == tuple(range(rank))
        flipped = alias.natural == (*range(rank - 2), rank - 1, rank - 2)
        out = op.function(*op.args, **op.kwargs)
        leads = tuple(out.shape[:-2]) == alias.lead and out.dim() == rank
        if first and plain and leads:
            return self.change(alias.origin, out, alias.lead)
        if not first and flipped and leads:
            return self.change(alias.origin, out.transpose(-1, -2), alias.lead).transpose(-1, -2)
        changed = self._scaled(alias)
        args = tuple(changed if arg is alias.tensor else arg for arg in op.args)
        return op.function(*args, **op.kwargs)

    def _einsum(self, op: Op, run: Callable[[], Any]) -> Any:
        listed = len(op.args) == 2 and isinstance(op.args[1], (list, tuple))
        operands = list(op.args[1] if listed else op.args[1:])
        index = next((i for i, arg in enumerate(operands) if id(arg) in self._aliases), None)
        if index is None:
            return run()
        alias = self._aliases[id(operands[index])]
        order = _einsum_order(op.args[0], index, alias)
        if order is None:
            out = run()
            mixed = _mixed("einsum", op, alias, out)
            if mixed is not None:
                self._aliases[id(out)] = Alias(out, mixed, alias.origin)
                return out
        else:
            out = run()
            back = [order.index(axis) for axis in range(len(order))]
            turned = out.permute(order)
            lead_and_query = turned.shape[: len(alias.natural) - 1]
            rows = turned.reshape(*lead_and_query, -1)
            changed = self.change(alias.origin, rows, alias.lead)
            return changed.reshape(turned.shape).permute(back)
        operands[index] = self._scaled(alias)
        return op.function(op.args[0], *operands, **op.kwargs)

    def _scaled(self, alias: Alias) -> Any:
        rank = alias.tensor.dim()
        order = (*alias.natural, *(axis for axis in range(rank) if axis not in alias.natural))
        turned = alias.tensor.permute(order)
        natural = turned.reshape(turned.shape[: len(alias.natural)])
        scaled = self.scale(alias.origin, natural, alias.lead).reshape(turned.shape)
        return scaled.permute([order.index(axis) for axis in range(rank)])


def _natural(rank: int, axis: int) -> tuple[int, ...] | None:
    """Put the softmax's axis last; the axis before that holds the queries."""
    if rank < 2:
        return None
    return (*(other for other in range(rank) if other != axis), axis)


def _alike(out: Any, alias: Alias, sliced: bool) -> bool:
    """Whether it is the weights still: of their shape, or of some of their keys."""
    shape = getattr(out, "shape", None)
    if shape is None or len(shape) != alias.tensor.dim():
        return False
    key = alias.natural[-1]
    same = [a == b for a, b in zip(shape, alias.tensor.shape, strict=True)]
    return all(same[:key]) and all(same[key + 1 :]) and (same[key] or sliced)


def _mixed(name: str, op: Op, alias: Alias, out: Any) -> tuple[int, ...] | None:
    """Follow a function that mixes heads, and neither queries nor keys."""
    if not hasattr(out, "dim"):
        return None
    change = mixing(name, op.args, op.kwargs, alias.tensor, out)
    if change is None or change.axis in alias.natural[-2:]:
        return None
    at = {axis: index for index, axis in enumerate(change.order)}
    at[change.axis] = at.get(None, -1)
    return tuple(at[axis] for axis in alias.natural if at[axis] >= 0)


def _mixes(op: Op, alias: Alias) -> bool:
    """Say whether a product has the heads as its inner axis, as numbers that mix them do."""
    inner = alias.tensor.dim() - (1 if op.args[0] is alias.tensor else 2)
    return inner in alias.natural[:-2]


def _regrouped(out: Any, alias: Alias) -> tuple[int, ...] | None:
    """Follow a view that only groups examples and heads anew."""
    rank = out.dim()
    if alias.natural != tuple(range(alias.tensor.dim())) or rank < 2:
        return None  # axes of size one beyond these are not followed
    if tuple(out.shape[-2:]) != tuple(alias.tensor.shape[-2:]):
        return None
    return tuple(range(rank)) if out.numel() == alias.tensor.numel() else None


def _turned(op: Op, alias: Alias, argument: int) -> tuple[int, ...] | None:
    """Ask the operation itself where the axes go, on a tensor whose sizes tell them apart."""
    import torch

    index = op.args[1] if len(op.args) > 1 else ()
    parts = index if isinstance(index, tuple) else (index,)
    if op.function.__name__ == "__getitem__" and not all(
        part is None or part is Ellipsis or part == slice(None) for part in parts
    ):
        return None
    marked = torch.empty(()).expand(tuple(range(2, 2 + alias.tensor.dim())))
    args = tuple(marked if i == argument else arg for i, arg in enumerate(op.args))
    sizes = list(op.function(*args, **op.kwargs).shape)
    return tuple(sizes.index(axis + 2) for axis in alias.natural)


def _einsum_parts(op: Op) -> tuple[tuple[list[str], str], list[Any]]:
    """Return the letters of each operand and of the output, and the operands."""
    listed = len(op.args) == 2 and isinstance(op.args[1], (list, tuple))
    inputs, output = op.args[0].replace(" ", "").split("->")
    return (inputs.split(","), output), list(op.args[1] if listed else op.args[1:])


def _einsum_order(equation: Any, index: int, alias: Alias) -> list[int] | None:
    """Return how to permute an einsum's output to [lead …, query, feature …]; None if unclear."""
    if not isinstance(equation, str) or "..." in equation or "->" not in equation:
        return None
    inputs, output = equation.replace(" ", "").split("->")
    letters = inputs.split(",")[index]
    rows = [letters[axis] for axis in alias.natural[:-1]]
    if letters[alias.natural[-1]] in output or any(letter not in output for letter in rows):
        return None
    features = [letter for letter in output if letter not in rows]
    return [output.index(letter) for letter in (*rows, *features)]
