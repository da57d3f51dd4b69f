"""Intercepts Hugging Face transformers: the functions its attention interface names.

Room: capture, torch. The values of the interface's tables are replaced while a context lasts, never
its names: masks are built by name, and a new name would get none. What comes through here still
has its keys un-repeated, and says its window, soft cap and sinks, whichever kernel follows. Eager
attention is not in the tables; its softmax is intercepted as that of any other function.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

from limelight.capture.torch.intercept.modes import Attend, Call, Interceptor, Stack
from limelight.capture.torch.intercept.transformers_kernels import Reader, reader


@contextmanager
def interfaces_intercepted(interceptor: Interceptor, stack: Stack) -> Iterator[None]:
    """Hand what the attention interface computes to a interceptor.

    Where a version of transformers has no such tables, or a function in them is of an unknown
    kind, attention is that of torch alone.

    Parameters
    ----------
    interceptor : callable
    stack : Stack
        What a kernel calls while it runs is kept from the interceptor: it was reported already.

    Yields
    ------
    None
    """
    with ExitStack() as undo:
        for table in _tables():
            for name, function in list(table.items()):
                read = reader(str(name))
                if read is not None and callable(function):
                    undo.callback(table.__setitem__, name, function)
                    table[name] = _watched(function, read, interceptor, stack)
        yield


def _tables() -> list[dict[str, Any]]:
    """Return every table of attention functions: the common one, and those of single models."""
    loaded = sys.modules.get("transformers.modeling_utils")
    interface = vars(loaded).get("AttentionInterface") if loaded is not None else None
    found = [getattr(interface, "_global_mapping", None)]
    for name, module in list(sys.modules.items()):
        if name.startswith("transformers"):  # code that came with a model is called so too
            own = getattr(module, "__dict__", {}).get("ALL_ATTENTION_FUNCTIONS")
            found.append(getattr(own, "_local_mapping", None))
    tables = {id(table): table for table in found if isinstance(table, dict)}
    return list(tables.values())


def _watched(
    function: Callable[..., Any], read: Reader, interceptor: Interceptor, stack: Stack
) -> Callable[..., Any]:
    """Wrap one attention function."""
    thread = threading.get_ident()

    @wraps(function)
    def attention(*args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != thread or stack.quiet:
            return function(*args, **kwargs)
        rest: list[Any] = []

        def run() -> Any:
            found = function(*args, **kwargs)
            if not isinstance(found, tuple):
                return found
            rest[:] = found[1:]
            return found[0]

        stack.quiet += 1
        try:
            event = _event(function, read, stack, args, kwargs)
            if event is not None:
                output = interceptor(event, run)
                return (output, *(rest or [None]))
        finally:
            stack.quiet -= 1
        return function(*args, **kwargs)

    return attention


def _event(
    function: Callable[..., Any],
    read: Reader,
    stack: Stack,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Attend | None:
    """Read the call of an attention function; None where it cannot be told from its arguments."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return None
    given: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        given.update(value if kind is inspect.Parameter.VAR_KEYWORD else {name: value})
    if given.get("cache") is not None or "key" not in given:
        return None  # a paged cache: the keys are known only inside
    event = Attend(
        _caller(stack, given.get("module")), given["query"], given["key"], given["value"],
        scale=given.get("scaling"), function=function, heads_last=True,
    )  # fmt: skip
    read(event, given)
    return event


def _caller(stack: Stack, module: Any) -> Call | None:
    """Return the running call of a module, or the innermost one."""
    for call in reversed(stack.running):
        if call.module is module:
            return call
    return stack.top
