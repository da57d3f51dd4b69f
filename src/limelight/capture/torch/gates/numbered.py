"""Follows what heads contribute, number by number, to the layer that projects it.

Room: capture, torch. Comes in: what an attention gives. Goes out: for the product that takes it
next, which head, query and example each of its numbers is of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from limelight.capture.torch.gates.products import _einsum_parts
from limelight.capture.torch.intercept.modes import Op
from limelight.capture.torch.trace import functions as kinds

#: Give the same numbers in another order or form.
_MOVES = kinds.REARRANGES - kinds.listed(
    "as_strided dropout alpha_dropout feature_dropout data repeat repeat_interleave gather "
    "index_select roll"
)
#: Change each number by itself, or by a factor.
_KEEPS = kinds.listed(
    "dropout alpha_dropout clone contiguous detach to type float half bfloat16 double mul multiply "
    "div divide truediv true_divide relu gelu tanh silu sigmoid type_as nan_to_num neg negative "
    "masked_fill cpu cuda requires_grad"
)
#: What is of no head.
NOBODY = -1


@dataclass(eq=False)
class Projection:
    """A product that takes what heads contribute.

    Attributes
    ----------
    op : Op
    given : tensor
        What it takes.
    numbers : tensor of int
        Of the same shape: which head, query and example each number is of.
    out : tensor
    weight : tensor or None
        What it is multiplied with.
    """

    op: Op
    given: Any
    numbers: Any
    out: Any
    weight: Any

    @property
    def bias(self) -> Any:
        """What the product adds for each feature, where it says so; else None."""
        name = kinds.name_of(self.op.function)
        args, named = self.op.args, self.op.kwargs
        if name == "linear":
            return args[2] if len(args) > 2 else named.get("bias")
        return args[0] if name == "addmm" and args[0].dim() == 1 else None

    def without_bias(self, given: Any) -> Any:
        """Return the product of something else of the same shape, without what is added to it."""
        import torch

        name = kinds.name_of(self.op.function)
        if name == "linear":
            return torch.nn.functional.linear(given, self.weight)
        if name == "addmm":
            return given @ self.weight
        args = [given if arg is self.given else arg for arg in self.op.args]
        if name == "einsum" and isinstance(self.op.args[1], (list, tuple)):
            args[1] = [given if arg is self.given else arg for arg in self.op.args[1]]
        named = {key: given if arg is self.given else arg for key, arg in self.op.kwargs.items()}
        return self.op.function(*args, **named)

    def rows(self) -> Any:
        """Return, for the output's axes but the last, one of the numbers each row is made of.

        None where a row is made of several queries, or it cannot be told.
        """
        name = kinds.name_of(self.op.function)
        if name != "einsum":
            return self.numbers
        parts = _einsum_parts(self.op)
        index = next(i for i, operand in enumerate(parts[1]) if operand is self.given)
        letters, output = parts[0][0][index], parts[0][1]
        rest = [letter for letter in letters if letter in output]
        if len(output) != len(rest) + 1 or output[-1] in rest:
            return None
        order = [letters.index(letter) for letter in output[:-1]]
        order += [at for at, letter in enumerate(letters) if letter not in output]
        turned = self.numbers.permute(order)
        return turned.reshape(*turned.shape[: len(rest)], -1)

    def columns(self, wanted: Any) -> Any:
        """Return which numbers of the weight meet some of the given's, as it meets the weight.

        Parameters
        ----------
        wanted : tensor, bool
            Of the shape of ``given``; alike in every row.

        Returns
        -------
        tensor, bool
            To be broadcast over the weight.
        """
        name = kinds.name_of(self.op.function)
        if name == "linear":
            return wanted.reshape(-1, wanted.shape[-1])[0]
        if name != "einsum":
            return wanted.reshape(-1, wanted.shape[-1])[0][:, None]
        (inputs, output), operands = _einsum_parts(self.op)
        mine = next(i for i, operand in enumerate(operands) if operand is self.given)
        letters, theirs = inputs[mine], inputs[1 - mine]
        first = tuple(0 if letter in output else slice(None) for letter in letters)
        summed = [letter for letter in letters if letter not in output]
        part = wanted[first]
        order = [letter for letter in theirs if letter in summed]
        part = part.permute([summed.index(letter) for letter in order])
        return part[tuple(slice(None) if letter in summed else None for letter in theirs)]


class Numbered:
    """Follows numbers through what a model does with them.

    Parameters
    ----------
    met : callable
        Given each :class:`Projection`.
    """

    def __init__(self, met: Callable[[Projection], None]) -> None:
        self._met = met
        self._numbers: dict[int, tuple[Any, Any]] = {}  # the tensor is rest, and with it its id

    def begin(self, out: Any, numbers: Any) -> None:
        """Follow a tensor.

        Parameters
        ----------
        out, numbers : tensor
            Of one shape.
        """
        self._numbers[id(out)] = out, numbers

    def __call__(self, op: Op, out: Any) -> None:
        """Take note of what an operation did."""
        name = kinds.name_of(op.function)
        operands = list(_operands(op))
        given = next((arg for arg in operands if id(arg) in self._numbers), None)
        if given is None or out is None:
            return
        if name in kinds.JOINS:
            self._join(op, out)
        elif name in kinds.LINEAR | kinds.PRODUCTS:
            others = [arg for arg in operands if arg is not given and _many(arg)]
            if name == "addmm":
                others = [op.args[2]] if len(op.args) > 2 else []
            if name == "linear":
                others = others[:1]
            weight = others[0] if len(others) == 1 else None
            self._met(Projection(op, given, self._numbers[id(given)][1], out, weight))
        elif _same_shape(out, given) and name in _KEEPS:
            self.begin(out, self._numbers[id(given)][1])
        elif name in _MOVES and operands and operands[0] is given:
            self._move(op, given, out)

    def _move(self, op: Op, given: Any, out: Any) -> None:
        numbers = self._numbers[id(given)][1].contiguous()  # a view of the given may ask for that
        args = tuple(numbers if arg is given else arg for arg in op.args)
        if kinds.name_of(op.function) in kinds.AS_ANOTHER:
            moved: Any = numbers.reshape(out.shape) if hasattr(out, "shape") else None
        else:
            moved = op.function(*args, **op.kwargs)
        pairs = zip(out, moved, strict=True) if isinstance(out, (tuple, list)) else [(out, moved)]
        for tensor, its in pairs:
            if _same_shape(tensor, its):
                self.begin(tensor, its)

    def _join(self, op: Op, out: Any) -> None:
        import torch

        parts = op.args[0] if op.args else op.kwargs["tensors"]
        numbers = [
            self._numbers[id(part)][1] if id(part) in self._numbers
            else torch.full(part.shape, NOBODY)
            for part in parts
        ]  # fmt: skip
        joint = op.function(numbers, *op.args[1:], **op.kwargs)
        if _same_shape(joint, out):
            self.begin(out, joint)


def _operands(op: Op) -> Any:
    for arg in (*op.args, *op.kwargs.values()):
        if isinstance(arg, (list, tuple)):
            yield from arg
        else:
            yield arg


def _many(arg: Any) -> bool:
    return hasattr(arg, "dim") and arg.dim() >= 2


def _same_shape(one_tensor: Any, other: Any) -> bool:
    first, second = getattr(one_tensor, "shape", None), getattr(other, "shape", ())
    return first is not None and tuple(first) == tuple(second)
