"""What is intercepted in torch: calls of modules, attentions, softmaxes, other functions.

Room: capture, torch. The events that a file below ``attention/`` makes of a call, and that watching
and gating are handed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(eq=False)
class Call:
    """One call of a module.

    Attributes
    ----------
    module : torch.nn.Module
    path : str
        Its path in the model, with ``/``; ``""`` for the model itself.
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
    heads_last : bool
        Whether the output is [example, query, head, feature], not [example, head, query, feature].
    score : callable, optional
        Turns float32 scores [example, head, query, key] into others, before ``bias`` counts.
    module : torch.nn.Module, optional
        Whose attention it is, where that need not be the innermost module that runs.
    dropout : float
        Which share of the weights the kernel drops.
    packed : bool
        Whether the function returns a tuple: the output, the logarithm to the base of two of each
        row's sum of exponentials, and perhaps its greatest score.
    call : Call or None
        The module call it happens in; found out when it is intercepted.
    """

    query: Any
    key: Any
    value: Any
    bias: Any = None
    causal: bool = False
    scale: float | None = None
    window: int | None = None
    softcap: float | None = None
    sink_logit: Any = None
    heads_last: bool = False
    score: Callable[[Any], Any] | None = None
    module: Any = None
    dropout: float = 0.0
    packed: bool = False
    call: Call | None = None

    def detached(self) -> Attend:
        """Return the same attention, of values that no gradient flows to."""
        return replace(self, query=self.query.detach(), key=self.key.detach())


@dataclass(eq=False)
class Softmax:
    """One softmax that is about to run: over ``axis`` of ``logits``; its logarithm if ``log``.

    ``instead`` names a relative of it that runs in its place, such as ``sparsemax``; its weights
    are those that come out. ``rerun`` takes other logits, and returns what the very function that
    was called makes of them; it is there once the softmax is intercepted.
    """

    logits: Any
    axis: int
    call: Call | None = None
    log: bool = False
    instead: str = ""
    rerun: Callable[[Any], Any] | None = None


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

    def call_of(self, module: Any) -> Call | None:
        """Return the running call of a module, or the innermost one.

        Parameters
        ----------
        module : torch.nn.Module or None

        Returns
        -------
        Call or None
        """
        return next((call for call in reversed(self.running) if call.module is module), self.top)
