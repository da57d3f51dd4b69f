"""Tells of every function of torch's that may write to its arguments, before it does.

Room: capture, torch. Comes in: a function to be told. While :func:`guard` lasts, a mode of torch's
asks of each function that a model calls whether it may write; a mode that is told of every function
anyway takes that over, since two of them cost twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from types import FunctionType
from typing import Any, Final

#: Takes the arguments of a function that may write to them.
BeforeWrite = Callable[[Iterable[Any]], None]
#: Takes a function and its arguments, positional and by name, before it is called.
Ask = Callable[[Any, tuple[Any, ...], "dict[str, Any] | None"], None]

# Functions that hand out a tensor's memory to others than torch.
_HANDS_OUT: Final = frozenset(
    {"numpy", "__array__", "__dlpack__", "untyped_storage", "storage", "_typed_storage"}
)
# Functions that write to arguments although their names do not say so.
_STATISTICS: Final = ("batch_norm", "instance_norm", "embedding_renorm")
_INPLACE: Final = frozenset(
    {"__setitem__"}
    | {f"__i{name}__" for name in ("add", "sub", "mul", "div", "truediv", "floordiv", "mod", "pow",
                                   "and", "or", "xor", "lshift", "rshift", "matmul")}
)  # fmt: skip
# Functions of Python's that take switches, and write to nothing.
_PURE: Final = frozenset({"multi_head_attention_forward", "interpolate", "einsum"})

# Functions that shorten rows of their table where they are told how long one may be.
_SHORTENING: Final = frozenset({"embedding", "embedding_bag"})

_NEVER, _ALWAYS, _IF_SAID, _IF_NORM = range(4)


def guard(before_write: BeforeWrite) -> AbstractContextManager[Any]:
    """Return a context in which a function is told of what may be written to.

    Parameters
    ----------
    before_write : callable

    Returns
    -------
    context
    """
    return _kind()(_asked(before_write))  # type: ignore[no-any-return]


@contextmanager
def taken_over() -> Iterator[Ask | None]:
    """Take over from a guard that is innermost, while the context lasts.

    Yields
    ------
    callable or None
        To be called before each function; None where there is no guard.
    """
    from torch import overrides

    modes = overrides._get_current_function_mode_stack()
    if not modes or not isinstance(modes[-1], _kind()):
        yield None
        return
    with overrides._pop_mode_temporarily() as mode:
        yield mode.ask


@cache
def _kind() -> Any:
    from torch.overrides import TorchFunctionMode

    class Guard(TorchFunctionMode):  # type: ignore[misc]  # torch is Any to mypy
        def __init__(self, ask: Ask) -> None:
            super().__init__()
            self.ask = ask

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            self.ask(func, args, kwargs)
            return func(*args, **(kwargs or {}))

    return Guard


def _asked(before_write: BeforeWrite) -> Ask:
    """Return what asks of a call whether it may write to its arguments."""

    def ask(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> None:
        when = _known.get(function)
        if when is None:
            when = _when(function)
        if kwargs:
            if kwargs.get("out") is not None or (when and _writes(when, args, kwargs)):
                before_write((*args, *kwargs.values()))
        elif when and _writes(when, args, {}):
            before_write(args)

    return ask


def _writes(when: int, args: Any, kwargs: Any) -> bool:
    """Say whether a call may write to its arguments."""
    if when == _IF_NORM:
        return kwargs.get("max_norm") is not None or any(type(arg) is float for arg in args)
    return when == _ALWAYS or any(value is True for value in (*args, *kwargs.values()))


#: When a function writes to its arguments, by function.
_known: dict[Any, int] = {}


def _when(function: Any) -> int:
    """Say when a function may write to its arguments: never, always, or if a switch says so."""
    when = _judged(function)
    if getattr(function, "__name__", "") not in ("__get__", "__set__"):  # made anew each time
        _known[function] = when
    return when


def _judged(function: Any) -> int:
    name = str(getattr(function, "__name__", ""))
    schemas = _schemas(function)
    if schemas:
        return _ALWAYS if any(schema.is_mutable for schema in schemas) else _NEVER
    if name in _INPLACE or name in _HANDS_OUT or any(part in name for part in _STATISTICS):
        return _ALWAYS
    if name.endswith("_") and not name.endswith("__"):
        return _ALWAYS
    if name in _SHORTENING:
        return _IF_NORM
    return _IF_SAID if type(function) is FunctionType and name not in _PURE else _NEVER


def _schemas(function: Any) -> list[Any]:
    """Return the schemas of an operator of ``torch.ops``."""
    if hasattr(function, "_schema"):
        return [function._schema]
    overloads = getattr(function, "overloads", None)
    if not callable(overloads) or not hasattr(function, "_qualified_op_name"):
        return []
    return [getattr(function, name)._schema for name in overloads()]
