"""What a kind of attention is told by: the functions that compute it, and how to read their calls.

Room: capture, torch. A kind of attention is one file of the folder ``attention``, or a module or
object that another package registers under the entry point ``limelight.attention``, with the two
members of :class:`Attention`. Watching and gating both go by it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any, Protocol

from limelight.capture.torch.intercept.events import Attend, Softmax
from limelight.catalogue import modules, registered
from limelight.errors import LimelightWarning, UnsupportedModelError


def _unread(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:  # noqa: ARG001
    return None


@dataclass(frozen=True, eq=False)
class Kernel:
    """One function that computes attention.

    Attributes
    ----------
    function : callable
        As models call it: a function of torch's or of Python, or an operator such as
        ``torch.ops.mylibrary.attend``.
    read : callable, optional
        Takes the arguments of a call, a tuple and a dict. Returns the
        :class:`~limelight.capture.torch.intercept.events.Attend` or
        :class:`~limelight.capture.torch.intercept.events.Softmax` that the call is; None where its
        arguments do not tell, and then what the function itself calls is looked at.
    results : int
        How many results it always returns; the first is the output.
    named : tuple of (mapping, str)
        Where it is looked up when it is called, if not by a name in a module.
    within : tuple of (object, str)
        What it calls itself, by name, for a function of torch's that ``read`` does not read.
    asks : tuple of (object, str), optional
        The name by which such a function asks whether a mode wants to be told of it; where the
        answer is no, the mode is told of all that it calls.

    Examples
    --------
    >>> def read(args, kwargs):
    ...     query, key, value = args
    ...     return Attend(query, key, value, scale=1.0)
    >>> Kernel(min, read).results
    1
    """

    function: Callable[..., Any]
    read: Callable[[tuple[Any, ...], dict[str, Any]], Attend | Softmax | None] = _unread
    results: int = 1
    named: tuple[tuple[MutableMapping[str, Any], str], ...] = ()
    within: tuple[tuple[Any, str], ...] = ()
    asks: tuple[Any, str] | None = None

    @property
    def visible(self) -> bool:
        """Whether torch tells its modes of calls of the function."""
        python = isinstance(self.function, FunctionType)
        torch = str(getattr(self.function, "__module__", "")).partition(".")[0] == "torch"
        return not self.named and (torch or not python)

    def event(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Attend | Softmax | None:
        """Read a call; blame the package that brings ``read`` for what goes wrong in it.

        Parameters
        ----------
        args, kwargs : tuple, dict
            Of the call.

        Returns
        -------
        Attend, Softmax or None

        Raises
        ------
        UnsupportedModelError
            If another package's ``read`` raises something, or returns something else.
        """
        home = str(getattr(self.read, "__module__", ""))
        try:
            event = self.read(args, kwargs)
        except Exception as cause:
            if home.startswith("limelight."):
                raise
            came = f"raised {type(cause).__name__}: {cause}"
            raise self._unread(home, came) from cause
        if event is None or isinstance(event, (Attend, Softmax)):
            return event
        raise self._unread(home, f"returned {type(event).__name__}")

    def _unread(self, home: str, came: str) -> UnsupportedModelError:
        name = getattr(self.function, "__name__", self.function)
        return UnsupportedModelError(
            f"Reading the arguments of {name!r}, as {home!r} says how to, {came}.",
            "Wanted an Attend, a Softmax, or None where the arguments do not tell.",
            "Mend or uninstall that package; limelight.testing.AttentionConformance tests it.",
        )

    @property
    def operators(self) -> tuple[Any, ...]:
        """What a mode may be told when the function is called."""
        wrapped = getattr(self.function, "_opoverload", self.function)  # of torch.library.custom_op
        packet = getattr(wrapped, "overloadpacket", wrapped)
        overloads: list[str] = getattr(packet, "overloads", list)()
        if wrapped is packet:
            return (packet, *(getattr(packet, name) for name in overloads))
        return (wrapped, packet) if len(overloads) == 1 else (wrapped,)  # by its name, it is called


class Attention(Protocol):
    """What the file of one kind of attention offers."""

    #: Name of the library that has the functions; nothing is asked before it is loaded.
    LIBRARY: str

    def kernels(self) -> Iterable[Kernel]:
        """Return the functions; the library is loaded, and may be imported here."""


class Kernels:
    """The kernels of all libraries that are loaded, also of those that are loaded later.

    Attributes
    ----------
    every : list of Kernel
    """

    def __init__(self) -> None:
        self.every: list[Kernel] = []
        self._by_function: dict[Any, Kernel] = {}
        self._waiting = list(_attentions())
        self._loaded = 0
        self.look()

    def look(self) -> None:
        """Ask the kinds of attention whose library has been loaded since."""
        self._loaded = len(sys.modules)
        waiting, self._waiting = self._waiting, []
        for attention in waiting:
            if attention.LIBRARY not in sys.modules:
                self._waiting.append(attention)
                continue
            for kernel in _kernels_of(attention):
                self.every.append(kernel)
                if kernel.visible:
                    self._by_function |= dict.fromkeys(kernel.operators, kernel)

    def of(self, function: Any) -> Kernel | None:
        """Return the kernel that a function is, None for any other.

        Parameters
        ----------
        function : callable
            As torch tells it to its modes.

        Returns
        -------
        Kernel or None
        """
        if len(sys.modules) != self._loaded:
            self.look()
        kernel = self._by_function.get(function)
        if kernel is None and (wrapped := getattr(function, "__wrapped__", None)) is not None:
            return self._by_function.get(wrapped)  # one that a gate stands before
        return kernel


def _kernels_of(attention: Attention) -> tuple[Kernel, ...]:
    try:
        return tuple(attention.kernels())
    except Exception as cause:
        if _name(attention).startswith("limelight."):
            raise
        _leave_out(_name(attention), f"Its kernels() raised {type(cause).__name__}: {cause}.")
        return ()


def _attentions() -> Iterator[Attention]:
    yield from modules("capture.torch.intercept.attention")
    for attention in registered("attention"):
        lacking = [name for name in ("LIBRARY", "kernels") if not hasattr(attention, name)]
        if lacking:
            _leave_out(_name(attention), f"It has no {' and no '.join(lacking)}.")
        else:
            yield attention


def _name(attention: Any) -> str:
    return str(getattr(attention, "__name__", attention))


@cache  # every capture asks for the kernels anew
def _leave_out(name: str, trouble: str) -> None:
    """Say once that another package's kind of attention is not read; ours must not suffer."""
    warnings.warn(
        LimelightWarning(
            f"limelight goes on without the kind of attention {name!r}, which another package "
            f"registers under limelight.attention. {trouble} Mend or uninstall that package."
        ),
        stacklevel=2,
    )
