"""What becomes of the weights of one softmax.

Room: capture, axes. Filled by :mod:`limelight.capture.axes.flow` while a model runs; read by
:mod:`limelight.capture.axes.roles`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from limelight.capture.axes.labels import Atom, Axis, Factor

#: What a tensor holds of a softmax: its weights, perhaps changed; values times weights, not summed
#: yet; sums of weights; the logarithm of weights; some heads' weights; weights laid beside others.
Form = Literal["weights", "weighed", "total", "log", "part", "laid"]


@dataclass(frozen=True, eq=False)
class Carry:
    """What a tensor holds of a softmax.

    Attributes
    ----------
    form : str
    stages : tuple of str
        What was done to the weights since the softmax.
    weights : tensor
        The weights that were multiplied with values; None while it is not so far.
    weights_axes : tuple of Axis
    values : tensor
        What they were multiplied with.
    shared : frozenset of int
        Factors of the weights along which the values differ.
    learned : bool
        Whether the values are parameters and constants only.
    whole : (tensor, tuple of Axis, tuple of str), optional
        The weights, their axes and stages before heads that share their values were summed.
    """

    form: Form
    stages: tuple[str, ...] = ()
    weights: Any = None
    weights_axes: tuple[Axis, ...] = ()
    values: Any = None
    shared: frozenset[int] = frozenset()
    learned: bool = False
    whole: tuple[Any, tuple[Axis, ...], tuple[str, ...]] | None = None


@dataclass(frozen=True, eq=False)
class Use:
    """A sum of values times weights.

    Attributes
    ----------
    weights : tensor
        What the values were multiplied with.
    axes : tuple of Axis
        Its axes.
    values : tensor
    summed : frozenset of int
        Factors of the softmax that were summed over.
    shared : frozenset of int
        Factors along which the values differ.
    stages : tuple of str
    learned : bool
        Whether the values are parameters and constants only.
    """

    weights: Any
    axes: tuple[Axis, ...]
    values: Any
    summed: frozenset[int]
    shared: frozenset[int]
    stages: tuple[str, ...]
    learned: bool


@dataclass(eq=False)
class Course:
    """One softmax and what becomes of its weights.

    Attributes
    ----------
    number : int
    axes : tuple of Axis
        Of the logits, in the order of ``weights``.
    factors : list of Factor
        Those of the axes, one after the other; a factor's ordinal is its mark.
    keys : frozenset of int
        Those that the softmax runs over.
    origin : frozenset of str
        What the logits were computed from: ``data``, ``parameter``, ``constant``.
    picks : frozenset of (Atom, int)
        Entries of axes of inputs that were picked by their index before.
    moved : tuple of int
        For each of ``axes``, which of the logits' own axes it is.
    queries : frozenset of int, optional
        Factors that count queries, where a kernel's arguments say so.
    uses : list of Use
    scalars : list of Use
        Those whose values are single numbers, or masks whose sum the weights are divided by.
    used, lost, unsummed, linear : bool
        Whether anything was computed from them; went where they could not be followed; were
        multiplied with values that were not summed; or were spread again along a factor, as in
        linear attention.
    factor : bool
        Whether its weights were multiplied with those of another softmax.
    on_positions : bool
        Whether its values were multiplied with others that lie on positions along its axis.
    raised : bool
        Whether weights were made of their logarithm.
    """

    number: int
    axes: tuple[Axis, ...]
    factors: list[Factor]
    keys: frozenset[int]
    origin: frozenset[str]
    picks: frozenset[tuple[Atom, int]]
    moved: tuple[int, ...] = ()
    queries: frozenset[int] | None = None
    uses: list[Use] = field(default_factory=list)
    scalars: list[Use] = field(default_factory=list)
    used: bool = False
    lost: bool = False
    unsummed: bool = False
    linear: bool = False
    factor: bool = False
    raised: bool = False
    on_positions: bool = False
