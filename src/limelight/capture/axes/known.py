"""What is known of the tensors of one forward pass.

Room: capture, axes. The base of :class:`~limelight.capture.axes.flow.Flow`: what a pass begins
with, and what nobody can follow. A tensor is whatever has a shape and an identity.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from limelight.capture.axes.course import Carry, Course
from limelight.capture.axes.labels import Atom, AtomKind, Axis, Factor, whole

DATA, PARAMETER, CONSTANT = "data", "parameter", "constant"


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a tensor.

    Attributes
    ----------
    axes : tuple of Axis
    origin : frozenset of str
        What it was computed from: ``data``, ``parameter``, ``constant``.
    carries : dict of int to Carry
        What it holds of softmaxes, by their number.
    picks : frozenset of (Atom, int)
        Entries of axes of inputs that were picked by their index.
    """

    axes: tuple[Axis, ...]
    origin: frozenset[str] = frozenset({DATA})
    carries: dict[int, Carry] = field(default_factory=dict)
    picks: frozenset[tuple[Atom, int]] = frozenset()

    @property
    def fixed(self) -> bool:
        """Whether nothing of it was computed from the model's inputs."""
        return DATA not in self.origin


class Tensors:
    """What is known of tensors, while they live."""

    def __init__(self) -> None:
        self.courses: list[Course] = []
        self._known: dict[int, tuple[Any, Known]] = {}
        self._sources = 0

    def input(self, tensor: Any, number: int, examples: int | None, whole_numbers: bool) -> None:
        """Make an input of the model known.

        Parameters
        ----------
        tensor : tensor
        number : int
            Its ordinal.
        examples : int, optional
            Which axis counts examples.
        whole_numbers : bool
            Whether it holds ids, whose last axis counts positions.
        """
        rank = len(tensor.shape)
        axes = []
        for axis, size in enumerate(tensor.shape):
            kind: AtomKind = "position"
            if axis == examples:
                kind = "example"
            elif axis == rank - 1 and rank > 2 and not whole_numbers:
                kind = "channel"
            # The examples of all inputs are the same.
            source, at = (0, 0) if kind == "example" else (number, axis)
            axes.append(whole(int(size), [Atom(kind, source, at)]))
        self.put(tensor, Known(tuple(axes)))

    def parameter(self, tensor: Any, name: int) -> None:
        """Make a parameter known.

        Parameters
        ----------
        tensor : tensor
            Its value.
        name : int
            Says which it is, however often it is read.
        """
        last = len(tensor.shape) - 1
        axes = [
            whole(int(size), [Atom("feature" if axis == last else "learned", name, axis)])
            for axis, size in enumerate(tensor.shape)
        ]
        self.put(tensor, Known(tuple(axes), frozenset({PARAMETER})))

    def of(self, tensor: Any) -> Known:
        """Return what is known of a tensor; one never seen is a constant.

        Parameters
        ----------
        tensor : tensor

        Returns
        -------
        Known
        """
        entry = self._known.get(id(tensor))
        if entry is not None and entry[0]() is tensor:
            return entry[1]
        self._sources += 1
        axes = tuple(
            whole(int(size), [Atom("constant", self._sources, axis)])
            for axis, size in enumerate(tensor.shape)
        )
        known = Known(axes, frozenset({CONSTANT}))
        self.put(tensor, known)
        return known

    def put(self, tensor: Any, known: Known) -> None:
        """Say what is known of a tensor.

        Parameters
        ----------
        tensor : tensor
        known : Known
        """
        try:
            reference: Any = weakref.ref(tensor)
        except TypeError:
            reference = _Strong(tensor)
        self._known[id(tensor)] = (reference, known)

    def sees(self, tensor: Any) -> bool:
        """Say whether a tensor came by.

        Parameters
        ----------
        tensor : tensor

        Returns
        -------
        bool
        """
        entry = self._known.get(id(tensor))
        return entry is not None and entry[0]() is tensor

    def lose(self, known: Known) -> None:
        """Note that weights went where they are not followed.

        Parameters
        ----------
        known : Known
            Of the tensor that held them.
        """
        for number, carry in known.carries.items():
            course = self.courses[number]
            course.used = True
            if carry.form != "total":
                course.lost = True

    def unknown(self, inputs: Sequence[Any], output: Any) -> None:
        """Follow an operation of no known form.

        Axes are taken to stay what they are where the form stays and their lengths tell them apart.

        Parameters
        ----------
        inputs : sequence of tensor
        output : tensor
        """
        all_known = [self.of(tensor) for tensor in inputs]
        for known in all_known:
            self.lose(known)
        origin = frozenset().union(*(known.origin for known in all_known)) or frozenset({CONSTANT})
        picks = frozenset().union(*(known.picks for known in all_known))
        if origin == {CONSTANT}:
            self._known.pop(id(output), None)
            self.of(output)
            return
        shape = tuple(output.shape)
        alike = [k for t, k in zip(inputs, all_known, strict=True) if tuple(t.shape) == shape]
        long = [size for size in shape if size > 1]
        sure = bool(alike) and len(set(long)) == len(long)
        axes = alike[0].axes if sure else tuple(whole(int(size)) for size in shape)
        axes = tuple(_unmarked(axis) for axis in axes)
        self.put(output, Known(axes, origin, {}, picks))

    def attempt(
        self, follow: Callable[[], None], inputs: Sequence[Any], outputs: Sequence[Any]
    ) -> None:
        """Follow an operation, as one of no known form where that fails.

        Parameters
        ----------
        follow : callable
        inputs, outputs : sequence of tensor
        """
        try:
            follow()
        except Exception:  # noqa: BLE001  # a form nobody thought of costs its axes, no more
            for output in outputs:
                self.unknown(inputs, output)


class _Strong:
    """Holds what cannot be referred to weakly."""

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor

    def __call__(self) -> Any:
        return self._tensor


def _unmarked(axis: Axis) -> Axis:
    return tuple(
        Factor(factor.size, frozenset(a for a in factor.atoms if a.kind != "weights"))
        for factor in axis
    )
