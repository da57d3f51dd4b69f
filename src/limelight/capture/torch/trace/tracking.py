"""Follows what the tensors of a torch forward pass are made of.

Room: capture, torch. Comes in: every function a model calls, with what came out. Goes out:
provenances on tensors, kept beside them, that say which sequences' positions they hold and whose
weights. Nothing is kept alive: a provenance ends with its tensor.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from limelight.capture.torch.trace import functions as kinds
from limelight.capture.torch.trace import masks
from limelight.capture.torch.trace.axes import BatchAxis, fits
from limelight.capture.torch.trace.follow import axes_after
from limelight.capture.torch.trace.follow.joins import put_together
from limelight.capture.torch.trace.follow.threads import threads
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
    unknown,
)
from limelight.capture.torch.trace.provenance import Provenance, new_origin, unlike
from limelight.capture.torch.trace.uses import followed, overwritten
from limelight.capture.torch.trace.weighing import cut, product, summed, unite, weighs_others


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
            self.put(buffer, unlike(learned=not buffer.is_floating_point(), axes=axes, fixed=True))

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
            return self.put(tensor, unlike(learned=learned, mask=mask))
        axes = _learned(tensor) if learned else unknown(tensor.shape)
        return self.put(tensor, unlike(learned=learned, mask=mask, axes=axes, fixed=weight))

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
        return self.put(tensor, unlike(axes=tuple(axes), mask=mask))

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
                self.put(out, unlike(learned=True, fixed=True, axes=self._constant(out)))
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
                unite(provenances, axes)
            made = _made(step, provenances, out)
            if step.name in kinds.JOINS and put_together(step, provenances, out, axes):
                made.origin = provenances[0].origin
            if made.origin and step.name in _LAYERS and _lost(step, provenances, axes):
                made.origin = new_origin()
            made = followed(step, provenances, out, index, made)
            # Made just now, so nobody else has it: copies are dear where every function has one.
            made.axes, made.part, made.pick, made.maker = axes, part, pick, maker
            made.mask, made.fixed = mask, fixed
            self.put(out, made)


def _made(step: Step, provenances: list[Provenance], out: Any) -> Provenance:
    learned = all(provenance.learned for provenance in provenances)
    if step.name in kinds.PRODUCTS:
        provenance = product(step, provenances, out)
    elif step.name in kinds.SUMS and provenances[0].terms:
        provenance = summed(step, provenances[0])
    else:
        provenance = _carried(step, provenances, out)
    provenance.learned = learned
    return provenance


def _carried(step: Step, provenances: list[Provenance], out: Any) -> Provenance:
    full = [m for m, t in zip(provenances, step.fed, strict=True) if t.numel() == out.numel()]
    known = [provenance for provenance in full if not provenance.learned] or full or provenances[:1]
    held = tuple(dict.fromkeys(use for provenance in provenances for use in provenance.weights))
    first = provenances[0]
    if step.rearranges:
        cut(step, first, out)
        turned = step.name in kinds.TURNS or out.shape[-1:] != step.fed[0].shape[-1:]
        return replace(
            first,
            features=first.features and (not turned or step.regroups(out)),
            origin=first.origin if step.keeps_positions else new_origin(),
        )
    if step.name in kinds.ELEMENTWISE:
        features = all(provenance.features for provenance in known)
        origin = frozenset().union(*(provenance.origin for provenance in known))
        streams = next((provenance.streams for provenance in known if provenance.streams), None)
        terms = held if held and weighs_others(step, provenances, held) else ()
        terms = terms or tuple(use for provenance in provenances for use in provenance.terms)
        sums = tuple(use for provenance in provenances for use in provenance.sums)
        same = any(provenance.weights for provenance in full)
        return Provenance(origin, False, features, streams, held if same else (), terms, sums)
    if held and step.name in kinds.INVERSES:
        return unlike(weights=held)
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
        origin = frozenset().union(*(k.origin for k in filled)) if stays else new_origin()
        # Scores with learned ones beside them, such as a sink, compare what they compared.
        asked = [known for known in provenances if not known.learned]
        streams = asked[0].streams if len(asked) == 1 else None
        return Provenance(origin, streams=streams, weights=held)
    if step.keeps_shape(out):
        return Provenance(first.origin)
    return unlike()


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
