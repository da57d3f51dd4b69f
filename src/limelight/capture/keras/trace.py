"""What one forward pass of a Keras model did.

Room: capture, Keras. Comes in: calls, softmaxes and other operations, one by one, from whatever
watches them on a framework. Goes out: a :class:`Trace`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    """

    call: Call | None
    logits: Any
    weights: Any
    axes: int = 1
    used: bool = False
    partners: list[tuple[int, ...]] = field(default_factory=list)
    factored: Callable[[], Factors] | None = None
    products: list[tuple[Any, Any]] = field(default_factory=list)


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

    def add(self, softmax: Softmax, *outputs: Any) -> Softmax:
        """Note a softmax, and the tensors that hold its values.

        Parameters
        ----------
        softmax : Softmax
        *outputs : tensor
            What the model got; other than ``weights`` where its axes lie elsewhere.

        Returns
        -------
        Softmax
            The one given.
        """
        self.softmaxes.append(softmax)
        for tensor in (softmax.weights, *outputs):
            self.aliases[id(tensor)] = softmax
            self.tensors.append(tensor)
        return softmax

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
