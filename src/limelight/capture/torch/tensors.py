"""Puts tensors back by value, in the memory where they were.

Room: capture, torch. Comes in: tensors that a model can reach. Goes out: the same, whatever a pass
wrote to them. Copying all parameters would double a model's memory, so large ones are copied only
when something is about to write to them: a mode of torch's is told of every function before it
runs. Buffers and small tensors are copied before, since kernels may write to them unannounced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from limelight.capture.reachable import spelled
from limelight.capture.torch.guarding import guard
from limelight.capture.torch.scripts import scripted
from limelight.errors import UnsupportedModelError

#: Tensors of at most so many bytes are copied before the pass.
_SMALL: Final = 1 << 12


@dataclass(eq=False)
class _Before:
    """A tensor as it was."""

    tensor: Any
    path: Any
    alias: Any  # another tensor of the same memory
    address: int
    version: int | None
    copy: Any = None
    gradient: Any = None
    leaf: bool = True
    wanted: bool = False

    def save(self) -> None:
        if self.copy is None:
            self.copy = self.alias.clone()


class Tensors:
    """The tensors that a model can reach, as they were.

    Parameters
    ----------
    model : torch.nn.Module, optional
        Its large parameters are copied when they are written to; without it, every tensor is
        copied before.
    """

    def __init__(self, model: Any = None) -> None:
        self._lazily = model is not None
        self._buffers = set() if model is None else {id(buffer) for buffer in model.buffers()}
        self._records: dict[int, list[_Before]] = {}  # by the memory they lie in
        self._written: set[int] = set()

    def leaf(self, value: Any, path: Any) -> Callable[[], object] | None:
        """Remember a tensor or a generator; :class:`~limelight.capture.reachable.Memory` asks."""
        import torch

        if isinstance(value, torch.Tensor):
            return self._tensor(value, path)
        if isinstance(value, torch.Generator):
            before = value.get_state()
            return lambda: value.set_state(before)
        if isinstance(value, torch.jit.ScriptModule):
            return scripted(value, path, self._tensor)
        return None

    def _tensor(self, tensor: Any, path: Any) -> Callable[[], object]:
        import torch

        if tensor.is_nested or tensor.layout != torch.strided:
            return _whole(tensor, path)
        if tensor.is_meta or "Uninitialized" in type(tensor).__name__:
            return _nothing
        try:
            alias, address, memory = tensor.data, tensor.data_ptr(), _memory(tensor)
        except (RuntimeError, NotImplementedError):  # sparse, quantised by a package, fake
            return _whole(tensor, path)
        record = _Before(tensor, path, alias, address, _version(tensor))
        record.leaf, record.wanted = tensor.is_leaf, tensor.requires_grad
        record.gradient = tensor.grad if record.leaf else None
        self._records.setdefault(memory, []).append(record)
        small = tensor.nbytes <= _SMALL
        if small or not self._lazily or id(tensor) in self._buffers:
            record.save()
        undo = record.gradient is not None and self._tensor(record.gradient, (path, "grad"))

        def restore() -> None:
            if undo:
                undo()
            self._restore(record)

        return restore

    def _restore(self, record: _Before) -> None:

        tensor, alias = record.tensor, record.alias
        moved = tensor.data_ptr() != record.address or tensor.dtype != alias.dtype
        if moved or tensor.shape != alias.shape or tensor.stride() != alias.stride():
            tensor.data = alias
        if record.leaf and tensor.requires_grad != record.wanted:
            tensor.requires_grad_(record.wanted)
        if record.leaf and tensor.grad is not record.gradient:
            tensor.grad = record.gradient
        if record.copy is not None:
            if not _equal(alias, record.copy):
                alias.copy_(record.copy)  # through the alias: autograd does not count it
        elif _version(tensor) != record.version and id(tensor) not in self._written:
            raise _unseen(record.path)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Copy what is about to be written to, while the context lasts.

        Yields
        ------
        None
        """
        with guard(self._before_write):
            yield

    def _before_write(self, values: Iterable[Any]) -> None:
        import torch

        for value in values:
            if isinstance(value, torch.Tensor):
                self._written.add(id(value))
                for record in self._records.get(_memory(value, 0), ()):
                    self._written.add(id(record.tensor))
                    record.save()
            elif isinstance(value, (list, tuple)):
                self._before_write(value)
            elif isinstance(value, dict):
                self._before_write(value.values())


def _memory(tensor: Any, otherwise: int | None = None) -> int:
    """Return which piece of memory a tensor lies in."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):
        if otherwise is None:
            raise
        return otherwise


def _equal(tensor: Any, other: Any) -> bool:
    """Compare two tensors; of types that torch does not compare, the bytes."""
    import torch

    try:
        return bool(torch.equal(tensor, other))
    except (RuntimeError, NotImplementedError):
        bits = [part.contiguous().view(torch.uint8) for part in (tensor, other)]
        return bool(torch.equal(*bits))


def _version(tensor: Any) -> int | None:
    """Return how often a tensor was written to; None where torch does not count."""
    return None if tensor.is_inference() else int(tensor._version)


def _whole(tensor: Any, path: Any) -> Callable[[], object]:
    """Remember a tensor that has no plain memory: its values, and how often it was written to."""
    before = _version(tensor)
    try:
        copy = tensor.detach().clone()
    except (RuntimeError, NotImplementedError):  # a tensor of a package's, or without values
        copy = None

    def undo() -> None:
        if _version(tensor) == before:
            return
        try:
            tensor.copy_(copy)  # what detach() returns has indices of its own
        except (RuntimeError, NotImplementedError, TypeError):
            raise _unseen(path) from None

    return undo


def _nothing() -> None:
    """Put back a tensor that has no values."""


def _unseen(path: Any) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"The model's pass changed {spelled(path)!r}, which cannot be put back.",
        "Wanted a model that one pass more leaves as it was.",
        "Let it write to its parameters through torch's own functions, and not in evaluation mode.",
    )
