"""What a model does to a softmax's values before it weighs others with them.

Room: capture, torch. Comes in: every function that takes a softmax's values. Goes out: for each
softmax, what is multiplied with the values in the end, in the layout the softmax had; or why that
cannot be followed. Values that only change their order, form or precision are the softmax's still.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from limelight.capture.torch.trace import functions as kinds
from limelight.capture.torch.trace.mixing import mixing

#: Give the same values in another precision, or on another device: nothing moves.
CASTS = kinds.listed(
    "alias bfloat16 clone contiguous cpu cuda data detach double dropout float half to type "
    "type_as real requires_grad alpha_dropout feature_dropout"
)

#: What a function is called where it changes a softmax's values.
WORDS = {
    "masked_fill": "mask", "where": "mask", "tril": "mask", "triu": "mask", "setitem": "mask",
    "mul": "mask", "multiply": "mask", "div": "renormalisation", "divide": "renormalisation",
    "truediv": "renormalisation", "true_divide": "renormalisation", "normalize": "renormalisation",
    "pow": "power", "sqrt": "power", "clamp": "clamp", "clip": "clamp", "relu": "threshold",
    "threshold": "threshold", "_threshold": "threshold", "hardshrink": "threshold",
    "softshrink": "threshold",
    "batch_norm": "batch norm", "layer_norm": "layer norm", "group_norm": "group norm",
    "instance_norm": "instance norm", "rms_norm": "RMS norm", "scatter": "top-k",
    "add": "addition", "sub": "subtraction", "subtract": "subtraction",
}  # fmt: skip

#: Stages in which cells are taken away: what they leave at 0 may not be attended to.
MASKING = frozenset(("mask", "threshold", "top-k"))

#: Keep every value where it is, and are no element-wise arithmetic.
IN_PLACE = kinds.listed(
    "_threshold batch_norm cumprod cumsum group_norm hardshrink instance_norm layer_norm normalize "
    "rms_norm round softshrink threshold"
)


@dataclass(frozen=True, eq=False)
class After:
    """How a tensor holds a softmax's values.

    Attributes
    ----------
    shape : tuple of int
        Of the softmax; where heads were mixed, with as many heads as came of it.
    key : int
        The axis it ran over.
    index : callable, optional
        Returns where in that shape each value of a tensor lies, as a tensor of whole numbers; None
        where that cannot be told any more.
    stages : tuple of str
        What was done to the values, if anything.
    lost : str
        Why they cannot be followed; empty if they can.
    mixed : frozenset of int
        Axes of the softmax along which values were mixed.
    """

    shape: tuple[int, ...]
    key: int
    index: Callable[[], Any] | None
    stages: tuple[str, ...] = ()
    lost: str = ""
    mixed: frozenset[int] = frozenset()

    def done(self, word: str) -> After:
        """Return the same after one thing more was done to the values."""
        return self if self.stages[-1:] == (word,) else replace(self, stages=(*self.stages, word))


@dataclass(frozen=True, eq=False)
class Final:
    """What is multiplied with the values, where that is not the plain softmax.

    Attributes
    ----------
    values : tensor
        A copy.
    after : After
    mask : int
        What decided which of them count: flags of :mod:`limelight.capture.torch.trace.masks`.
    """

    values: Any
    after: After
    mask: int = 0

    @property
    def stage(self) -> str:
        """What was done to the softmax's values, in words: ``mask and renormalisation``."""
        words = list(dict.fromkeys(self.after.stages))
        return f"{', '.join(words[:-1]) + ' and ' if len(words) > 1 else ''}{words[-1]}"

    def laid_out(self) -> Any:
        """Return the values where the softmax had them; 0 where it had some that were cut off.

        Returns
        -------
        tensor or None
            None where that cannot be told.
        """
        if self.after.index is None or self.after.lost:
            return None
        try:
            index, values = self.after.index().reshape(-1), self.values.reshape(-1)
        except (IndexError, RuntimeError, TypeError, ValueError):
            return None  # rearranged in a way nobody thought of
        if len(index) != len(values):
            return None
        whole = values.new_zeros(math.prod(self.after.shape))
        whole[index.to(values.device)] = values
        if not bool((whole[index.to(values.device)] == values).logical_or(values != values).all()):
            return None  # copies of one value became different ones
        return whole.reshape(self.after.shape)


def begun(shape: Sequence[int], key: int) -> After:
    """Return how a softmax's own result holds its values.

    Parameters
    ----------
    shape : sequence of int
    key : int
        The axis it ran over.

    Returns
    -------
    After
    """
    import torch

    sizes = tuple(map(int, shape))
    return After(sizes, key, lambda: torch.arange(math.prod(sizes)).reshape(sizes))


def carried(
    step: kinds.Step, afters: Sequence[After | None], several: bool, out: Any, which: int
) -> After | None:
    """Follow a softmax's values through a function that gives them, or more of them, anew.

    Parameters
    ----------
    step : Step
    afters : sequence of After or None
        Of its tensors; None for those that hold no softmax's values.
    several : bool
        Whether they hold values of more than one softmax.
    out : tensor
        One that it returned.
    which : int
        Which of its results that is.

    Returns
    -------
    After or None
        None if none of its tensors holds any.
    """
    at = next((i for i, after in enumerate(afters) if after is not None), None)
    if at is None:
        return None
    after, tensor = afters[at], step.fed[at]
    assert after is not None
    if step.name in kinds.JOINS:
        known = [each for each in afters if each is not None]
        stages = tuple(dict.fromkeys(word for each in known for word in each.stages))
        return replace(after, index=None, stages=stages)
    if step.rearranges:
        return after if step.name in CASTS else _moved(step, after, tensor, which)
    if several:
        return replace(after, lost="combined with another softmax")
    word = _word(step, at)
    if out is not tensor and _same(out, tensor):
        return _as(after, out, tensor)
    return _as(after.done(word), out, tensor)


def mixed(step: kinds.Step, after: After, tensor: Any, out: Any) -> After | None:
    """Follow a softmax's values through a function that mixes them along one axis.

    Parameters
    ----------
    step : Step
    after : After
        Of the tensor.
    tensor : tensor
        One of the function's arguments.
    out : tensor
        What it returned.

    Returns
    -------
    After or None
        None where it mixes none, or the keys.
    """
    change = mixing(step.name, step.args, step.kwargs, tensor, out)
    if change is None or after.index is None or not tensor.numel():
        return None
    try:
        index = after.index()
    except (IndexError, RuntimeError, TypeError, ValueError):
        return None  # rearranged in a way nobody thought of
    if tuple(index.shape) != tuple(tensor.shape):
        return None
    stride = _stride(index, change.axis)
    axis = next((a for a, unit in enumerate(_units(after.shape)) if unit == stride), None)
    if axis is None or axis == after.key or index.shape[change.axis] != after.shape[axis]:
        return None
    size = out.shape[change.order.index(None)] if None in change.order else 1
    shape = (*after.shape[:axis], int(size), *after.shape[axis + 1 :])
    rows = index.select(change.axis, 0)
    placed = _replaced(rows, after.shape, shape, axis, change.axis, change.order, int(size))
    return replace(
        after.done("mixing of heads"), shape=shape, index=lambda: placed,
        mixed=after.mixed | {axis},
    )  # fmt: skip


def _replaced(
    rows: Any, before: tuple[int, ...], shape: tuple[int, ...], axis: int, gone: int,
    order: tuple[int | None, ...], size: int,
) -> Any:  # fmt: skip
    """Return where values lie once an axis has been mixed into another number of rows."""
    import torch

    units = _units(before)
    inner = units[axis]
    # The first head of each cell; heads more or fewer move what lies before them.
    outer, rest = rows // (inner * before[axis]), rows % inner
    base = outer * (inner * shape[axis]) + rest
    left = [a for a in range(rows.dim() + 1) if a != gone]
    if None not in order:
        return base.permute([left.index(a) for a in order if a is not None])
    wide = base.unsqueeze(-1) + torch.arange(size) * inner
    source = [*left, None]
    return wide.permute([source.index(a) for a in order])


def _units(shape: Sequence[int]) -> list[int]:
    """Return how far apart neighbours along each axis are, 0 where there is only one."""
    return [
        math.prod(shape[axis + 1 :]) if size > 1 else 0 for axis, size in enumerate(shape)
    ]  # fmt: skip


def _stride(index: Any, axis: int) -> int:
    """Return how far neighbours along an axis are apart everywhere; -1 where it differs."""
    if index.shape[axis] < 2:
        return -1
    steps = index.diff(dim=axis)
    first = int(steps.reshape(-1)[0])
    return first if bool((steps == first).all()) and first > 0 else -1


def _moved(step: kinds.Step, after: After, tensor: Any, which: int) -> After:
    """Note that values were rearranged; where to is asked only if somebody wants to know."""
    before, function, kwargs = after.index, step.function, step.kwargs
    at = next((position for position, arg in enumerate(step.args) if arg is tensor), None)
    if before is None or at is None:
        return replace(after, index=None)
    args: list[Any] = [*step.args[:at], None, *step.args[at + 1 :]]  # holds no activation

    def index() -> Any:
        import torch

        made = function(*args[:at], before(), *args[at + 1 :], **kwargs)
        return made if isinstance(made, torch.Tensor) else made[which]

    return replace(after, index=index)


def _as(after: After, out: Any, tensor: Any) -> After:
    """Follow values that stay where they are, perhaps under a shape with axes of one more."""
    shape, before = tuple(out.shape), after.index
    if shape == tuple(tensor.shape) or before is None:
        return after
    return replace(after, index=lambda: before().reshape(shape))


def _same(out: Any, tensor: Any) -> bool:
    import torch

    shaped = out.shape == tensor.shape and out.dtype == tensor.dtype
    return shaped and bool(torch.equal(out, tensor))


def _word(step: kinds.Step, at: int) -> str:
    """Say what a function does to values, in a word."""
    if step.name in {"mul", "multiply", "div", "divide", "truediv", "true_divide"}:
        others = [tensor for index, tensor in enumerate(step.fed) if index != at]
        if not others:
            return "scaling"
        if step.name in {"mul", "multiply"} and not _zeros_and_ones(others[0]):
            return "reweighting"
    return WORDS.get(step.name, step.name.replace("_", " "))


def _zeros_and_ones(tensor: Any) -> bool:
    return bool(((tensor == 0) | (tensor == 1)).all())
