"""Intercepts every place where a torch model attends.

Room: capture, torch. While :func:`intercepted` lasts, every scaled dot-product attention, every
softmax and every other torch function that a model calls is handed to an *interceptor*: a function
that may look, and may change what comes back. Watching and gating are two such functions; how calls
are found is told here once. Nothing stays patched afterwards, also after an error; other threads
pass unseen.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from limelight.capture.torch.intercept.events import Attend as Attend
from limelight.capture.torch.intercept.events import Call as Call
from limelight.capture.torch.intercept.events import Event as Event
from limelight.capture.torch.intercept.events import Interceptor as Interceptor
from limelight.capture.torch.intercept.events import Op as Op
from limelight.capture.torch.intercept.events import Softmax as Softmax
from limelight.capture.torch.intercept.events import Stack as Stack
from limelight.capture.torch.intercept.events import flexed, sdpa_event, softmax_event
from limelight.capture.torch.names import paths

# Attributes of a tensor that are tensors of the same values.
_TURNED = {"T", "mT", "H", "mH", "data", "real"}

# What keeps flex_attention from compiling itself.
_OWN_COMPILER = "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG"

# Two threads that patch and restore crosswise would leave one patch behind.
_one_at_a_time = threading.RLock()


@contextmanager
def intercepted(model: Any, interceptor: Interceptor) -> Iterator[Stack]:
    """Hand every attention, softmax and torch function of a model to a interceptor.

    What is compiled runs uncompiled meanwhile, and is not compiled anew afterwards.

    Parameters
    ----------
    model : torch.nn.Module
    interceptor : callable

    Yields
    ------
    Stack
    """
    stack = Stack()
    with _one_at_a_time, ExitStack() as undo:
        undo.enter_context(_uncompiled())
        undo.enter_context(modules_followed(model, stack))
        undo.enter_context(interception(interceptor, stack))
        if "transformers" in sys.modules:
            from limelight.capture.torch.intercept import transformers as torch_transformers

            undo.enter_context(torch_transformers.interfaces_intercepted(interceptor, stack))
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


def interception(interceptor: Interceptor, stack: Stack) -> Any:
    """Return a context that hands torch functions to an interceptor, again and again.

    Parameters
    ----------
    interceptor : callable
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
            return interceptor(sdpa_event(stack.top, function, args, kwargs), run)
        if function in softmaxes:
            return interceptor(softmax_event(stack.top, args, kwargs), run)
        if function is functional.multi_head_attention_forward:
            return inside(run)
        if name == "flex_attention" and not hasattr(function, "__code__"):
            return flexed(stack.top, interceptor, function, args, kwargs)
        return interceptor(Op(stack.top, function, args, kwargs), run)

    def inside(run: Callable[[], Any]) -> Any:
        """Intercept the calls within a function whose own calls a mode does not see."""
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
