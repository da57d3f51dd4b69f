"""What one forward pass of a Keras model did.

Room: capture, Keras. Comes in: calls, softmaxes and other operations, one by one, from whatever
watches them on a framework. Goes out: a :class:`Trace`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from limelight.capture.axes.course import Course
from limelight.capture.axes.flow import Flow
from limelight.factors import Factors


@dataclass(eq=False)
class Call:
    """One call of a layer, or of an operation in a functional graph.

    Attributes
    ----------
    operation : keras.Operation
    parent : Call or None
        The call it was made in.
    args, kwargs : tuple, dict
        As the caller gave them.
    filled : dict
        Keyword arguments after Keras added masks.
    outputs : object
        What it returned; None while it runs, or when it raised.
    """

    operation: Any
    parent: Call | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    filled: dict[str, Any] = field(default_factory=dict)
    outputs: Any = None


@dataclass(eq=False)
class Softmax:
    """One softmax that ran.

    Attributes
    ----------
    call : Call or None
        The innermost call it ran in.
    logits, weights : tensor
        Before and after; the softmax runs over the last ``axes`` axes. Of a softmax that is
        ``factored`` they have a shape and no values.
    axes : int
    used : bool
        Whether its values went into another computation.
    partners : list of tuple
        Shapes of what its values were combined with there.
    factored : callable, optional
        Gives the weights as :class:`~limelight.factors.Factors`, with axes as in ``weights``.
    products : list of (tensor, tensor)
        What its values were combined with and what came out, where that is examined.
    course : Course, optional
        What its axes count, and what became of its weights.
    values : tensor, optional
        What a kernel weighed, that keeps its weights to itself.
    line : int
        The same for softmaxes that the same line of the model's code ran.
    log : bool
        Whether ``weights`` are their logarithm still.
    """

    call: Call | None
    logits: Any
    weights: Any
    axes: int = 1
    used: bool = False
    partners: list[tuple[int, ...]] = field(default_factory=list)
    factored: Callable[[], Factors] | None = None
    products: list[tuple[Any, Any]] = field(default_factory=list)
    course: Course | None = None
    values: Any = None
    line: int = 0
    log: bool = False


@dataclass(eq=False)
class Trace:
    """What one forward pass did, in order. Holds every tensor, so that ids stay unique.

    Attributes
    ----------
    calls : list of Call
    softmaxes : list of Softmax
    hidden : int
        Calls of compiled functions, and softmaxes inside a graph: neither shows its values.
    aliases : dict of int to Softmax
        ``id`` of each tensor that holds a softmax's values.
    same : dict of int to tensor
        ``id`` of a tensor that only rearranges another's values, to that other.
    tensors : list
        Tensors whose ids are known here.
    muted : bool
        True while something runs that is not to be listened to.
    examined : bool
        Whether what softmaxes are combined with is kept.
    terms : dict of int to list of (Softmax, tensor)
        ``id`` of what came out, to the softmax and what it was combined with.
    flow : Flow
        What is known of the tensors.
    equations : list of int
        Which steps of traced programs are running, innermost last.
    """

    calls: list[Call] = field(default_factory=list)
    softmaxes: list[Softmax] = field(default_factory=list)
    hidden: int = 0
    aliases: dict[int, Softmax] = field(default_factory=dict)
    same: dict[int, Any] = field(default_factory=dict)
    tensors: list[Any] = field(default_factory=list)
    muted: bool = False
    examined: bool = False
    terms: dict[int, list[tuple[Softmax, Any]]] = field(default_factory=dict)
    flow: Flow = field(default_factory=Flow)
    equations: list[int] = field(default_factory=list)

    def note(self, softmax: Softmax) -> None:
        """Note a softmax, and which line of code it ran on.

        Parameters
        ----------
        softmax : Softmax
        """
        softmax.line = hash((_line(), *self.equations))
        self.softmaxes.append(softmax)

    def add(self, softmax: Softmax, *outputs: Any, moved: Sequence[int] | None = None) -> Softmax:
        """Note a softmax, and the tensors that hold its values.

        Parameters
        ----------
        softmax : Softmax
        *outputs : tensor
            What the model got; other than ``weights`` where its axes lie elsewhere.
        moved : sequence of int, optional
            The order of its axes that makes ``weights`` of it.

        Returns
        -------
        Softmax
            The one given.
        """
        self.note(softmax)
        for tensor in (softmax.weights, *outputs):
            self.aliases[id(tensor)] = softmax
            self.tensors.append(tensor)
        result = outputs[-1] if outputs else softmax.weights
        order = range(len(result.shape)) if moved is None else moved
        softmax.course = self.flow.softmax(result, order, softmax.axes, softmax.log)
        return softmax

    def drop_logarithms(self) -> None:
        """Forget logarithms of softmaxes of which no weights were made: losses and outputs."""
        self.softmaxes = [
            softmax for softmax in self.softmaxes
            if not softmax.log or (softmax.course is not None and softmax.course.raised)
        ]  # fmt: skip

    def rearranged(self, inputs: Sequence[Any], output: Any) -> None:
        """Note that a tensor holds another's values in another form or precision.

        Parameters
        ----------
        inputs : sequence of tensor
            The first holds the values.
        output : tensor
        """
        source = inputs[0]
        if output is source:
            return
        self.chosen(inputs, output)
        self.same[id(output)] = source

    def chosen(self, inputs: Sequence[Any], output: Any) -> None:
        """Note that a tensor holds some of the values of several others, position by position.

        Parameters
        ----------
        inputs : sequence of tensor
        output : tensor
        """
        for tensor in inputs:
            softmax_call = self.aliases.get(id(tensor))
            if softmax_call is not None:
                self.aliases[id(output)] = softmax_call
        self.tensors.append(output)

    def computed(self, inputs: Sequence[Any], output: Any = None) -> None:
        """Note that something was computed from tensors.

        Parameters
        ----------
        inputs : sequence of tensor
        output : tensor, optional
        """
        if self.examined and output is not None:
            self._multiplied(inputs, output)
        for tensor in inputs:
            softmax_call = self.aliases.get(id(tensor))
            if softmax_call is not None:
                softmax_call.used = True
                softmax_call.partners += [tuple(t.shape) for t in inputs if t is not tensor]

    def _multiplied(self, inputs: Sequence[Any], output: Any) -> None:
        """Keep what softmaxes are combined with, also where that is summed only afterwards."""
        for tensor in inputs:
            softmax_call = self.aliases.get(id(tensor))
            terms = self.terms.get(id(tensor), [])
            if softmax_call is not None:
                terms = [(softmax_call, other) for other in inputs if other is not tensor]
                self.terms[id(output)] = terms
            for combined, other in terms:
                combined.products.append((other, output))
        self.tensors.append(output)


@cache
def _frameworks() -> tuple[str, ...]:
    """Return the folders whose files are no part of a model's code."""
    names = ("keras", "tensorflow", "jax", "torch")
    files = [getattr(sys.modules.get(name), "__file__", None) for name in names]
    return (str(Path(__file__).parents[2]), *(str(Path(file).parent) for file in files if file))


def _line() -> int:
    """Return a number for the instruction of the model's code that runs, and all that led to it."""
    steps = []
    frame: Any = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_frameworks()):
            steps.append((code.co_filename, code.co_firstlineno, frame.f_lasti))
        frame = frame.f_back
    return hash(tuple(steps))
