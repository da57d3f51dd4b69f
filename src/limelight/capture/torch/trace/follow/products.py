"""Products: which axis of each side is summed over, which they share, which stays of one alone.

Room: capture, torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.torch.trace.deriving import sided
from limelight.capture.torch.trace.follow.pointwise import worth
from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.labels import Axes, Axis, Product, kind_of, prove, unwound


def multiplied(left: Any, first: Axes, right: Any, second: Axes) -> Axes:
    """Follow a matrix product.

    Parameters
    ----------
    left, right : Provenance
    first, second : tuple of Axis
        Of the tensors, in the order of a matrix product.

    Returns
    -------
    tuple of Axis
    """
    rows = first[-2:-1]
    columns = second[-1:] if len(second) > 1 else ()
    summed = first[-1]
    met = second[-2] if len(second) > 1 else second[-1]
    before, after = first[:-2], second[:-2]
    rank = max(len(before), len(after))
    wide = ((),) * rank
    shared = tuple(
        together(left, mine, right, theirs)
        for mine, theirs in zip(
            (wide + before)[len(before) :], (wide + after)[len(after) :], strict=True
        )
    )
    return (*shared, *_sides(left, rows, right, columns, (*summed, *met)))


def together(left: Any, mine: Axis, right: Any, theirs: Axis) -> Axis:
    """Return an axis that both sides of a product have.

    Parameters
    ----------
    left, right : Provenance
    mine, theirs : tuple of Factor

    Returns
    -------
    tuple of Factor
        Of the two, the one that tells more.
    """
    if not mine or not theirs:
        return mine or theirs
    return mine if worth(left, mine) >= worth(right, theirs) else theirs


def _sides(
    left: Any, rows: Sequence[Axis], right: Any, columns: Sequence[Axis], summed: Axis
) -> tuple[Axis, ...]:
    """Return what stays of each side alone."""
    other = right if left.weights else left
    if bool(left.weights) != bool(right.weights) and not other.learned:
        # A weighted sum: queries are positions again.
        return (*map(unwound, rows), *map(unwound, columns))
    if left.weights or right.weights:
        return (*rows, *columns)
    if right.learned and not left.learned:  # a layer of learned vectors
        prove(rows, summed)
        return (*rows, *columns)
    product = Product(summed)
    return (
        *(sided(axis, product, 0) for axis in rows),
        *(sided(axis, product, 1) for axis in columns),
    )


def _matmul(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:  # noqa: ARG001
    left, right = fed[-2:] if len(fed) > 1 else (fed[0], fed[0])
    if step.name == "rmatmul":
        left, right = right, left
    first, second = left.axes, right.axes
    if len(first) == 1:
        first = ((), *first)
        axes = multiplied(left, first, right, second)
        return (*axes[:-2], axes[-1]) if len(second) > 1 else axes[:-1]
    return multiplied(left, first, right, second)


def _tensordot(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:  # noqa: ARG001
    dims = step.kwargs.get("dims", step.args[2] if len(step.args) > 2 else 2)
    left, right = fed
    if isinstance(dims, int):
        ranks = len(left.axes)
        pairs = [list(range(ranks - dims, ranks)), list(range(dims))]
    else:
        pairs = [[dim] if isinstance(dim, int) else list(dim) for dim in dims]
    mine = [dim % len(left.axes) for dim in pairs[0]]
    theirs = [dim % len(right.axes) for dim in pairs[1]]
    summed = tuple(f for at in mine for f in left.axes[at])
    rows = [axis for at, axis in enumerate(left.axes) if at not in mine]
    columns = [axis for at, axis in enumerate(right.axes) if at not in theirs]
    return _sides(left, rows, right, columns, summed)


def _inner(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:  # noqa: ARG001
    left, right = fed
    return _sides(left, left.axes[:-1], right, right.axes[:-1], left.axes[-1])


def letters(step: Step) -> tuple[list[str], str]:
    """Return the letters of an einsum's tensors and of its result.

    Parameters
    ----------
    step : Step

    Returns
    -------
    list of str
        Capital letters stand for the axes of an ellipsis, the last of them for the last.
    str
    """
    equation = step.args[0].replace(" ", "")
    inputs, arrow, output = equation.partition("->")
    operands = inputs.split(",")
    most = 0
    for at, tensor in enumerate(step.fed):
        named = len(operands[at].replace("...", ""))
        most = max(most, tensor.dim() - named)
    capitals = "".join(chr(ord("À") + at) for at in range(most))
    wide = []
    for at, tensor in enumerate(step.fed):
        extra = tensor.dim() - len(operands[at].replace("...", ""))
        wide.append(operands[at].replace("...", capitals[most - extra :] if extra else ""))
    if not arrow:
        every = "".join(operands).replace(".", "")
        output = "..." + "".join(sorted(c for c in set(every) if every.count(c) == 1))
    return wide, output.replace("...", capitals)


def _einsum(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:  # noqa: ARG001
    operands, output = letters(step)
    holders: dict[str, list[int]] = {}
    for at, operand in enumerate(operands):
        for letter in operand:
            holders.setdefault(letter, []).append(at)

    def of(letter: str, at: int) -> Axis:
        return fed[at].axes[operands[at].index(letter)]  # type: ignore[no-any-return]

    def best(letter: str) -> Axis:
        # An axis of size one has no factors, and is repeated.
        holding = [at for at in holders[letter] if of(letter, at)]
        at = max(holding, key=lambda at: worth(fed[at], of(letter, at)), default=holders[letter][0])
        return of(letter, at)

    summed = tuple(f for letter in holders if letter not in output for f in best(letter))
    alone = {c: {at for at in holders[c] if of(c, at)} for c in output}
    weighing = any(known.weights for known in fed)
    learned = {at for at, known in enumerate(fed) if known.learned}
    data = set(range(len(fed))) - learned
    groups = {min(ats) for ats in alone.values() if len(ats) == 1}
    if weighing:
        mixed = any(known.learned for known in fed) or all(known.weights for known in fed)
        return tuple(best(letter) if mixed else unwound(best(letter)) for letter in output)
    layer = bool(data) and bool(learned) and max(learned) > max(data)
    by_side: dict[int, list[Axis]] = {at: [] for at in groups}
    for letter in output:
        if len(alone[letter]) == 1:
            by_side[min(alone[letter])].append(best(letter))
    crossing = [
        at for at, axes in by_side.items()
        if any(kind_of(f) not in {"example", "repeat"} for axis in axes for f in axis)
    ]  # fmt: skip
    if layer or len(crossing) < 2 or len(fed) != 2:
        if layer:
            prove((axis for at in data for axis in by_side.get(at, ())), summed)
        return tuple(best(letter) for letter in output)
    product = Product(summed)
    return tuple(
        sided(best(letter), product, min(alone[letter]))
        if len(alone[letter]) == 1
        else best(letter)
        for letter in output
    )


RULES = {
    **dict.fromkeys(("matmul", "rmatmul", "mm", "bmm", "baddbmm", "mv", "dot"), _matmul),
    "einsum": _einsum,
    "tensordot": _tensordot,
    "inner": _inner,
}  # fmt: skip
