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
        Returns where in that shape each value of a tensor lies, as a tensor of whole numbers, -1
        where it is none of the softmax's; None where that cannot be told any more.
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
        written = (index >= 0).to(values.device)
        if not bool((values[~written] == 0).all()):
            return None  # written among other values than zeros
        index, values = index[written.to(index.device)], values[written]
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
    word = word_of(step, at)
    if out is not tensor and _same(out, tensor):
        return under(after, out, tensor)
    return under(after.done(word), out, tensor)


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


def under(after: After, out: Any, tensor: Any) -> After:
    """Follow values that stay where they are, perhaps under a shape with axes of one more.

    Parameters
    ----------
    after : After
        Of what a function took.
    out, tensor : tensor
        What it returned, and what it took.

    Returns
    -------
    After
    """
    shape, before = tuple(out.shape), after.index
    if shape == tuple(tensor.shape) or before is None:
        return after
    return replace(after, index=lambda: before().reshape(shape))


def _same(out: Any, tensor: Any) -> bool:
    import torch

    shaped = out.shape == tensor.shape and out.dtype == tensor.dtype
    return shaped and bool(torch.equal(out, tensor))


def word_of(step: kinds.Step, at: int) -> str:
    """Say what a function does to values, in a word.

    Parameters
    ----------
    step : Step
    at : int
        Which of its tensors holds them.

    Returns
    -------
    str
    """
    if step.name in {"mul", "multiply", "div", "divide", "truediv", "true_divide"}:
        others = [tensor for index, tensor in enumerate(step.fed) if index != at]
        if not others:
            return "scaling"
        if step.name in {"mul", "multiply"} and not _zeros_and_ones(others[0]):
            return "reweighting"
    return WORDS.get(step.name, step.name.replace("_", " "))


def _zeros_and_ones(tensor: Any) -> bool:
    return bool(((tensor == 0) | (tensor == 1)).all())
