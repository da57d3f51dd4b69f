"""What each axis of a tensor is made of: labels that stay with it through views and products.

Room: capture, torch. An axis is a product of *factors*, outermost first; an axis of size one has
none. A factor is a label, how many of the label's own steps lie between two neighbours, and how
many there are: so a split axis remembers what it is a part of, and joins again where its parts
meet. Two axes are the same where their factors are equal, whatever their sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

#: What a label can be. ``input`` is an axis of an input of which nothing is proved yet, ``learned``
#: one of a parameter or constant, ``branch`` counts parts that different parameters computed,
#: ``row`` what an input has several of for one example, ``tap`` what lies in a window, ``repeat``
#: copies, and ``unknown`` came out of a function that cannot be followed.
KINDS = (
    "example", "position", "feature", "input", "learned", "branch", "row", "tap", "repeat",
    "unknown",
)  # fmt: skip


class Label:
    """One thing that an axis may count.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`; an ``input`` may prove to be a ``position`` later.
    product : Product, optional
        Of whose two sides it is one; then ``side`` is 0 or 1 and ``base`` what it was before.
    source : tuple of Factor
        What it is a part of, or was put together from.
    """

    __slots__ = ("base", "kind", "product", "side", "source")

    def __init__(self, kind: str, source: Axis = ()) -> None:
        self.kind = kind
        self.source = source
        self.product: Product | None = None
        self.side = 0
        self.base: Factor | None = None


class Product:
    """A product, or a sum, of every row of one tensor with every row of another.

    Attributes
    ----------
    contracted : tuple of Factor
        What was summed over.
    """

    __slots__ = ("contracted",)

    def __init__(self, contracted: Axis = ()) -> None:
        self.contracted = contracted


Factor = tuple[Label, int, int]
Axis = tuple[Factor, ...]
Axes = tuple[Axis, ...]


def fresh(size: int, kind: str) -> Axis:
    """Return an axis that counts something new.

    Parameters
    ----------
    size : int
    kind : str

    Returns
    -------
    tuple of Factor
    """
    return () if size == 1 else ((Label(kind), 1, size),)


def unknown(shape: Iterable[int]) -> Axes:
    """Return axes of which nothing is known.

    Parameters
    ----------
    shape : iterable of int

    Returns
    -------
    tuple of Axis
    """
    return tuple(fresh(int(size), "unknown") for size in shape)


def size_of(axis: Axis) -> int:
    """Return how long an axis is.

    Parameters
    ----------
    axis : tuple of Factor

    Returns
    -------
    int
    """
    size = 1
    for factor in axis:
        size *= factor[2]
    return size


def fit(axes: Axes, shape: Sequence[int]) -> bool:
    """Say whether axes are those of a tensor of some shape.

    Parameters
    ----------
    axes : tuple of Axis
    shape : sequence of int

    Returns
    -------
    bool
    """
    if len(axes) != len(shape):
        return False
    for axis, size in zip(axes, shape, strict=True):
        if len(axis) == 1:  # nearly all
            if axis[0][2] != size:
                return False
            continue
        length = 1
        for factor in axis:
            length *= factor[2]
        if length != size:
            return False
    return True


def root(factor: Factor) -> Factor:
    """Return what a factor was before any product.

    Parameters
    ----------
    factor : Factor

    Returns
    -------
    Factor
    """
    label, stride, size = factor
    while label.base is not None:
        label, unit, _ = label.base
        stride *= unit
    return label, stride, size


def unwound(axis: Axis) -> Axis:
    """Return an axis as it was before any product.

    Parameters
    ----------
    axis : tuple of Factor

    Returns
    -------
    tuple of Factor
    """
    if any(factor[0].base is not None for factor in axis):
        return joined([root(factor) for factor in axis])
    return axis


def joined(factors: Sequence[Factor]) -> Axis:
    """Join neighbours that are parts of one label, where they lie in its own order.

    Parameters
    ----------
    factors : sequence of Factor

    Returns
    -------
    tuple of Factor
    """
    whole: list[Factor] = []
    for label, stride, size in factors:
        if whole and whole[-1][0] is label and whole[-1][1] == stride * size:
            whole[-1] = (label, stride, size * whole[-1][2])
        else:
            whole.append((label, stride, size))
    return tuple(whole)


def overlap(factor: Factor, other: Factor) -> bool:
    """Say whether two factors are, in part, the same.

    Parameters
    ----------
    factor, other : Factor

    Returns
    -------
    bool
    """
    ends = factor[1] * factor[2], other[1] * other[2]
    return factor[0] is other[0] and max(factor[1], other[1]) < min(ends)


def met(axis: Iterable[Factor], other: Iterable[Factor]) -> bool:
    """Say whether two axes share a part.

    Parameters
    ----------
    axis, other : iterable of Factor

    Returns
    -------
    bool
    """
    other = tuple(other)
    return any(overlap(mine, theirs) for mine in axis for theirs in other)


def apart(axes: Axes) -> list[Factor]:
    """Return the factors of all axes, in order.

    Parameters
    ----------
    axes : tuple of Axis

    Returns
    -------
    list of Factor
    """
    return [factor for axis in axes for factor in axis]


def sources(axis: Iterable[Factor]) -> list[Factor]:
    """Return factors, and all that they are parts of.

    Parameters
    ----------
    axis : iterable of Factor

    Returns
    -------
    list of Factor
    """
    every, pending = [], list(axis)
    while pending:
        factor = pending.pop()
        every.append(factor)
        pending.extend(factor[0].source)
    return every


def kind_of(factor: Factor) -> str:
    """Return what kind of thing a factor counts; what was proved later counts.

    Parameters
    ----------
    factor : Factor

    Returns
    -------
    str
    """
    return root(factor)[0].kind


def prove(stay: Iterable[Axis], contracted: Axis) -> None:
    """Note what a layer shows of axes: it works alike on each position, and sums over features.

    An axis of features that stays where others are summed over counts positions from then on, as
    where a layer decodes one vector into several. Parts of the very features summed over stay what
    they are: heads.

    Parameters
    ----------
    stay : iterable of Axis
    contracted : tuple of Factor
    """
    summed = {root(factor)[0] for factor in contracted}
    for label in summed:
        if label.kind == "input":
            label.kind = "feature"
    features = all(label.kind in {"feature", "learned"} for label in summed)
    for axis in stay:
        for factor in axis:
            label = root(factor)[0]
            if label.kind in {"input", "tap"} or (
                label.kind == "feature" and features and summed and label not in summed
            ):
                label.kind = "position"
