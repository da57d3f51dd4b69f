"""Hugging Face transformers: the functions that its attention interface names.

Room: capture, torch. The values of the interface's tables are replaced while a context lasts, never
its names: masks are built by name, and a new name would get none. What comes through here still
has its keys un-repeated, and says its window, soft cap and sinks, whichever kernel follows. Eager
attention is not in the tables; its softmax is intercepted as that of any other function. Where a
version of transformers has no such tables, or a function in them is of an unknown kind, attention
is that of torch alone.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from limelight.capture.torch.intercept.attention._transformers_arguments import Reader, reader
from limelight.capture.torch.intercept.events import Attend
from limelight.capture.torch.intercept.kernel import Kernel

LIBRARY = "transformers"

_TABLE = "ALL_ATTENTION_FUNCTIONS"

# How many modules were loaded when they were last looked through and which came last, and those
# that named a table then.
_seen: tuple[int, str] = (0, "")
_modules: list[tuple[str, Any]] = []


def kernels() -> Iterator[Kernel]:
    """Yield every function of the tables whose arguments are known."""
    for table in _tables():
        for name, function in table.items():
            fill = reader(str(name))
            if fill is not None and callable(function):
                read = partial(_read, function, fill)
                yield Kernel(function, read, results=2, named=((table, name),))


def _tables() -> list[dict[str, Any]]:
    """Return every table of attention functions: the common one, and those of single models."""
    loaded = sys.modules.get("transformers.modeling_utils")
    interface = vars(loaded).get("AttentionInterface") if loaded is not None else None
    mappings = [getattr(interface, "_global_mapping", None)]
    for module in _naming():
        functions = vars(module).get(_TABLE)
        mappings.append(getattr(functions, "_local_mapping", None))
    tables = {id(table): table for table in mappings if isinstance(table, dict)}
    return list(tables.values())


def _naming() -> list[Any]:
    """Return the loaded modules that name a table; thousands are looked through, so only once."""
    global _seen, _modules
    seen = len(sys.modules), next(reversed(sys.modules), "")
    if seen != _seen or any(sys.modules.get(name) is not module for name, module in _modules):
        _seen, _modules = (
            seen,
            [
                (name, module)
                for name, module in list(sys.modules.items())
                # Code that came with a model is called so, too.
                if name.startswith("transformers") and _TABLE in getattr(module, "__dict__", ())
            ],
        )
    return [module for _, module in _modules]


def _read(
    function: Callable[..., Any], fill: Reader, args: tuple[Any, ...], kwargs: dict[str, Any]
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
        given["query"], given["key"], given["value"], scale=given.get("scaling"),
        heads_last=True, module=given.get("module"), dropout=float(given.get("dropout") or 0.0),
    )  # fmt: skip
    fill(event, given)
    return event
