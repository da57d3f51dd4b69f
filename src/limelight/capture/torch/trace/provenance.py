"""What the tensors of a torch forward pass are made of, and where a softmax's values go.

Room: capture, torch. Comes in: every function a model calls, with what came out. Goes out: marks
on tensors, kept beside them, that say which sequences' positions they hold and whose weights.
Nothing is kept alive: a mark ends with its tensor.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field, replace
from typing import Any

from limelight.capture.torch.trace import functions as kinds
from limelight.capture.torch.trace.axes import Place, fits, moved
from limelight.capture.torch.trace.functions import Step


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
    kept : (int, int), optional
        First and last but one of the values that were used, where a learned sink's were cut off.
    """

    width: int
    features: bool
    used: bool = False
    memory: frozenset[object] = frozenset()
    goes: list[str] = field(default_factory=list)
    linear: bool = False
    kept: tuple[int, int] | None = None

    @property
    def keys(self) -> int:
        """How many of the values may weigh something."""
        return self.width if self.kept is None else self.kept[1] - self.kept[0]


@dataclass(frozen=True, eq=False)
class Mark:
    """What is known of one tensor.

    Attributes
    ----------
    origin : frozenset
        Two tensors share a member where they speak of the same positions.
    learned : bool
        Made of weights and constants alone.
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
    place : Place, optional
        Where the examples are, where known.
    """

    origin: frozenset[object]
    learned: bool = False
    features: bool = False
    streams: tuple[frozenset[object], frozenset[object]] | None = None
    weights: tuple[SoftmaxUse, ...] = ()
    terms: tuple[SoftmaxUse, ...] = ()
    sums: tuple[SoftmaxUse, ...] = ()
    place: Place | None = None


class Lineage:
    """Keeps the marks of one pass.

    Parameters
    ----------
    examples : int
        How many examples the model runs on.
    """

    def __init__(self, examples: int) -> None:
        self._examples = examples
        self._marks: dict[int, tuple[Any, Mark]] = {}

    def of(self, tensor: Any) -> Mark:
        """Return a tensor's mark, also of one never seen before.

        Parameters
        ----------
        tensor : tensor

        Returns
        -------
        Mark
        """
        kept = self._marks.get(id(tensor))
        if kept is not None and kept[0]() is tensor:
            return kept[1]
        import torch

        # Functions that cannot be looked into make tensors too, so not all that is new is a weight.
        weight = isinstance(tensor, torch.nn.Parameter)
        return self.put(tensor, _fresh(learned=weight or not tensor.is_floating_point()))

    def put(self, tensor: Any, mark: Mark) -> Mark:
        """Mark a tensor.

        Parameters
        ----------
        tensor : tensor
        mark : Mark

        Returns
        -------
        Mark
        """
        self._marks[id(tensor)] = (weakref.ref(tensor), mark)
        return mark

    def root(self, tensor: Any) -> Mark:
        """Mark an input of the model.

        Parameters
        ----------
        tensor : tensor

        Returns
        -------
        Mark
        """
        place = Place(0)
        known = fits(place, tensor.shape, self._examples)
        return self.put(tensor, _fresh(place=place if known else None))

    def follow(self, function: Any, args: Any, kwargs: dict[str, Any], result: Any) -> None:
        """Mark what a function returned.

        Parameters
        ----------
        function : callable
        args, kwargs : tuple, dict
        result : object
        """
        fed = list(kinds.tensors((args, kwargs)))
        if not fed:
            for out in kinds.tensors(result):
                self.put(out, _fresh(learned=True))
            return
        marks = [self.of(tensor) for tensor in fed]
        step = Step(kinds.name_of(function), args, kwargs, fed, function)
        if step.name == "__setitem__":
            if not all(mark.learned for mark in marks):
                self.put(fed[0], replace(marks[0], learned=False))
            return
        places = [mark.place for mark in marks]
        for out in kinds.tensors(result):
            place = moved(step, places, out, self._examples)
            self.put(out, replace(self._made(step, marks, out), place=place))

    def _made(self, step: Step, marks: list[Mark], out: Any) -> Mark:
        learned = all(mark.learned for mark in marks)
        if step.name in kinds.PRODUCTS:
            mark = _product(step, marks, out)
        elif step.name in kinds.SUMS and any(mark.terms for mark in marks):
            mark = _fresh(sums=_settled(marks[0].terms, marks[0].origin))
        else:
            mark = self._carried(step, marks, out)
        return replace(mark, learned=learned)

    def _carried(self, step: Step, marks: list[Mark], out: Any) -> Mark:
        full = [m for m, t in zip(marks, step.fed, strict=True) if t.numel() == out.numel()]
        known = [mark for mark in full if not mark.learned] or full or marks[:1]
        held = tuple(dict.fromkeys(use for mark in marks for use in mark.weights))
        first = marks[0]
        if step.rearranges:
            _cut(step, first, out)
            turned = step.name in kinds.TURNS or out.shape[-1:] != step.fed[0].shape[-1:]
            kept = replace(first, features=first.features and (not turned or step.regroups(out)))
            return kept if step.keeps_positions else replace(kept, origin=_new())
        if step.name in kinds.ELEMENTWISE:
            features = all(mark.features for mark in known)
            origin = frozenset().union(*(mark.origin for mark in known))
            streams = next((mark.streams for mark in known if mark.streams), None)
            terms = held if held and _weighs_others(step, marks, held) else ()
            terms = terms or tuple(use for mark in marks for use in mark.terms)
            sums = tuple(use for mark in marks for use in mark.sums)
            same = any(mark.weights for mark in full)
            return Mark(origin, False, features, streams, held if same else (), terms, sums)
        for use in held:
            use.goes.append(step.name)
        if step.name in kinds.LINEAR:
            place = 1 if step.name == "addmm" else 0
            return Mark(marks[min(place, len(marks) - 1)].origin, features=step.features(out))
        if step.name in kinds.JOINS:
            last = step.joins_last(out)
            origin = frozenset().union(*(mark.origin for mark in marks)) if last else _new()
            return Mark(origin, weights=held)
        if step.keeps_shape(out):
            return Mark(first.origin)
        return _fresh()


def _product(step: Step, marks: list[Mark], out: Any) -> Mark:
    """Mark a matrix product: scores, a weighted sum, or a layer's outputs."""
    left, right, pair = step.sides(marks)
    held = left.weights or right.weights
    if held:
        other, tensor = (right, pair[1]) if left.weights else (left, pair[0])
        fitting = tuple(use for use in held if use.keys in tuple(tensor.shape))
        if not other.learned and fitting:
            for use in other.sums:
                use.linear |= any(one.features for one in held)
            return _fresh(sums=_settled(fitting, other.origin))
        for use in held:
            if use.width in tuple(out.shape):
                return _fresh(weights=held)  # mixed, such as by talking heads
            use.goes.append("weighing learned vectors")
    if right.learned and (not left.learned or pair[1].dim() == 2):
        return Mark(left.origin, features=step.features(out))
    return _fresh(streams=(left.origin, right.origin))


def _cut(step: Step, mark: Mark, out: Any) -> None:
    """Note that only a part of a softmax's values is used, as where one of them is a sink's."""
    index = step.args[1] if step.name == "getitem" else None
    if not isinstance(index, tuple) or not index or not isinstance(index[-1], slice):
        return
    last, rank = index[-1], step.fed[0].dim()
    width = int(step.fed[0].shape[-1]) if rank else 0
    if len(index) != rank and not (len(index) == 2 and index[0] is Ellipsis):
        return
    start, stop, stride = last.indices(width)
    for use in mark.weights:
        if use.width == width > out.shape[-1] and stride == 1:
            use.kept = (start, stop)


def _settled(uses: tuple[SoftmaxUse, ...], memory: frozenset[object]) -> tuple[SoftmaxUse, ...]:
    for use in uses:
        use.used, use.memory = True, use.memory or memory
    return uses


def _weighs_others(step: Step, marks: list[Mark], held: tuple[SoftmaxUse, ...]) -> bool:
    """Say whether a multiplication weighs something that is no weight of the model."""
    others = [t for t, m in zip(step.fed, marks, strict=True) if not m.weights and not m.learned]
    widths = {use.width for use in held}
    return step.name in kinds.TIMES and any(widths & set(t.shape) for t in others)


def _new() -> frozenset[object]:
    return frozenset([object()])


def _fresh(**known: Any) -> Mark:
    return Mark(_new(), **known)
