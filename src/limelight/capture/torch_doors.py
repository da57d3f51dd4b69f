"""The doors attention goes through in torch, and who stands at them.

Room: capture, torch. While :func:`opened` lasts, every scaled dot-product attention, every softmax
and every other torch function that a model calls is handed to a *door*: a function that may look,
and may change what comes back. Watching and gating are two such functions; how calls are found is
told here once. Nothing stays patched afterwards, also after an error; other threads pass unseen.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from limelight.capture.torch_flex import taken_apart
from limelight.capture.torch_names import paths

# Attributes of a tensor that are tensors of the same values.
_TURNED = {"T", "mT", "H", "mH", "data", "real"}

# What keeps flex_attention from compiling itself.
_OWN_COMPILER = "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG"

# Two threads that patch and restore crosswise would leave one patch behind.
_one_at_a_time = threading.RLock()


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
    sink : tensor [head], optional
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
    sink: Any = None
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
Door = Callable[[Event, Callable[[], Any]], Any]


@dataclass(eq=False)
class Stack:
    """Which modules are running, innermost last, and every call so far.

    Attributes
    ----------
    running, calls : list of Call
    number : int
        How many calls of the model have begun, less one.
    quiet : int
        Above 0 while what runs was handed to the door already, as a whole.
    """

    running: list[Call] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    number: int = -1
    quiet: int = 0

    @property
    def top(self) -> Call | None:
        """The innermost call that runs."""
        return self.running[-1] if self.running else None


@contextmanager
def opened(model: Any, door: Door) -> Iterator[Stack]:
    """Hand every attention, softmax and torch function of a model to a door.

    What is compiled runs uncompiled meanwhile, and is not compiled anew afterwards.

    Parameters
    ----------
    model : torch.nn.Module
    door : callable

    Yields
    ------
    Stack
    """
    stack = Stack()
    with _one_at_a_time, ExitStack() as undo:
        undo.enter_context(_uncompiled())
        undo.enter_context(modules_followed(model, stack))
        undo.enter_context(mode(door, stack))
        if "transformers" in sys.modules:
            from limelight.capture import torch_transformers

            undo.enter_context(torch_transformers.interfaces_opened(door, stack))
        yield stack


@contextmanager
def modules_followed(model: Any, stack: Stack) -> Iterator[None]:
    """Keep account of which of a model's modules are running.

    Parameters
    ----------
    model : torch.nn.Module
    stack : Stack
        Filled while the context lasts.

    Yields
    ------
    None
    """
    import torch

    thread = threading.get_ident()
    turns: dict[int, int] = {}

    def before(path: str) -> Callable[..., None]:
        def hook(module: Any, args: Any, kwargs: Any) -> None:
            if threading.get_ident() != thread:
                return
            if not stack.running:
                turns.clear()  # a new call of the model
                stack.number += 1
            turn = turns.get(id(module), 0)
            turns[id(module)] = turn + 1
            call = Call(module, path, stack.top, turn, args, kwargs, stack.number)
            stack.calls.append(call)
            stack.running.append(call)

        return hook

    def after(module: Any, args: Any, kwargs: Any, outputs: Any) -> None:  # noqa: ARG001
        while threading.get_ident() == thread and stack.running:
            call = stack.running.pop()
            call.args, call.kwargs = (), {}
            if call.module is module:
                break

    with ExitStack() as undo:
        for module, path in paths(model):
            if isinstance(module, torch.jit.ScriptModule):
                continue  # takes no hooks, and runs outside Python
            first = module.register_forward_pre_hook(before(path), with_kwargs=True, prepend=True)
            undo.callback(first.remove)
            last = module.register_forward_hook(after, with_kwargs=True, always_call=True)
            undo.callback(last.remove)
        yield


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Run compiled models op by op; compiled code shows nothing of itself."""
    import torch

    with ExitStack() as undo:
        undo.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "flex_attention called without torch.compile")
        if "torch._dynamo" in sys.modules:  # else nothing is compiled, and loading it takes seconds
            undo.enter_context(torch.compiler.set_stance("force_eager"))
        flex = sys.modules.get("torch.nn.attention.flex_attention")
        if hasattr(flex, _OWN_COMPILER):  # it compiles itself when it is called
            undo.callback(setattr, flex, _OWN_COMPILER, getattr(flex, _OWN_COMPILER))
            setattr(flex, _OWN_COMPILER, True)
        yield


def mode(door: Door, stack: Stack) -> Any:
    """Return a context that hands torch functions to a door; it may be entered again and again.

    Parameters
    ----------
    door : callable
    stack : Stack
        Tells in which module call they happen.

    Returns
    -------
    torch.overrides.TorchFunctionMode
    """
    import torch
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    aten = torch.ops.aten  # what exported programs call
    softmaxes = {torch.softmax, torch.Tensor.softmax, functional.softmax, torch.special.softmax,
                 aten.softmax.int, aten._softmax.default}  # fmt: skip
    attention = {functional.scaled_dot_product_attention,
                 aten.scaled_dot_product_attention.default}  # fmt: skip

    def seen(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        def run() -> Any:
            return function(*args, **kwargs)

        name = getattr(function, "__name__", "")
        attribute = name == "__get__" and function.__self__.__name__ not in _TURNED
        if stack.quiet or attribute or name == "__set__":
            return run()
        if function in attention:
            return door(sdpa_event(stack.top, function, args, kwargs), run)
        if function in softmaxes:
            return door(softmax_event(stack.top, args, kwargs), run)
        if function is functional.multi_head_attention_forward:
            return inside(run)
        if name == "flex_attention" and not hasattr(function, "__code__"):
            return flexed(stack.top, door, function, args, kwargs)
        return door(Op(stack.top, function, args, kwargs), run)

    def inside(run: Callable[[], Any]) -> Any:
        """Stand at the doors within a function whose own calls a mode does not see."""
        with ExitStack() as undo:
            for owner, name in ((functional, "scaled_dot_product_attention"),
                                (functional, "softmax"), (functional, "dropout"),
                                (torch, "bmm"), (torch, "baddbmm")):  # fmt: skip
                original = getattr(owner, name)
                undo.callback(setattr, owner, name, original)
                setattr(owner, name, _by(seen, original))
            return run()

    class Mode(TorchFunctionMode):  # type: ignore[misc]  # torch is Any to mypy
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            return seen(func, args, kwargs or {})

    return Mode()


def _by(seen: Callable[..., Any], original: Any) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return seen(original, args, kwargs)

    return call


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
    call: Call | None, door: Door, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Hand a call of the operator behind ``flex_attention`` to a door.

    Parameters
    ----------
    call : Call or None
    door : callable
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
    return (door(event, run), *rest)
