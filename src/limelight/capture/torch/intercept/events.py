"""What is intercepted in torch: calls of modules, attentions, softmaxes, other functions.

Room: capture, torch. Comes in: the arguments of a torch function. Goes out: the event that it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from limelight.capture.torch.intercept.flex import taken_apart


@dataclass(eq=False)
class Call:
    """One call of a module.

    Attributes
    ----------
    module : torch.nn.Module
    path : str
        Its place in the model, with ``/``; ``""`` for the model itself.
    parent : Call or None
        The call it was made in.
    turn : int
        How many calls of the same module came before it in the same call of the model.
    args, kwargs : tuple, dict
        Empty once the call is over: nobody must hold every activation of a model.
    number : int
        Which call of the model it belongs to; several where a model generates.
    """

    module: Any
    path: str
    parent: Call | None
    turn: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    number: int = 0


@dataclass(eq=False)
class Attend:
    """One scaled dot-product attention that is about to run.

    Attributes
    ----------
    call : Call or None
        The innermost module call it happens in.
    query, key, value : tensor
        [example, head, query, feature], [example, key head, key, feature] and the same of values;
        leading axes beyond these, or missing ones, are as the model had them.
    bias : tensor, optional
        bool (True = may attend) or added to the scores; broadcast over [example, head, query, key].
    causal : bool
        Query ``q`` attends to keys up to ``q``, counted from the first key.
    scale : float, optional
        None is one over the root of the number of features.
    window : int, optional
        Only the newest so many keys.
    softcap : float, optional
    sink_logit : tensor [head], optional
    function : callable
        What computes it.
    heads_last : bool
        Whether the output is [example, query, head, feature], not [example, head, query, feature].
    score : callable, optional
        Turns float32 scores [example, head, query, key] into others, before ``bias`` counts.
    """

    call: Call | None
    query: Any
    key: Any
    value: Any
    bias: Any = None
    causal: bool = False
    scale: float | None = None
    window: int | None = None
    softcap: float | None = None
    sink_logit: Any = None
    function: Any = None
    heads_last: bool = False
    score: Callable[[Any], Any] | None = None


@dataclass(eq=False)
class Softmax:
    """One softmax that is about to run: over ``axis`` of ``logits``."""

    call: Call | None
    logits: Any
    axis: int


@dataclass(eq=False)
class Op:
    """Any other torch function that is about to run."""

    call: Call | None
    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


Event = Attend | Softmax | Op

#: Takes an event and a function of no arguments that does it; returns what the model gets.
Interceptor = Callable[[Event, Callable[[], Any]], Any]


@dataclass(eq=False)
class Stack:
    """Which modules are running, innermost last, and every call so far.

    Attributes
    ----------
    running, calls : list of Call
    number : int
        How many calls of the model have begun, less one.
    quiet : int
        Above 0 while what runs was handed to the interceptor already, as a whole.
    """

    running: list[Call] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    number: int = -1
    quiet: int = 0

    @property
    def top(self) -> Call | None:
        """The innermost call that runs."""
        return self.running[-1] if self.running else None


def sdpa_event(
    call: Call | None, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Attend:
    """Read the arguments of ``scaled_dot_product_attention``.

    Parameters
    ----------
    call : Call or None
    function : callable
    args, kwargs : tuple, dict

    Returns
    -------
    Attend
    """
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given = dict(zip(names, args, strict=False)) | kwargs
    return Attend(
        call, given["query"], given["key"], given["value"], given.get("attn_mask"),
        bool(given.get("is_causal", False)), given.get("scale"), function=function,
    )  # fmt: skip


def softmax_event(call: Call | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Softmax:
    """Read the arguments of a softmax.

    Parameters
    ----------
    call : Call or None
    args, kwargs : tuple, dict

    Returns
    -------
    Softmax
    """
    logits = args[0] if args else kwargs["input"]
    axis = args[1] if len(args) > 1 else kwargs.get("dim")
    rank = logits.dim()
    if axis is None:  # torch's own rule for a softmax without an axis
        axis = 0 if rank in (0, 1, 3) else 1
    return Softmax(call, logits, int(axis) % max(rank, 1))


def flexed(
    call: Call | None,
    interceptor: Interceptor,
    function: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Hand a call of the operator behind ``flex_attention`` to a interceptor.

    Parameters
    ----------
    call : Call or None
    interceptor : callable
    function : callable
    args, kwargs : tuple, dict

    Returns
    -------
    tuple of tensor
        What the operator returns: the output, then its statistics.
    """
    rest: list[Any] = []

    def run() -> Any:
        output, *rest[:] = function(*args, **kwargs)
        return output

    event = Attend(call, function=function, **taken_apart(args, kwargs))
    return (interceptor(event, run), *rest)
