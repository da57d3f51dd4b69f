"""Follows axes, and the weights of softmaxes, through the operations of one forward pass.

Room: capture, axes. Comes in: operations in the few forms that all frameworks' are made of, each
with its tensors. Goes out: what each axis of a tensor counts, and a
:class:`~limelight.capture.axes.course.Course` for each softmax. Knows no framework.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.axes.computing import Computing
from limelight.capture.axes.course import Carry, Course, Use
from limelight.capture.axes.known import DATA, Known
from limelight.capture.axes.labels import (
    Atom,
    Axis,
    Factor,
    compared,
    every,
    marks,
    resized,
    role,
    together,
    whole,
)
from limelight.capture.axes.rearranging import alike


class Flow(Computing):
    """What is known of the tensors of one forward pass."""

    def softmax(self, output: Any, moved: Sequence[int], keys: int, log: bool = False) -> Course:
        """Take in a softmax whose output is known already as its logits' form.

        Parameters
        ----------
        output : tensor
        moved : sequence of int
            The output's axes in the order that ends with those it runs over.
        keys : int
            How many it runs over.
        log : bool
            Whether the output is the logarithm of the weights.

        Returns
        -------
        Course
        """
        known = self.of(output)
        number = len(self.courses)
        axes = tuple(known.axes[axis] for axis in moved)
        factors = [factor for axis in axes for factor in axis]
        first_key = sum(len(axis) for axis in axes[: len(axes) - keys])
        course = Course(number, axes, factors, frozenset(range(first_key, len(factors))),
                        known.origin, known.picks, tuple(moved))  # fmt: skip
        self.courses.append(course)
        marked: dict[int, Axis] = {}
        mark = 0
        for axis in moved:
            row = []
            for factor in known.axes[axis]:
                atoms = {a for a in factor.atoms if a.kind != "weights"}
                row.append(Factor(factor.size, frozenset({*atoms, Atom("weights", number, mark)})))
                mark += 1
            marked[axis] = tuple(row)
        carries = {number: Carry("log" if log else "weights")}
        fresh = tuple(marked[axis] for axis in range(len(moved)))
        self.put(output, Known(fresh, known.origin, carries, known.picks))
        return course

    def returned(self, course: Course, output: Any) -> None:
        """Say what tensor a model got of a softmax, whatever its framework turned inside.

        Parameters
        ----------
        course : Course
        output : tensor
        """
        axes = self.of(output).axes
        if len(axes) != len(course.axes):
            return
        moved: list[int | None] = []
        first = 0
        for axis in course.axes:
            span = set(range(first, first + len(axis)))
            first += len(axis)
            match = [i for i, other in enumerate(axes) if span & marks(every(other), course.number)]
            moved.append(match[0] if match else None)
        left = [i for i in range(len(axes)) if i not in moved]
        if len(left) == moved.count(None):  # axes of size 1, in their order
            course.moved = tuple(left.pop(0) if axis is None else axis for axis in moved)

    def kernel(self, query: Any, key: Any, value: Any, heads_last: bool = False) -> Course:
        """Take in attention of one piece, that keeps its weights to itself.

        Parameters
        ----------
        query, key, value : tensor [..., position, feature]
        heads_last : bool
            Whether heads stand after positions, as [..., position, head, feature].

        Returns
        -------
        Course
            Its axes are [..., query, key].
        """
        sides = [self.of(tensor) for tensor in (query, key, value)]
        rows, columns, given = (list(known.axes[:-1]) for known in sides)
        if heads_last:
            for axes in (rows, columns, given):
                axes[-2:] = axes[:-3:-1]
        lead = [together(*pair) if alike(*pair) else pair[0]
                for pair in zip(rows[:-1], columns[:-1], strict=True)]  # fmt: skip
        if role(every(sides[0].axes[-1])) not in {"position", "example"}:
            rows[-1], columns[-1] = compared(rows[-1]), compared(columns[-1])
        logits = (*lead, rows[-1], columns[-1])
        factors = [factor for axis in logits for factor in axis]
        first_key = len(factors) - len(columns[-1])
        queries = set(range(first_key - len(rows[-1]), first_key))
        keys = frozenset(range(first_key, len(factors)))
        origin = sides[0].origin | sides[1].origin
        picks = sides[0].picks | sides[1].picks
        course = Course(
            len(self.courses), logits, factors, keys, origin, picks, tuple(range(len(logits))),
            used=True, queries=frozenset(queries),
        )  # fmt: skip
        shared = frozenset(range(len(factors))) - keys - queries
        learned = sides[2].fixed
        course.uses.append(Use(None, logits, value, keys, shared, (), learned))
        self.courses.append(course)
        return course

    def recurrent(self, source: Any, outputs: Sequence[Any]) -> None:
        """Follow a loop over time: examples and positions stay, features are new.

        Parameters
        ----------
        source : tensor [example, position, ...]
        outputs : sequence of tensor
            [example, position, ...] or [example, ...].
        """
        known = self.of(source)
        for output in outputs:
            shape = tuple(output.shape)
            if not shape or not known.axes:
                continue
            self._sources += 1
            axes = [resized(known.axes[0], int(shape[0]))]
            timed = len(shape) == len(known.axes) and shape[1] == source.shape[1]
            axes += [self._read_again(known.axes[1])] if timed else []
            for axis in range(len(axes), len(shape)):
                axes.append(whole(int(shape[axis]), [Atom("feature", -self._sources, axis)]))
            self.put(output, Known(tuple(axes), frozenset({DATA}), {}, known.picks))

    def _read_again(self, axis: Axis) -> Axis:
        """Return an axis of positions that know of one another: not position by position."""
        return tuple(
            Factor(f.size, frozenset(a._replace(axis=a.axis + 100 * self._sources)
                                     if a.kind in {"position", "learned", "constant"} else a
                                     for a in f.atoms))
            for f in axis
        )  # fmt: skip
