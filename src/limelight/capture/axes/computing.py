"""Follows what computes values of values.

Room: capture, axes. The part of :class:`~limelight.capture.axes.flow.Flow` for arithmetic on single
entries, reductions, products and convolutions.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from limelight.capture.axes import products, weighing
from limelight.capture.axes.known import DATA, PARAMETER, Known
from limelight.capture.axes.labels import (
    Atom,
    Axis,
    Factor,
    compared,
    every,
    resized,
    role,
    together,
    varies,
    whole,
)
from limelight.capture.axes.products import Operand
from limelight.capture.axes.rearranging import Rearranging


@dataclass(eq=False)
class Form:
    """Stands for a tensor between two steps of one operation.

    Attributes
    ----------
    shape : tuple of int
    """

    shape: tuple[int, ...]


class Computing(Rearranging):
    """Follows what computes values of values."""

    def elementwise(self, name: str, inputs: Sequence[Any], output: Any) -> None:
        """Follow what combines entries one by one, with NumPy's broadcasting.

        Parameters
        ----------
        name : str
            ``mul``, ``div``, ``add``, ``exp`` or anything else; ``same`` leaves values as they are.
        inputs : sequence of tensor
        output : tensor
        """
        rank = len(output.shape)
        all_known = [self.of(tensor) for tensor in inputs]
        axes: list[Axis] = [()] * rank
        for known in all_known:
            for axis, old in enumerate(known.axes, rank - len(known.axes)):
                axes[axis] = together(axes[axis], old)
        for axis, size in enumerate(output.shape):
            if not axes[axis] and size != 1:
                axes[axis] = whole(int(size), [Atom("copies", 0, 0)])
        origin = frozenset().union(*(known.origin for known in all_known))
        picks = frozenset().union(*(known.picks for known in all_known))
        if len(all_known) == 2 and all(DATA in known.origin for known in all_known):
            axes = _crossed(axes, all_known)
        carries = weighing.combined(self, name, inputs, all_known, tuple(axes))
        self.put(output, Known(tuple(axes), origin, carries, picks))

    def reduce(self, how: str, source: Any, output: Any, axes: Sequence[int]) -> None:
        """Follow a reduction.

        Parameters
        ----------
        how : str
            ``sum``, ``mean`` or anything else.
        source, output : tensor
        axes : sequence of int
        """
        known = self.of(source)
        rank = len(source.shape)
        gone = {axis % rank for axis in axes}
        stays = len(output.shape) == rank and bool(gone)
        left = [
            () if i in gone else old for i, old in enumerate(known.axes) if stays or i not in gone
        ]
        carries = weighing.reduced(self, how, source, known, gone)
        self.put(output, Known(tuple(left), known.origin, carries, known.picks))

    def dot(
        self,
        first: Any,
        second: Any,
        output: Any,
        letters: tuple[Sequence[Hashable], Sequence[Hashable], Sequence[Hashable]],
    ) -> None:
        """Follow a product with sums, as einsum writes it.

        Parameters
        ----------
        first, second, output : tensor
        letters : (sequence, sequence, sequence)
            A letter for each axis of the three.
        """
        sides = (self.of(first), self.of(second))
        operands = [
            Operand(tensor, known, tuple(names))
            for tensor, known, names in zip((first, second), sides, letters, strict=False)
        ]
        gone = {*letters[0], *letters[1]} - set(letters[2])
        result = []
        for letter, size in zip(letters[2], output.shape, strict=True):
            axis: Axis = ()
            for operand in operands:
                axis = together(axis, _free(operand, letter, gone))
            result.append(axis if axis or size == 1 else whole(int(size), [Atom("copies", 0, 0)]))
        if _compares(operands, gone):
            ours, theirs = (set(operand.letters) for operand in operands)
            result = [compared(axis) if (letter in ours) != (letter in theirs) else axis
                      for letter, axis in zip(letters[2], result, strict=True)]  # fmt: skip
        carries, result = products.multiplied(self, operands, letters[2], result)
        origin, picks = sides[0].origin | sides[1].origin, sides[0].picks | sides[1].picks
        self.put(output, Known(tuple(result), origin, carries, picks))

    def matmul(self, first: Any, second: Any, output: Any, turned: tuple[bool, bool]) -> None:
        """Follow a matrix product, with NumPy's rules.

        Parameters
        ----------
        first, second, output : tensor
        turned : (bool, bool)
            Whether the last two axes of either are exchanged before.
        """
        ranks = [len(first.shape), len(second.shape)]
        lead = max(*ranks, 2) - 2
        before = [("lead", axis) for axis in range(lead)]
        rows: list[list[Hashable]] = []
        for rank, names in zip(ranks, (["row", "sum"], ["sum", "column"]), strict=True):
            ends = ["sum"] if rank == 1 else names
            if turned[len(rows)]:
                ends = ends[::-1]
            rows.append([*before[lead - max(rank - 2, 0) :], *ends])
        last = ["row"] * (ranks[0] > 1) + ["column"] * (ranks[1] > 1)
        self.dot(first, second, output, (rows[0], rows[1], [*before, *last]))

    def einsum(self, equation: str, inputs: Sequence[Any], output: Any) -> None:
        """Follow an einsum of up to two tensors.

        Parameters
        ----------
        equation : str
        inputs : sequence of tensor
        output : tensor
        """
        left, _, right = equation.replace(" ", "").partition("->")
        terms = left.split(",")
        if len(terms) > 2 or "->" not in equation:
            self.unknown(inputs, output)
            return
        if len(terms) == 1:
            before, after = (_letters(term, len(t.shape))
                             for term, t in ((left, inputs[0]), (right, output)))  # fmt: skip
            self._rearranged(inputs[0], output, before, after)
            return
        rows = [_letters(term, len(t.shape)) for term, t in zip(terms, inputs, strict=True)]
        self.dot(
            inputs[0], inputs[1], output, (rows[0], rows[1], _letters(right, len(output.shape)))
        )

    def _rearranged(
        self, source: Any, output: Any, before: list[Hashable], after: list[Hashable]
    ) -> None:
        """Follow an einsum of one tensor: sums, then another order of axes."""
        if len(set(before)) < len(before):  # a diagonal
            self.unknown([source], output)
            return
        gone = [axis for axis, letter in enumerate(before) if letter not in after]
        if gone:
            left = [letter for letter in before if letter in after]
            form = Form(tuple(source.shape[before.index(letter)] for letter in left))
            self.reduce("sum", source, form, gone)
            source, before = form, left
        self.cut(source, output, [before.index(letter) for letter in after], {})

    def convolve(self, source: Any, kernel: Any, output: Any, channels: tuple[int, int]) -> None:
        """Follow a convolution: examples and positions stay, features are new.

        Parameters
        ----------
        source, kernel, output : tensor
        channels : (int, int)
            The axis of features in the source and the output, and that of the kernel's outputs.
        """
        known, learned = self.of(source), self.of(kernel)
        outputs = every(learned.axes[channels[1]])
        atoms = [atom._replace(kind="feature") for atom in outputs if atom.kind != "weights"]
        new = whole(int(output.shape[channels[0]]), atoms)
        axes = [resized(old, int(n)) for old, n in zip(known.axes, output.shape, strict=True)]
        axes[channels[0]] = new
        carries, axes = weighing.convolved(self, known, axes, channels[0])
        self.put(output, Known(tuple(axes), known.origin | learned.origin, carries, known.picks))

    def attend(self, query: Any, value: Any, output: Any) -> None:
        """Follow attention in one piece: rows of queries, columns of values.

        Parameters
        ----------
        query, value, output : tensor
            Positions and features last.
        """
        ours, theirs = self.of(query), self.of(value)
        axes = [resized(axis, int(n)) for axis, n in
                zip((*ours.axes[:-1], theirs.axes[-1]), output.shape, strict=True)]  # fmt: skip
        self.lose(ours)
        self.lose(theirs)
        self.put(
            output, Known(tuple(axes), ours.origin | theirs.origin, {}, ours.picks | theirs.picks)
        )


def _free(operand: Operand, letter: Hashable, gone: set[Hashable]) -> Axis:
    """Return an operand's axis; outputs of a kernel count features."""
    if letter not in operand.letters:
        return ()
    axis = operand.known.axes[operand.letters.index(letter)]
    # A kernel is summed over other axes than its own last one; over that, vectors are.
    kernel = _is_raw(operand.known) and any(
        role(every(summed)) == "learned"
        for name, summed in zip(operand.letters, operand.known.axes, strict=True)
        if name in gone
    )
    return _features(axis) if kernel else axis


def _compares(operands: Sequence[Operand], gone: set[Hashable]) -> bool:
    """Say whether a product compares things by their features, both of them computed."""
    if not all(DATA in operand.known.origin for operand in operands) or not gone:
        return False
    summed = [_free(operand, letter, set()) for operand in operands for letter in gone]
    return not any(role(every(axis)) in {"position", "example"} for axis in summed)


def _crossed(axes: list[Axis], known: Sequence[Known]) -> list[Axis]:
    """Mark the axes along which each of two tensors is met by every entry of the other."""
    rank = len(axes)
    sides = [[varies(entry.axes[axis - rank]) if rank - axis <= len(entry.axes) else False
              for axis in range(rank)] for entry in known]  # fmt: skip
    alone = [first != second for first, second in zip(*sides, strict=True)]
    both = [any(a and side[i] for i, a in enumerate(alone)) for side in sides]
    if not all(both):
        return axes
    return [compared(axis) if a else axis for a, axis in zip(alone, axes, strict=True)]


def _is_raw(known: Known) -> bool:
    """Say whether something is a parameter as it is, not computed from some."""
    atoms = [atom for axis in known.axes for factor in axis for atom in factor.atoms]
    return known.origin == {PARAMETER} and len({atom.source for atom in atoms}) == 1


def _features(axis: Axis) -> Axis:
    """Return an axis of learned vectors as one of features."""
    return tuple(
        Factor(f.size, frozenset(a._replace(kind="feature") if a.kind == "learned" else a
                                 for a in f.atoms))
        for f in axis
    )  # fmt: skip


def _letters(term: str, rank: int) -> list[Hashable]:
    """Return a letter for each axis; an ellipsis stands for as many as are left."""
    head, dots, tail = term.partition("...")
    middle = rank - len(head) - len(tail)
    # Counted from the last, as they are broadcast.
    return [*head, *(("lead", middle - i) for i in range(middle if dots else 0)), *tail]
