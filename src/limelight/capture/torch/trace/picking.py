"""Follows a softmax's values where some are picked out, or written back among zeros.

Room: capture, torch. Comes in: a function such as ``topk``, ``sort`` or ``scatter``, and how one of
its tensors holds a softmax's values. Goes out: how its result holds them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from limelight.capture.torch.trace.after import After
from limelight.capture.torch.trace.follow.views import argument
from limelight.capture.torch.trace.functions import Step

#: Give the largest values, or all by size, and where those were.
RANKED = frozenset(("topk", "sort"))

_NOWHERE = -1  # of a cell that holds none of the softmax's values


def picked(step: Step, after: After | None, at: int, out: Any, which: int) -> After | None:
    """Follow a softmax's values through a function that picks some, or puts them back.

    Parameters
    ----------
    step : Step
    after : After, optional
        Of the tensor that holds them.
    at : int
        Which of the function's tensors that is.
    out : tensor
        One that it returned.
    which : int
        Which of its results that is.

    Returns
    -------
    After or None
        None where it does nothing of the kind.
    """
    if after is None or after.index is None or after.lost:
        return None
    if step.name in RANKED and at == 0 and which == 0:
        return _ranked(step, after, out)
    if step.name in {"scatter", "scatter_add"} and at == len(step.fed) - 1 and len(step.fed) == 3:
        return _put_back(step, after, out)
    return None


def written_back(step: Step, after: After | None) -> After | None:
    """Follow a softmax's values that were written into another tensor, ``zeros[index] = values``.

    Parameters
    ----------
    step : Step
    after : After, optional
        Of the values.

    Returns
    -------
    After or None
        None where that is not what was done.
    """
    target, cells = step.args[0], step.args[1]
    shape = tuple(target.shape)
    if after is None or after.index is None or after.lost:
        return None
    if math.prod(shape) != math.prod(after.shape) or step.fed[-1] is target:
        return None
    before = after.index

    def index() -> Any:
        values = before()
        filled = values.new_full(shape, _NOWHERE)
        filled[_on_cpu(cells)] = values
        return filled

    return replace(after, index=index)


def _on_cpu(cells: Any) -> Any:
    if isinstance(cells, tuple):
        return tuple(map(_on_cpu, cells))
    return cells.to("cpu") if hasattr(cells, "to") else cells


def _ranked(step: Step, after: After, out: Any) -> After | None:
    before = after.index
    axis = int(argument(step, "dim", 1 if step.name == "sort" else 2, -1))
    if before is None:
        return None
    # The same function, asked once more, says where they were.
    cells = step.function(*step.args, **step.kwargs)[1].to("cpu")
    done = after.done("top-k") if out.shape != step.fed[0].shape else after
    return replace(done, index=lambda: before().gather(axis, cells))


def _put_back(step: Step, after: After, out: Any) -> After | None:
    axis, shape, before = int(argument(step, "dim", 1)), tuple(out.shape), after.index
    if math.prod(shape) != math.prod(after.shape) or before is None:
        return None
    cells = step.fed[1].to("cpu")

    def index() -> Any:
        values = before()
        return values.new_full(shape, _NOWHERE).scatter(axis, cells, values)

    return replace(after.done("top-k"), index=index)
