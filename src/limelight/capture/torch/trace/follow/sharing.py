"""How the weights of a softmax meet what they weigh: over which axis they are summed.

Room: capture, torch. Comes in: a product of weights with values. Goes out: which axes of the
weights are summed over with the values, which both have, and which the weights have alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from limelight.capture.torch.trace.follow.products import letters
from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.labels import Axis


@dataclass(frozen=True, eq=False)
class Sharing:
    """Axes of weights, beside the values that they are multiplied with.

    Attributes
    ----------
    summed : tuple of Factor
        Summed over, as the weights have them.
    values : tuple of Factor
        The same, as the values have them.
    shared, alone : tuple of Factor
        Axes of the weights that stay, and that the values have too, or have not.
    """

    summed: Axis
    values: Axis
    shared: Axis
    alone: Axis


def sharing(step: Step, fed: Sequence[Any], which: int) -> Sharing | None:
    """Tell how weights meet values in a product.

    Parameters
    ----------
    step : Step
    fed : sequence of Provenance
    which : int
        Which of its tensors holds the weights.

    Returns
    -------
    Sharing or None
        None where the product is of an unknown form.
    """
    if step.name == "einsum":
        return _of_letters(step, fed, which)
    if step.name == "tensordot":
        return _of_pairs(step, fed, which)
    pair = list(zip(step.fed, fed, strict=True))[-2:]
    if len(pair) < 2:
        return None
    if step.name == "rmatmul":
        pair = pair[::-1]
    first = pair[0][0] is step.fed[which]
    mine, theirs = (pair[0][1].axes, pair[1][1].axes) if first else (pair[1][1].axes,
                                                                   pair[0][1].axes)  # fmt: skip
    if step.name == "inner" or min(len(mine), len(theirs)) == 0:
        return None

    def inner(axes: Any, left: bool) -> int:
        return -1 if left or len(axes) == 1 else -2

    summed, values = mine[inner(mine, first)], theirs[inner(theirs, not first)]
    row = () if len(mine) == 1 else mine[-2 if first else -1]
    shared, alone = _aligned(mine[:-2], theirs[:-2])
    return Sharing(summed, values, shared, (*alone, *row))


def _aligned(mine: Sequence[Axis], theirs: Sequence[Axis]) -> tuple[Axis, Axis]:
    """Return the factors that both have, and those that the first has alone, from the last axis."""
    shared: list[Any] = []
    alone: list[Any] = []
    for at in range(1, len(mine) + 1):
        other = theirs[-at] if at <= len(theirs) else ()
        (shared if other else alone).extend(mine[-at])
    return tuple(shared), tuple(alone)


def spread_out(weights: Sequence[Axis], others: Sequence[Axis]) -> tuple[Axis, Axis]:
    """Tell which factors weights share with what they are multiplied with, cell by cell.

    Parameters
    ----------
    weights, others : sequence of Axis

    Returns
    -------
    tuple of Factor
        Those that both have.
    tuple of Factor
        Those that the weights have alone.
    """
    return _aligned(weights, others)


def _of_letters(step: Step, fed: Sequence[Any], which: int) -> Sharing:
    operands, output = letters(step)
    others = [at for at in range(len(fed)) if at != which]
    summed: list[Any] = []
    values: list[Any] = []
    shared: list[Any] = []
    alone: list[Any] = []
    for letter, axis in zip(operands[which], fed[which].axes, strict=True):
        theirs = [
            fed[at].axes[operands[at].index(letter)] for at in others if letter in operands[at]
        ]
        has = any(theirs)
        if letter not in output and theirs:
            summed.extend(axis)
            values.extend(next((a for a in theirs if a), ()))
        elif letter in output:
            (shared if has else alone).extend(axis)
    return Sharing(tuple(summed), tuple(values), tuple(shared), tuple(alone))


def _of_pairs(step: Step, fed: Sequence[Any], which: int) -> Sharing:
    dims = step.kwargs.get("dims", step.args[2] if len(step.args) > 2 else 2)
    rank = len(fed[0].axes)
    if isinstance(dims, int):
        dims = (list(range(rank - dims, rank)), list(range(dims)))
    listed = [[dim] if isinstance(dim, int) else list(dim) for dim in dims]
    mine, theirs = fed[which].axes, fed[1 - which].axes
    here = {dim % len(mine) for dim in listed[which]}
    return Sharing(
        tuple(f for at in sorted(here) for f in mine[at]),
        tuple(f for dim in listed[1 - which] for f in theirs[dim]),
        (),
        tuple(f for at, axis in enumerate(mine) if at not in here for f in axis),
    )
