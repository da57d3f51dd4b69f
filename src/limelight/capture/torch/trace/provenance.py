"""What the tensors of a torch forward pass are made of, and where a softmax's values go.

Room: capture, torch. Comes in: every function a model calls, with what came out. Goes out:
provenances on tensors, kept beside them, that say which sequences' positions they hold and whose
weights. Nothing is kept alive: a provenance ends with its tensor.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from limelight.capture.torch.trace import functions as kinds
from limelight.capture.torch.trace import masks
from limelight.capture.torch.trace.after import After, Final
from limelight.capture.torch.trace.axes import BatchAxis, fits
from limelight.capture.torch.trace.follow import axes_after
from limelight.capture.torch.trace.follow.joins import put_together
from limelight.capture.torch.trace.follow.sharing import Sharing, sharing, spread_out
from limelight.capture.torch.trace.follow.sums import gone
from limelight.capture.torch.trace.follow.threads import Part, Pick, threads
from limelight.capture.torch.trace.follow.writes import written
from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.labels import (
    Axes,
    Axis,
    Label,
    fresh,
    kind_of,
    met,
    root,
    size_of,
    sources,
    unknown,
)
from limelight.capture.torch.trace.uses import LEARNED, Weighing, followed, overwritten


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

    def among(self, origin: frozenset[object]) -> bool:
        """Say whether queries, keys and values of an origin are one set of positions."""
        return self.streams is not None and all(side & origin for side in self.streams)

    axis: Axis = ()
    sharing: Sharing | None = None

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


class ProvenanceTracker:
    """Keeps the provenances of one pass.

    Parameters
    ----------
    examples : int
        How many examples the model runs on.
    buffers : iterable of tensor
        The model's own; what else arrives from outside may be a mask for these inputs.
    """

    def __init__(self, examples: int, buffers: Iterable[Any] = ()) -> None:
        self._examples = examples
        #: What the examples' axes of all inputs count.
        self.examples_label = Label("example")
        self._provenances: dict[int, tuple[Any, Provenance]] = {}
        for buffer in buffers:
            axes = () if buffer.is_nested else _learned(buffer)
            self.put(buffer, _fresh(learned=not buffer.is_floating_point(), axes=axes, fixed=True))

    def knows(self, tensor: Any) -> bool:
        """Say whether a tensor has been seen before.

        Parameters
        ----------
        tensor : tensor

        Returns
        -------
        bool
        """
        entry = self._provenances.get(id(tensor))
        return entry is not None and entry[0]() is tensor

    def of(self, tensor: Any) -> Provenance:
        """Return a tensor's provenance, also of one never seen before.

        Parameters
        ----------
        tensor : tensor

        Returns
        -------
        Provenance
        """
        entry = self._provenances.get(id(tensor))
        if entry is not None and entry[0]() is tensor:
            return entry[1]
        import torch

        # Functions that cannot be looked into make tensors too, so not all that is new is a weight.
        weight = isinstance(tensor, torch.nn.Parameter)
        mask = 0 if weight else masks.arrived(tensor, self._examples)
        learned = weight or not tensor.is_floating_point()
        if tensor.is_nested:  # its sizes are no numbers
            return self.put(tensor, _fresh(learned=learned, mask=mask))
        axes = _learned(tensor) if learned else unknown(tensor.shape)
        return self.put(tensor, _fresh(learned=learned, mask=mask, axes=axes, fixed=weight))

    def put(self, tensor: Any, provenance: Provenance) -> Provenance:
        """Keep the provenance of a tensor, and return it.

        Parameters
        ----------
        tensor : tensor
        provenance : Provenance

        Returns
        -------
        Provenance
        """
        self._provenances[id(tensor)] = (weakref.ref(tensor), provenance)
        return provenance

    def root(self, tensor: Any, axis: int | None = 0) -> Provenance:
        """Give an input of the model its provenance.

        Parameters
        ----------
        tensor : tensor
        axis : int, optional
            Where the examples lie; None where all share it.

        Returns
        -------
        Provenance
        """
        first = None if axis is None else BatchAxis(axis % max(tensor.dim(), 1))
        known = first is not None and fits(first, tensor.shape, self._examples)
        # What all examples share is the same from input to input.
        mask = masks.arrived(tensor) & ~(masks.GIVEN if axis is None else 0)
        axes = [fresh(int(size), "input") for size in tensor.shape]
        if known and first is not None:
            size = int(tensor.shape[first.axis])
            rows = self._examples == 1 < size  # such as several images of one text
            axes[first.axis] = fresh(size, "row") if rows else self._examples_of(size)
        return self.put(tensor, _fresh(axes=tuple(axes), mask=mask))

    def _constant(self, tensor: Any) -> Axes:
        """Return the axes of what a model made out of nothing, such as zeros for each example."""
        axes = _learned(tensor)
        if tensor.dim() > 1 and tensor.shape[0] == self._examples > 1:
            return (fresh(self._examples, "repeat"), *axes[1:])
        return axes

    def _examples_of(self, size: int) -> Axis:
        """Return the axis of the examples, each perhaps several times."""
        examples = self._examples
        whole = () if examples == 1 else ((self.examples_label, 1, examples),)
        return (*whole, *fresh(size // examples, "repeat"))

    def follow(self, function: Any, args: Any, kwargs: dict[str, Any], result: Any) -> None:
        """Give what a function returned its provenance.

        Parameters
        ----------
        function : callable
        args, kwargs : tuple, dict
        result : object
        """
        fed = list(kinds.tensors((args, kwargs)))
        if not fed:
            for out in kinds.tensors(result):
                self.put(out, _fresh(learned=True, fixed=True, axes=self._constant(out)))
            return
        provenances = [self.of(tensor) for tensor in fed]
        step = Step(kinds.name_of(function), args, kwargs, fed, function)
        flags = [provenance.mask for provenance in provenances]
        constant = [provenance.learned for provenance in provenances]
        counted = provenances[:1] if step.name in kinds.AS_ANOTHER else provenances
        fixed = all(provenance.fixed or provenance.learned for provenance in counted)
        if step.name == "__setitem__":
            learned, mask = all(constant), masks.flowed(step, flags, constant, fed[0])
            axes = provenances[0].axes if learned else written(step, provenances)
            known = replace(provenances[0], learned=learned, mask=mask, axes=axes, fixed=fixed)
            self.put(fed[0], overwritten(step, provenances, known))
            return
        for index, out in enumerate(kinds.tensors(result)):
            axes = axes_after(step, provenances, out, index)
            part, pick, maker = threads(step, provenances, out, index, axes)
            mask = masks.flowed(step, flags, constant, out)
            if step.name in kinds.ELEMENTWISE:
                _unite(provenances, axes)
            made = self._made(step, provenances, out)
            if step.name in kinds.JOINS and put_together(step, provenances, out, axes):
                made.origin = provenances[0].origin
            if made.origin and step.name in _LAYERS and _lost(step, provenances, axes):
                made.origin = _new()
            made = followed(step, provenances, out, index, made)
            # Made just now, so nobody else has it: copies are dear where every function has one.
            made.axes, made.part, made.pick, made.maker = axes, part, pick, maker
            made.mask, made.fixed = mask, fixed
            self.put(out, made)

    def _made(self, step: Step, provenances: list[Provenance], out: Any) -> Provenance:
        learned = all(provenance.learned for provenance in provenances)
        if step.name in kinds.PRODUCTS:
            provenance = _product(step, provenances, out)
        elif step.name in kinds.SUMS and provenances[0].terms:
            provenance = _summed(step, provenances[0])
        else:
            provenance = self._carried(step, provenances, out)
        provenance.learned = learned
        return provenance

    def _carried(self, step: Step, provenances: list[Provenance], out: Any) -> Provenance:
        full = [m for m, t in zip(provenances, step.fed, strict=True) if t.numel() == out.numel()]
        known = (
            [provenance for provenance in full if not provenance.learned] or full or provenances[:1]
        )
        held = tuple(dict.fromkeys(use for provenance in provenances for use in provenance.weights))
        first = provenances[0]
        if step.rearranges:
            _cut(step, first, out)
            turned = step.name in kinds.TURNS or out.shape[-1:] != step.fed[0].shape[-1:]
            return replace(
                first,
                features=first.features and (not turned or step.regroups(out)),
                origin=first.origin if step.keeps_positions else _new(),
            )
        if step.name in kinds.ELEMENTWISE:
            features = all(provenance.features for provenance in known)
            origin = frozenset().union(*(provenance.origin for provenance in known))
            streams = next((provenance.streams for provenance in known if provenance.streams), None)
            terms = held if held and _weighs_others(step, provenances, held) else ()
            terms = terms or tuple(use for provenance in provenances for use in provenance.terms)
            sums = tuple(use for provenance in provenances for use in provenance.sums)
            same = any(provenance.weights for provenance in full)
            return Provenance(origin, False, features, streams, held if same else (), terms, sums)
        if held and step.name in kinds.INVERSES:
            return _fresh(weights=held)
        for use in held:
            use.goes.append(step.name)
        if step.name in kinds.LINEAR:
            index = 1 if step.name == "addmm" else 0
            return Provenance(
                provenances[min(index, len(provenances) - 1)].origin, features=step.features(out)
            )
        if step.name in kinds.JOINS:
            filled = [k for k, t in zip(provenances, step.fed, strict=True) if t.numel()]
            stays = step.joins_last(out) or len(filled) == 1  # what is empty moves nothing
            origin = frozenset().union(*(k.origin for k in filled)) if stays else _new()
            # Scores with learned ones beside them, such as a sink, compare what they compared.
            asked = [known for known in provenances if not known.learned]
            streams = asked[0].streams if len(asked) == 1 else None
            return Provenance(origin, streams=streams, weights=held)
        if step.keeps_shape(out):
            return Provenance(first.origin)
        return _fresh()


def _product(step: Step, provenances: list[Provenance], out: Any) -> Provenance:
    """Return the provenance of a matrix product: scores, a weighted sum, or a layer's outputs."""
    left, right, pair = step.sides(provenances)
    held = left.weights or right.weights
    if left.weights and right.weights:
        both = tuple(dict.fromkeys((*left.weights, *right.weights)))
        for use in both:
            use.factor = True
        return _fresh(weights=both)
    if held:
        which = next(i for i, known in enumerate(provenances) if known.weights is held)
        other = right if left.weights else left
        how = sharing(step, provenances, which)
        fitting = tuple(use for use in held if how is None or use.over(how.summed))
        for use in other.sums:
            use.factor |= any(other_use.factor for other_use in held)
        if fitting and (not other.learned or all(use.among(other.origin) for use in fitting)):
            for use in other.sums:
                use.linear |= any(other_use.features for other_use in held)
            return _fresh(sums=_settled(fitting, other.origin, how))
        for use in held:
            use.goes.append(LEARNED if other.learned else "a sum over another axis")
    _join_halves(left, right, pair, out)
    one_set = left.learned and bool(left.origin & right.origin)
    if right.learned and not one_set and (not left.learned or pair[1].dim() == 2):
        return Provenance(left.origin, features=step.features(out))
    return _fresh(streams=(left.origin, right.origin))


def _cut(step: Step, provenance: Provenance, out: Any) -> None:
    """Note that only a part of a softmax's values is used, as where one is a sink logit's."""
    index = step.args[1] if step.name == "getitem" else None
    if not isinstance(index, tuple) or not index or not isinstance(index[-1], slice):
        return
    last, rank = index[-1], step.fed[0].dim()
    width = int(step.fed[0].shape[-1]) if rank else 0
    if len(index) != rank and not (len(index) == 2 and index[0] is Ellipsis):
        return
    start, stop, stride = last.indices(width)
    for use in provenance.weights:
        if use.width == width > out.shape[-1] and stride == 1:
            use.cuts.add((start, stop))
            if not use.used:  # else it may only be handed out
                use.span = (start, stop) if len(use.cuts) == 1 else None  # each weighs its own


def _join_halves(left: Provenance, right: Provenance, pair: tuple[Any, Any], out: Any) -> None:
    """Note that what sums by features are then multiplied with queries: linear attention."""
    if left.learned or right.learned or min(pair[0].dim(), pair[1].dim()) < 2:
        return
    for known, axis in ((left, -1), (right, -2)):
        for use in known.sums:
            rows = use.sharing.alone if use.sharing is not None else ()
            features = tuple(factor for factor in rows if kind_of(factor) == "feature")
            use.linear |= met(sources(known.axes[axis]), features) and out.dim() > 1


def _summed(step: Step, provenance: Provenance) -> Provenance:
    """Return the provenance of a sum of weighted values, over the softmax's axis or another."""
    over = tuple(factor for axis in gone(step) for factor in provenance.axes[axis])
    fitting = tuple(use for use in provenance.terms if use.over(over))
    rest = tuple(use for use in provenance.terms if use not in fitting)
    for use in rest:
        use.goes.append("a sum over another axis")
    sums = _settled(fitting, provenance.origin, None)
    return _fresh(terms=rest, sums=(*provenance.sums, *sums))


def _settled(
    uses: tuple[SoftmaxUse, ...], memory: frozenset[object], how: Sharing | None
) -> tuple[SoftmaxUse, ...]:
    for use in uses:
        if how is not None and (size_of(how.summed) == use.width or _weighs_rest(use, how)):
            use.span = None  # what was cut off weighs as well
            use.cuts.add((0, use.width))
        use.used, use.memory = True, use.memory or memory
        use.sharing = use.sharing or how
    return uses


def _weighs_rest(use: SoftmaxUse, how: Sharing) -> bool:
    """Say whether a second sum is over a part of the values that the first left out."""
    if not use.used or use.span is None:
        return False
    first, last = use.span
    return any(
        stop - start == size_of(how.summed) and (stop <= first or start >= last)
        for start, stop in use.cuts
    )


def _unite(provenances: list[Provenance], axes: Axes) -> None:
    """Note that several softmaxes run over one axis, where their values are combined."""
    held = [provenance for provenance in provenances if provenance.weights]
    for provenance in held if len(held) > 1 else ():
        for use in provenance.weights:
            for at in range(1, min(len(provenance.axes), len(axes)) + 1):
                if use.over(provenance.axes[-at]) and not use.over(axes[-at]):
                    use.axis = (*use.axis, *axes[-at])


def _weighs_others(step: Step, provenances: list[Provenance], held: tuple[SoftmaxUse, ...]) -> bool:
    """Say whether a multiplication weighs something that is no weight of the model."""
    if step.name not in kinds.TIMES or len(provenances) != 2:
        return False
    which = 0 if provenances[0].weights else 1
    weights, other = provenances[which].axes, provenances[1 - which]
    if other.weights or (other.learned and not all(use.among(other.origin) for use in held)):
        return False
    weighs = False
    for at in range(1, min(len(weights), len(other.axes)) + 1):
        for use in held:
            if other.axes[-at] and use.over(weights[-at]):
                weighs = True
                shared, alone = spread_out(weights, other.axes)
                use.sharing = use.sharing or Sharing(weights[-at], other.axes[-at], shared, alone)
    return weighs


#: May sum over positions, by learned numbers.
_LAYERS = kinds.LINEAR | kinds.PRODUCTS


def _lost(step: Step, provenances: list[Provenance], axes: Axes) -> bool:
    """Say whether a layer mixed positions: there are others then, be they as many."""
    data = [known for known in provenances if not known.learned]
    if len(data) != 1 or data[0].weights or step.name == "embedding":
        return False
    gone = data[0].axes[-1:] if step.name == "linear" else data[0].axes
    factors = [root(f) for axis in gone for f in axis if kind_of(f) == "position"]
    return bool(factors) and not met(factors, [root(f) for axis in axes for f in axis])


def _learned(tensor: Any) -> Axes:
    """Return the axes of a parameter or a constant: of several learned vectors, and in them."""
    shape = tensor.shape
    if len(shape) == 1:
        return (fresh(shape[0], "learned"),)
    return (
        *(fresh(size, "learned") for size in shape[:-1]),
        *(fresh(n, "feature") for n in shape[-1:]),
    )


def _new() -> frozenset[object]:
    return frozenset([object()])


def _fresh(**known: Any) -> Provenance:
    return Provenance(_new(), **known)
