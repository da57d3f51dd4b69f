"""What is known of a tensor of a torch forward pass, and of where a softmax's values go.

Room: capture, torch. Plain records: :mod:`limelight.capture.torch.trace.tracking` fills them as
functions run, and whoever recognises attention reads them. A member of an origin stands for one
set of positions; two tensors share it where they speak of the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from limelight.capture.torch.trace.after import After, Final
from limelight.capture.torch.trace.follow.sharing import Sharing
from limelight.capture.torch.trace.follow.threads import Part, Pick
from limelight.capture.torch.trace.labels import Axes, Axis, met, sources


@dataclass(eq=False)
class SoftmaxUse:
    """What became of the values of one softmax.

    Attributes
    ----------
    width : int
        How many values it ran over.
    features : bool
        Whether it ran over the outputs of a linear layer, one weight vector each.
    used : bool
        Whether its values weighed others, which were then summed.
    memory : frozenset
        Origin of those others.
    goes : list of str
        Where else its values went.
    linear : bool
        Whether it is one half of linear attention.
    span : (int, int), optional
        First and last but one of the values that were used, where a sink logit's were cut off.
    cuts : set of (int, int)
        All the parts that were taken of its values.
    streams : pair of frozenset, optional
        Origins of its queries and keys, where known.
    shared : bool
        Whether its scores are made of learned numbers only, so that all examples share them.
    factor : bool
        Whether its values are multiplied with another softmax's: a product of smaller softmaxes.
    final : Final, optional
        What is multiplied with the values, where that is not the plain softmax.
    rank : int
        How surely that is so: 2 where it weighs features, 1 where numbers, 0 where nothing yet.
    axis : tuple of Factor
        What it runs over.
    sharing : Sharing, optional
        How its values met those that they weighed.
    """

    width: int
    features: bool
    used: bool = False
    memory: frozenset[object] = frozenset()
    goes: list[str] = field(default_factory=list)
    linear: bool = False
    span: tuple[int, int] | None = None
    cuts: set[tuple[int, int]] = field(default_factory=set)
    streams: tuple[frozenset[object], frozenset[object]] | None = None
    shared: bool = False
    factor: bool = False
    final: Final | None = None
    rank: int = 0

    axis: Axis = ()
    sharing: Sharing | None = None

    def among(self, origin: frozenset[object]) -> bool:
        """Say whether queries, keys and values of an origin are one set of positions."""
        return self.streams is not None and all(side & origin for side in self.streams)

    def over(self, axis: Axis) -> bool:
        """Say whether an axis is the one that the softmax ran over, or a part of it.

        Parameters
        ----------
        axis : tuple of Factor

        Returns
        -------
        bool
        """
        return met(sources(axis), self.axis)

    @property
    def keys(self) -> int:
        """How many of the values may weigh something."""
        return self.width if self.span is None else self.span[1] - self.span[0]


@dataclass(frozen=True, eq=False)
class Weighing:
    """Values of softmaxes that others were multiplied with, not summed yet.

    Attributes
    ----------
    final : Final, optional
        None where they are the plain softmax's.
    rank : int
        2 where what they weigh has features, 1 where it is a number for each position, as a mask.
    """

    final: Final | None
    rank: int


@dataclass(eq=False, slots=True)
class Provenance:
    """What is known of one tensor.

    Attributes
    ----------
    origin : frozenset
        Two tensors share a member where they speak of the same positions.
    learned : bool
        Made of weights and constants alone.
    fixed : bool
        Made of weights, constants and the model's buffers alone: no input is in it.
    features : bool
        Its last axis counts the outputs of a linear layer.
    streams : pair of frozenset, optional
        Origins of the two sides of the product it is: of the rows, of the columns.
    weights : tuple of SoftmaxUse
        Softmaxes whose values it holds, rearranged or rescaled.
    terms : tuple of SoftmaxUse
        Softmaxes whose values times others it holds, to be summed yet.
    sums : tuple of SoftmaxUse
        Softmaxes it holds weighted sums of.
    axes : tuple of Axis
        What each of its axes is made of.
    part, pick : tuple, optional
        Which of the examples, and which position, it was computed for, if not for all.
    maker : object
        The parameters of the newest layer that it went through.
    mask : int
        What decides which of it count: flags of :mod:`limelight.capture.torch.trace.masks`.
    after : After, optional
        How it holds a softmax's values.
    logs : tuple of SoftmaxUse
        Softmaxes of whose values it holds the logarithms, rearranged.
    weighing : Weighing, optional
        What values its terms were multiplied with.
    """

    origin: frozenset[object]
    learned: bool = False
    features: bool = False
    streams: tuple[frozenset[object], frozenset[object]] | None = None
    weights: tuple[SoftmaxUse, ...] = ()
    terms: tuple[SoftmaxUse, ...] = ()
    sums: tuple[SoftmaxUse, ...] = ()
    axes: Axes = ()
    part: Part | None = None
    pick: Pick | None = None
    maker: Any = None
    mask: int = 0
    after: After | None = None
    logs: tuple[SoftmaxUse, ...] = ()
    weighing: Weighing | None = None
    fixed: bool = False


def new_origin() -> frozenset[object]:
    """Return the origin of positions that no other tensor speaks of.

    Returns
    -------
    frozenset
    """
    return frozenset([object()])


def unlike(**known: Any) -> Provenance:
    """Return the provenance of a tensor whose positions no other speaks of.

    Parameters
    ----------
    **known : object
        What else is known of it: attributes of a provenance.

    Returns
    -------
    Provenance
    """
    return Provenance(new_origin(), **known)
