"""Functions that mix a softmax's values along an axis other than that of the keys, as across heads.

Room: capture, torch. Comes in: a function that ran on a softmax's values. Goes out: which axis it
mixed, and which axis of what came in became which of what came out. Names no module: a convolution,
a linear layer, ``einsum`` and ``matmul`` are told by what they do to axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_CONVOLUTIONS = {"conv1d": 3, "conv2d": 4, "conv3d": 5}


@dataclass(frozen=True)
class Mixing:
    """What became of axes.

    Attributes
    ----------
    axis : int
        The axis of what came in that was mixed.
    order : tuple of int or None
        For each axis of what came out, the axis it was; None for the one that the mixed became.
    """

    axis: int
    order: tuple[int | None, ...]


def mixing(name: str, args: Any, kwargs: dict[str, Any], tensor: Any, out: Any) -> Mixing | None:
    """Say which axis of a tensor a function mixed.

    Parameters
    ----------
    name : str
        Of the function, as :func:`limelight.capture.torch.trace.functions.name_of` gives it.
    args, kwargs : tuple, dict
        What it was called with.
    tensor : tensor
        One of its arguments.
    out : tensor
        What it returned.

    Returns
    -------
    Mixing or None
        None where it mixed none, several, or positions with their neighbours.
    """
    rank = tensor.dim()
    made: Mixing | None = None
    if name == "linear" and args and args[0] is tensor:
        made = Mixing(rank - 1, (*range(rank - 1), None))
    elif _CONVOLUTIONS.get(name) == rank and args[0] is tensor:
        made = Mixing(1, (0, None, *range(2, rank)))
    elif name in {"matmul", "rmatmul", "bmm"} and rank > 1 and out.dim() == rank:
        made = _product(name, args, tensor)
    elif name == "einsum":
        made = _einsum(args, tensor)
    elif name in {"sum", "mean"}:
        made = _summed(args, kwargs, rank, out.dim())
    if made is None or len(made.order) != out.dim():
        return None
    same = all(
        axis is None or out.shape[at] == tensor.shape[axis] for at, axis in enumerate(made.order)
    )
    return made if same else None


def _product(name: str, args: Any, tensor: Any) -> Mixing | None:
    rank = tensor.dim()
    first = args[0] is tensor
    other = args[1] if first else args[0]
    if name == "rmatmul":
        first = not first
    if other.dim() < 2 or other.dim() > rank:
        return None
    lead = tuple(range(rank - 2))
    if first:
        return Mixing(rank - 1, (*lead, rank - 2, None))
    return Mixing(rank - 2, (*lead, None, rank - 1))


def _einsum(args: Any, tensor: Any) -> Mixing | None:
    if not isinstance(args[0], str) or "..." in args[0] or "->" not in args[0]:
        return None
    listed = len(args) == 2 and isinstance(args[1], (list, tuple))
    operands = list(args[1] if listed else args[1:])
    inputs, output = args[0].replace(" ", "").split("->")
    letters = inputs.split(",")
    index = next((i for i, operand in enumerate(operands) if operand is tensor), None)
    if index is None:
        return None
    mine, others = letters[index], set("".join(letters)) - set(letters[index])
    gone = [letter for letter in mine if letter not in output]
    fresh = [letter for letter in output if letter in others]
    if len(gone) != 1 or len(fresh) != 1 or len(set(mine)) != len(mine):
        return None
    order = tuple(None if letter in fresh else mine.index(letter) for letter in output)
    return Mixing(mine.index(gone[0]), order)


def _summed(args: Any, kwargs: dict[str, Any], rank: int, left: int) -> Mixing | None:
    given = kwargs.get("dim", args[1] if len(args) > 1 else None)
    axes = list(given) if isinstance(given, (tuple, list)) else [given]
    if len(axes) != 1 or not isinstance(axes[0], int):
        return None
    axis = axes[0] % rank
    if left == rank:
        return Mixing(axis, tuple(None if at == axis else at for at in range(rank)))
    return Mixing(axis, tuple(at for at in range(rank) if at != axis))
