"""What an axis of a tensor is made of.

Room: capture, axes. An axis is a row of factors, the slowest first: an axis of 12 that was made of
3 examples and 4 heads has two. Each factor knows its size and its atoms: the axes of inputs,
parameters and constants that it stands for. An axis of size 1 has no factors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

#: What an axis may count. ``channel`` is an input's own last axis, ``feature`` what a layer made of
#: one, ``learned`` rows of a parameter, ``branch`` results laid together; ``copies`` repeats the
#: same values; ``weights`` marks an axis of a softmax, ``compared`` that of things which were each
#: compared with others: they stand for positions, whatever they were made of.
AtomKind = Literal[
    "example",
    "position",
    "channel",
    "feature",
    "learned",
    "branch",
    "constant",
    "copies",
    "weights",
    "compared",
]


class Atom(NamedTuple):
    """An axis of something that a pass begins with.

    Attributes
    ----------
    kind : str
    source : int
        Which input, parameter, constant or softmax.
    axis : int
    """

    kind: AtomKind
    source: int
    axis: int


class Factor(NamedTuple):
    """A part of an axis.

    Attributes
    ----------
    size : int
    atoms : frozenset of Atom
        Empty where nothing is known.
    """

    size: int
    atoms: frozenset[Atom]


Axis = tuple[Factor, ...]

#: Which kind counts where a factor stands for axes of several.
_RANK: Final = (
    "example",
    "position",
    "channel",
    "feature",
    "learned",
    "branch",
    "constant",
    "copies",
)


def role(atoms: frozenset[Atom]) -> str:
    """Return what a factor counts.

    Parameters
    ----------
    atoms : frozenset of Atom

    Returns
    -------
    str
        A kind of atom, or ``""``.
    """
    kinds = {atom.kind for atom in atoms}
    return next((kind for kind in _RANK if kind in kinds), "")


def is_feature(atoms: frozenset[Atom]) -> bool:
    """Say whether a factor counts features.

    Parameters
    ----------
    atoms : frozenset of Atom

    Returns
    -------
    bool
    """
    return role(atoms) in {"channel", "feature"}


def varies(axis: Axis) -> bool:
    """Say whether values may differ along an axis: it is no copy, and longer than 1.

    Parameters
    ----------
    axis : Axis

    Returns
    -------
    bool
    """
    return any(role(factor.atoms) != "copies" for factor in axis)


def whole(size: int, atoms: Iterable[Atom] = ()) -> Axis:
    """Return an axis of one factor.

    Parameters
    ----------
    size : int
    atoms : iterable of Atom

    Returns
    -------
    Axis
    """
    return () if size == 1 else (Factor(int(size), frozenset(atoms)),)


def every(axis: Axis) -> frozenset[Atom]:
    """Return the atoms of all factors of an axis.

    Parameters
    ----------
    axis : Axis

    Returns
    -------
    frozenset of Atom
    """
    return frozenset(atom for factor in axis for atom in factor.atoms)


def marks(atoms: frozenset[Atom], source: int) -> set[int]:
    """Return which factors of a softmax's weights a factor stands for.

    Parameters
    ----------
    atoms : frozenset of Atom
    source : int
        Which softmax.

    Returns
    -------
    set of int
    """
    return {atom.axis for atom in atoms if atom.kind == "weights" and atom.source == source}


def compared(axis: Axis) -> Axis:
    """Mark an axis as one of things that were compared with others.

    Parameters
    ----------
    axis : Axis

    Returns
    -------
    Axis
    """
    return tuple(Factor(f.size, f.atoms | {Atom("compared", 0, 0)}) for f in axis)


def are_compared(atoms: frozenset[Atom]) -> bool:
    """Say whether a factor counts things that were compared with others.

    Parameters
    ----------
    atoms : frozenset of Atom

    Returns
    -------
    bool
    """
    return any(atom.kind == "compared" for atom in atoms)


def together(first: Axis, second: Axis) -> Axis:
    """Return the axis of two operands that are taken element by element.

    Parameters
    ----------
    first, second : Axis
        Of one size, or empty.

    Returns
    -------
    Axis
    """
    if not first or not second:
        return first or second
    sizes = [factor.size for factor in first], [factor.size for factor in second]
    if sizes[0] == sizes[1]:
        return tuple(
            Factor(a.size, _joined(a.atoms, b.atoms)) for a, b in zip(first, second, strict=True)
        )
    fine, coarse = (first, second) if len(first) >= len(second) else (second, first)
    extra = every(coarse)
    return tuple(Factor(factor.size, _joined(factor.atoms, extra)) for factor in fine)


def _joined(first: frozenset[Atom], second: frozenset[Atom]) -> frozenset[Atom]:
    """Join atoms; what only repeats values says nothing beside what does not."""
    atoms = first | second
    real = frozenset(atom for atom in atoms if atom.kind != "copies")
    return real if real or not (first and second) else atoms


def resized(axis: Axis, size: int) -> Axis:
    """Return an axis of which a part is left, or that was made longer or shorter.

    Parameters
    ----------
    axis : Axis
    size : int

    Returns
    -------
    Axis
    """
    if size == 1:
        return ()
    total = 1
    for factor in axis:
        total *= factor.size
    return axis if total == size else whole(size, every(axis))


def reshaped(axes: Sequence[Axis], shape: Sequence[int]) -> tuple[Axis, ...] | None:
    """Return axes after a reshape.

    Parameters
    ----------
    axes : sequence of Axis
    shape : sequence of int
        The new one.

    Returns
    -------
    tuple of Axis, or None
        None where the new axes cut across the old ones.

    Examples
    --------
    >>> rows, heads = (Factor(6, frozenset()),), (Factor(4, frozenset()),)
    >>> [[f.size for f in axis] for axis in reshaped([rows, heads], (24,))]
    [[6, 4]]
    >>> [[f.size for f in axis] for axis in reshaped([rows, heads], (3, 8))]
    [[3], [2, 4]]
    """
    left = [factor for axis in axes for factor in axis][::-1]
    result: list[Axis] = []
    for size in shape:
        axis: list[Factor] = []
        room = int(size)
        while room > 1:
            if not left:
                return None
            factor = left.pop()
            if room % factor.size:
                if factor.size % room:
                    return None
                left.append(Factor(factor.size // room, factor.atoms))
                factor = Factor(room, factor.atoms)
            axis.append(factor)
            room //= factor.size
        result.append(tuple(axis))
    return None if left else tuple(result)
