"""Follows what moves values without changing them.

Room: capture, axes. The part of :class:`~limelight.capture.axes.flow.Flow` for reshaping, cutting,
repeating, gathering and laying together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.axes import weighing
from limelight.capture.axes.known import CONSTANT, DATA, PARAMETER, Known, Tensors
from limelight.capture.axes.labels import (
    Atom,
    Axis,
    every,
    reshaped,
    resized,
    role,
    together,
    whole,
)


class Rearranging(Tensors):
    """Follows what moves values without changing them."""

    def spread(self, source: Any, output: Any, mapping: Sequence[int | None]) -> None:
        """Follow what permutes, inserts, drops, repeats or cuts whole axes.

        Parameters
        ----------
        source, output : tensor
        mapping : sequence of int or None
            For each axis of the output, which of the source's it is.
        """
        self.cut(source, output, mapping, {})

    def reshape(self, source: Any, output: Any) -> None:
        """Follow a reshape.

        Parameters
        ----------
        source, output : tensor
        """
        known = self.of(source)
        axes = reshaped(known.axes, output.shape)
        if axes is None:
            self.unknown([source], output)
        else:
            self.put(output, self._as(known, axes))

    def cut(
        self, source: Any, output: Any, mapping: Sequence[int | None], single: dict[int, int]
    ) -> None:
        """Follow what cuts parts out of axes, and takes single entries of some.

        Parameters
        ----------
        source, output : tensor
        mapping : sequence of int or None
            For each axis of the output, which of the source's it is.
        single : dict of int to int
            Axes of which one entry is left, to its index; they stay with size 1 or go.
        """
        known = self.of(source)
        axes = []
        for size, axis in zip(output.shape, mapping, strict=True):
            old = None if axis is None else known.axes[axis]
            if old is None or (not old and size != 1):
                axes.append(whole(int(size), [Atom("copies", 0, 0)]))
            else:
                axes.append(resized(old, int(size)))
        picks = known.picks
        gone: frozenset[Atom] = frozenset()
        for axis, index in single.items():
            atoms = every(known.axes[axis])
            gone |= atoms
            if role(atoms) in {"example", "position"}:
                at = index % int(source.shape[axis])
                picks = picks | {(a, at) for a in atoms if a.kind in {"example", "position"}}
        for size, axis in zip(output.shape, mapping, strict=True):
            if axis is not None and 1 < size < source.shape[axis]:
                gone |= every(known.axes[axis])
        carries = weighing.cut_out(self, known, gone) if known.carries else {}
        self.put(output, Known(tuple(axes), known.origin, carries, picks))

    def gather(
        self,
        source: Any,
        indices: Any,
        output: Any,
        mapping: Sequence[tuple[int, int]],
        single: dict[int, int] | None = None,
    ) -> None:
        """Follow what takes entries that indices name.

        Parameters
        ----------
        source, indices, output : tensor
        mapping : sequence of (int, int)
            For each axis of the output, 0 or 1 and which axis of source or indices it is.
        single : dict of int to int, optional
            Axes of which one entry is left, to its index.
        """
        known, chosen = self.of(source), self.of(indices)
        if single and all(which == 0 for which, _ in mapping):
            self.cut(source, output, [axis for _, axis in mapping], single)
            return
        dropped = set(range(len(known.axes))) - {axis for which, axis in mapping if which == 0}
        constant = chosen.origin == {CONSTANT}
        if constant and all(source.shape[axis] == 1 for axis in dropped):
            self.cut(source, output, [None if which else axis for which, axis in mapping], {})
            return
        self.lose(known)
        axes = []
        for size, (which, axis) in zip(output.shape, mapping, strict=True):
            old = (known, chosen)[which].axes[axis]
            if which and constant and len(dropped) == 1 and known.origin != {PARAMETER}:
                old = whole(int(size), every(known.axes[min(dropped)]))  # counts what it counted
            axes.append(resized(old, int(size)))
        origin = known.origin if constant else known.origin | chosen.origin
        self.put(output, Known(tuple(axes), origin, {}, known.picks | chosen.picks))

    def take(self, source: Any, indices: Any, output: Any, axis: int) -> None:
        """Follow what takes the entries of an axis that indices name.

        Parameters
        ----------
        source, indices, output : tensor
            The axes of the indices stand where the axis was.
        axis : int
        """
        ours, theirs = len(source.shape), len(indices.shape)
        mapping = [(0, a) for a in range(axis)] + [(1, a) for a in range(theirs)]
        mapping += [(0, a) for a in range(axis + 1, ours)]
        if len(mapping) != len(output.shape):
            self.unknown([source, indices], output)
            return
        single = {}
        if not theirs and hasattr(indices, "__int__"):
            single = {axis: int(indices)}
        self.gather(source, indices, output, mapping, single)

    def look_up(self, name: int, indices: Any, output: Any) -> None:
        """Follow what takes rows of a parameter that is not read as a whole.

        Parameters
        ----------
        name : int
            Of the parameter.
        indices, output : tensor
        """
        chosen = self.of(indices)
        axes = list(chosen.axes)
        for axis, size in enumerate(output.shape[len(axes) :], 1):
            axes.append(whole(int(size), [Atom("feature", name, axis)]))
        origin = chosen.origin | {PARAMETER} if DATA in chosen.origin else {PARAMETER}
        self.put(output, Known(tuple(axes), frozenset(origin), {}, chosen.picks))

    def join(
        self,
        inputs: Sequence[Any],
        output: Any,
        axis: int,
        new: bool = False,
        stacked: bool = False,
    ) -> None:
        """Follow what lays tensors one after another.

        Parameters
        ----------
        inputs : sequence of tensor
        output : tensor
        axis : int
        new : bool
            Whether along an axis of its own.
        stacked : bool
            The same, where each has that axis already, with size 1.
        """
        all_known = [self.of(tensor) for tensor in inputs]
        if any(len(known.axes) != len(all_known[0].axes) for known in all_known):
            self.unknown(inputs, output)
            return
        axes: list[Axis] = list(all_known[0].axes)
        for known in all_known[1:]:
            axes = [together(*pair) if alike(*pair) else (pair[0] or pair[1])
                    for pair in zip(axes, known.axes, strict=True)]  # fmt: skip
        self._sources += 1
        picks = frozenset().union(*(known.picks for known in all_known))
        if new or stacked:
            atoms, picks = self._stacked(all_known, picks)
            axes[axis : axis + stacked] = [whole(int(output.shape[axis]), atoms)]
        else:
            parts = [every(known.axes[axis]) for known in all_known]
            atoms = list(frozenset().union(*parts))
            if not atoms or any(not part for part in parts):
                atoms = atoms or [Atom("branch", self._sources, 0)]
            axes[axis] = whole(int(output.shape[axis]), atoms)
        axes = [resized(old, int(n)) if old else old
                for old, n in zip(axes, output.shape, strict=True)]  # fmt: skip
        origin = frozenset().union(*(known.origin for known in all_known))
        carries = weighing.laid_together(all_known)
        self.put(output, Known(tuple(axes), origin, carries, picks))

    def _stacked(
        self, all_known: Sequence[Known], picks: frozenset[tuple[Atom, int]]
    ) -> tuple[list[Atom], frozenset[tuple[Atom, int]]]:
        """Return what a new axis counts: what was picked apart before, or branches."""
        common = frozenset.intersection(*(known.picks for known in all_known))
        rows = [frozenset(known.picks - common) for known in all_known]
        if len(rows) > 1 and all(rows) and len(set(rows)) == len(rows):
            apart = {atom for row in rows for atom, _ in row}
            atoms = [atom for atom in apart if all(atom in {a for a, _ in row} for row in rows)]
            if atoms:
                return atoms, frozenset(pick for pick in picks if pick[0] not in atoms)
        return [Atom("branch", self._sources, 0)], picks

    def _as(self, known: Known, axes: Sequence[Axis]) -> Known:
        return Known(tuple(axes), known.origin, known.carries, known.picks)


def alike(first: Axis, second: Axis) -> bool:
    """Say whether two axes are made of factors of the same sizes.

    Parameters
    ----------
    first, second : Axis

    Returns
    -------
    bool
    """
    return [factor.size for factor in first] == [factor.size for factor in second]
