"""Keeps what a pass computed around its softmaxes, so that it can be compared with what is shown.

Room: capture, torch. Comes in: the events of a pass, as to the recorder. Goes out: beside the
trace, each softmax's own weights and what they were multiplied with. Costs memory, so captures do
without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from limelight.capture.torch.intercept.modes import Attend, Event, Op, intercepted
from limelight.capture.torch.trace import functions as torch_functions
from limelight.capture.torch.trace.recorder import SoftmaxCall, Trace, _Recorder
from limelight.capture.torch.trace.vectors import array


@dataclass(eq=False)
class Computed:
    """What a model computed around one softmax.

    Attributes
    ----------
    weights : tensor, optional
        What its softmax returned; None of an attention whose kernel forms none.
    products : list of (array, array)
        What the weights were multiplied with, and what came out.
    """

    weights: Any = None
    products: list[tuple[Any, Any]] = field(default_factory=list)


def examined(
    model: Any,
    forward: Callable[[], Any],
    inputs: Iterable[Any],
    examples: int,
    axes: Sequence[int | None] | None = None,
) -> tuple[Trace, dict[SoftmaxCall, Computed]]:
    """Run a model and record every attention and softmax, and what was computed around them.

    Parameters
    ----------
    model : torch.nn.Module
    forward : callable
    inputs : iterable of tensor
    examples : int
    axes : sequence of (int or None), optional
        As for :func:`~limelight.capture.torch.trace.recorder.watched`.

    Returns
    -------
    Trace
    dict of SoftmaxCall to Computed
    """
    examiner = _Examiner(list(inputs), examples, None, axes)
    with intercepted(model, examiner) as stack:
        examiner.trace.stack = stack
        forward()
    return examiner.trace, examiner.computed


class _Examiner(_Recorder):
    """The recorder, with a memory for values."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.computed: dict[SoftmaxCall, Computed] = {}
        self._by_use: dict[int, Computed] = {}
        self._factors: dict[int, tuple[Any, Any]] = {}  # products that are to be summed yet

    def __call__(self, event: Event, run: Callable[[], Any]) -> Any:
        if self._busy:
            return run()
        before = len(self.trace.softmax_calls)
        weighed = self._weighed(event) if isinstance(event, Op) else []
        result = super().__call__(event, run)
        self._busy = True
        try:
            if isinstance(event, Op):
                self._multiplied(event, weighed, result)
            elif len(self.trace.softmax_calls) > before:
                self._ran(event, self.trace.softmax_calls[-1], result)
        finally:
            self._busy = False
        return result

    def _ran(self, event: Any, softmax_call: SoftmaxCall, result: Any) -> None:
        made = self.computed[softmax_call] = Computed()
        outputs = list(torch_functions.tensors(result))
        if not outputs:
            return
        if isinstance(event, Attend):
            # Beside a grouped key head stand several of the queries'.
            values = event.value
            axis = values.dim() - (2 if event.heads_last else 3)
            queries = event.query.shape[axis] if values.dim() > 2 else 1
            heads = values.shape[axis] if values.dim() > 2 else 1
            if 0 < heads < queries and queries % heads == 0:
                values = values.repeat_interleave(queries // heads, dim=axis)
            made.products.append((_copied(values), _copied(outputs[0])))
            return
        made.weights = outputs[0].detach().clone()
        if softmax_call.use is not None:
            self._by_use[id(softmax_call.use)] = made

    def _weighed(self, event: Op) -> list[tuple[Computed, Any]]:
        """Return the softmaxes that an operation multiplies with others, and those others."""
        name = torch_functions.name_of(event.function)
        if name in torch_functions.SUMS:
            pairs = []
            for tensor in torch_functions.tensors((event.args, event.kwargs)):
                known = self._factors.get(id(tensor))
                if known is not None:
                    pairs.append(known)
            return pairs
        if name not in torch_functions.PRODUCTS and name not in torch_functions.TIMES:
            return []
        fed = list(torch_functions.tensors((event.args, event.kwargs)))
        uses = [self._tracker.of(tensor).weights for tensor in fed]
        return [
            (self._by_use[id(use)], other)
            for index, held in enumerate(uses)
            for use in held
            for at, other in enumerate(fed)
            if at != index and id(use) in self._by_use
        ]

    def _multiplied(self, event: Op, weighed: list[tuple[Computed, Any]], result: Any) -> None:
        outputs = list(torch_functions.tensors(result))
        if not weighed or not outputs:
            return
        summed = torch_functions.name_of(event.function) not in torch_functions.TIMES
        for made, values in weighed:
            if summed:
                made.products.append((_copied(values), _copied(outputs[0])))
            else:
                self._factors[id(outputs[0])] = (made, values)


def _copied(tensor: Any) -> Any:
    solid, _ = torch_functions.solid(tensor.detach())
    return array(solid)
