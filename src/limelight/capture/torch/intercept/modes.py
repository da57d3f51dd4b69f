"""Intercepts whatever a torch model attends with.

Room: capture, torch. While :func:`intercepted` lasts, every attention of a kind that has a file
below ``attention/``, every softmax and every other torch function that a model calls is handed to
an *interceptor*: a function that may look, and may change what comes back. Watching and gating are
two such functions; how calls are found is said here once. Nothing stays patched afterwards, also
after an error; other threads pass unseen.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from types import FunctionType
from typing import Any

from limelight.capture.torch.guarding import Ask, taken_over
from limelight.capture.torch.intercept.events import Attend as Attend
from limelight.capture.torch.intercept.events import Call as Call
from limelight.capture.torch.intercept.events import Event as Event
from limelight.capture.torch.intercept.events import Interceptor as Interceptor
from limelight.capture.torch.intercept.events import Op as Op
from limelight.capture.torch.intercept.events import Softmax as Softmax
from limelight.capture.torch.intercept.events import Stack as Stack
from limelight.capture.torch.intercept.kernel import Kernel, Kernels
from limelight.capture.torch.names import paths
from limelight.capture.turns import Turn

# Attributes of a tensor that are tensors of the same values.
_TURNED = {"T", "mT", "H", "mH", "data", "real"}

# What keeps flex_attention from compiling itself.
_FLEX_COMPILER = "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG"

_one_at_a_time = Turn()


class _Standing(threading.local):
    """What stands in a thread.

    Attributes
    ----------
    changing : int
        How many contexts whose outcome all others shall look at.
    level : int
        How many runs beside the model's own lie in each other; only what began in the innermost
        looks at it.
    """

    changing = 0
    level = 0


_standing = _Standing()


@contextmanager
def innermost() -> Iterator[None]:
    """Let whatever is intercepted from now on look at what stands already, while a context lasts.

    Functions that are replaced by name are left to what stands: it computes them by functions of
    torch's, which later interceptions see.

    Yields
    ------
    None
    """
    _standing.changing += 1
    try:
        yield
    finally:
        _standing.changing -= 1


@contextmanager
def aside() -> Iterator[int]:
    """Run a model beside its own call: nothing that stands sees it, while a context lasts.

    Yields
    ------
    int
        The level of what begins inside.
    """
    before = _standing.changing
    _standing.changing = 0
    _standing.level += 1
    try:
        yield _standing.level
    finally:
        _standing.level -= 1
        _standing.changing = before


def changed() -> bool:
    """Say whether something stands in this thread that changes what attention computes."""
    return _standing.changing > 0


@contextmanager
def intercepted(model: Any, interceptor: Interceptor) -> Iterator[Stack]:
    """Hand every attention, softmax and torch function of a model to an interceptor.

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
        undo.enter_context(uncompiled())
        undo.enter_context(modules_followed(model, stack))
        ask = undo.enter_context(taken_over())
        interception = Interception(model, interceptor, stack, ask)
        undo.enter_context(interception.names_replaced())
        undo.enter_context(interception.mode)
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

    thread, level = threading.get_ident(), _standing.level
    turns: dict[int, int] = {}

    def before(path: str) -> Callable[..., None]:
        def hook(module: Any, args: Any, kwargs: Any) -> None:
            if threading.get_ident() != thread or _standing.level != level:
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
        while threading.get_ident() == thread and _standing.level == level and stack.running:
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
def uncompiled() -> Iterator[None]:
    """Run compiled models op by op; compiled code shows nothing of itself.

    Yields
    ------
    None
    """
    import torch

    with ExitStack() as undo:
        undo.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", "flex_attention called without torch.compile")
        if "torch._dynamo" in sys.modules:  # else nothing is compiled, and loading it takes seconds
            undo.enter_context(torch.compiler.set_stance("force_eager"))
        flex = sys.modules.get("torch.nn.attention.flex_attention")
        if hasattr(flex, _FLEX_COMPILER):  # it compiles itself when it is called
            undo.callback(setattr, flex, _FLEX_COMPILER, getattr(flex, _FLEX_COMPILER))
            setattr(flex, _FLEX_COMPILER, True)
        yield


class Interception:
    """What hands calls to an interceptor: a mode of torch's, and functions replaced by name.

    Parameters
    ----------
    model : torch.nn.Module
    interceptor : callable
    stack : Stack
        Tells in which module call things happen.
    ask : callable, optional
        Called before each function, in place of a guard of the model's tensors.

    Attributes
    ----------
    mode : torch.overrides.TorchFunctionMode
        Hands over torch's functions while it is entered, again and again; within
        :meth:`names_replaced`, which looks for what there is to hand over.
    level : int
        Which run it looks at, of runs beside the model's own.
    """

    _kernels: Kernels

    def __init__(
        self, model: Any, interceptor: Interceptor, stack: Stack, ask: Ask | None = None
    ) -> None:
        self._model = model
        self._interceptor = interceptor
        self._stack = stack
        self._thread = threading.get_ident()
        self.level = _standing.level
        self.mode = _mode(self._seen, ask)

    @property
    def silent(self) -> bool:
        """Whether what runs is of another thread, or beside what this began in."""
        return threading.get_ident() != self._thread or _standing.level != self.level

    @contextmanager
    def names_replaced(self) -> Iterator[None]:
        """Hand over calls of functions that torch's modes are not told of, while a context lasts.

        Such a function is replaced wherever a loaded module, or a module of the model, names it.

        Yields
        ------
        None
        """
        self._kernels = Kernels()  # what is named where may have changed since
        if changed():
            yield
            return
        hidden = [kernel for kernel in self._kernels.every if not kernel.visible]
        with ExitStack() as undo:
            # One for each function: where contexts lie in each other, it is looked for itself.
            replacements: dict[Any, Callable[..., Any]] = {}
            for kernel, names, name in list(_named(hidden, self._model)):
                function = names[name]
                undo.callback(names.__setitem__, name, function)
                if function not in replacements:
                    replacements[function] = self._replacement(kernel, function)
                names[name] = replacements[function]
            yield

    def _replacement(self, kernel: Kernel, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def replacement(*args: Any, **kwargs: Any) -> Any:
            if self.silent or self._stack.quiet:
                return function(*args, **kwargs)
            return self._handed(kernel, kernel.event(args, kwargs), function, args, kwargs)

        return replacement

    def _seen(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Hand over one call that the mode was told of."""
        name = getattr(function, "__name__", "")
        attribute = name == "__get__" and function.__self__.__name__ not in _TURNED
        if self._stack.quiet or attribute or name == "__set__" or self.silent:
            return function(*args, **kwargs)
        kernel = self._kernels.of(function)
        if kernel is None:
            event = Op(self._stack.top, function, args, kwargs)
            return self._interceptor(event, lambda: function(*args, **kwargs))
        with self.mode:  # it may turn axes, and what is turned must be known to be the same
            read = kernel.event(args, kwargs)
        return self._handed(kernel, read, function, args, kwargs)

    def _handed(
        self,
        kernel: Kernel,
        event: Attend | Softmax | None,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Hand over one call of a kernel, as a whole if it could be read."""
        if event is None:
            with self._names_within(kernel):
                return function(*args, **kwargs)
        rest: list[Any] = [None] * (kernel.results - 1)

        def run() -> Any:
            output = function(*args, **kwargs)
            if kernel.results > 1:
                output, *rest[:] = output
            return output

        if isinstance(event, Softmax):
            event.rerun = _on_others(function, event.logits, args, kwargs)
        event.call = self._stack.call_of(event.module if isinstance(event, Attend) else None)
        self._stack.quiet += 1
        try:
            output = self._interceptor(event, run)
        finally:
            self._stack.quiet -= 1
        return (output, *rest) if kernel.results > 1 else output

    @contextmanager
    def _names_within(self, kernel: Kernel) -> Iterator[None]:
        """Hand over what a function calls in whose inside torch's modes are told nothing."""
        with ExitStack() as undo:
            for owner, name in kernel.within:
                original = getattr(owner, name)
                undo.callback(setattr, owner, name, original)
                setattr(owner, name, _by(self._seen, original))
            if kernel.asks is not None:
                owner, name = kernel.asks
                undo.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, lambda *_: False)
                undo.enter_context(self.mode)
            yield


def _on_others(
    function: Callable[..., Any], logits: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Callable[[Any], Any]:
    """Return what calls a function with other logits, and all else as it was called."""

    def rerun(others: Any) -> Any:
        changed = (others if arg is logits else arg for arg in args)
        named = {name: others if arg is logits else arg for name, arg in kwargs.items()}
        return function(*changed, **named)

    return rerun


def _mode(seen: Callable[..., Any], ask: Ask | None) -> Any:
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):  # type: ignore[misc]  # torch is Any to mypy
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if ask is not None:
                ask(func, args, kwargs)
            return seen(func, args, kwargs or {})

    return Mode()


def _named(
    kernels: Sequence[Kernel], model: Any
) -> Iterator[tuple[Kernel, MutableMapping[str, Any], str]]:
    """Yield every mapping and name by which kernels are looked up when they are called."""
    searched = {kernel.function: kernel for kernel in kernels if not kernel.named}
    for kernel in kernels:
        yield from ((kernel, names, name) for names, name in kernel.named)
    if not searched:
        return
    modules = [module for module in list(sys.modules.values()) if hasattr(module, "__dict__")]
    # Each once: a script's module is both __main__ and __mp_main__.
    owners = {id(owner): owner for owner in (*modules, *model.modules())}
    for owner in owners.values():
        for name, value in list(vars(owner).items()):
            if type(value) is FunctionType and value in searched:
                yield searched[value], vars(owner), name


def _by(seen: Callable[..., Any], original: Any) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return seen(original, args, kwargs)

    return call
