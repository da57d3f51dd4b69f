"""Tells which softmaxes of a Keras forward pass are attention.

Room: capture, Keras. Comes in: a trace. Goes out: a :class:`Site` for
each that is, and for each that is not, why.

Keras' own attention layers always are. A layer that only computes a softmax (``Activation``,
``Softmax``, a ``Lambda``), and a custom layer that forms one inside ``call``, are when the softmax
runs over positions (its width is the length of a sequence the layer was given) and its values are
used in a further computation. A classifier's or a router's softmax runs over classes or experts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from limelight.capture.axes.roles import Reading, over_features, read
from limelight.capture.keras.listen.arguments import (
    lengths,
    loop_around,
    query_and_key,
    sequences,
    tensors,
    within,
)
from limelight.capture.keras.listen.provenance import ProvenanceTracker
from limelight.capture.keras.recognise.lengths import (
    attention_layers,
    class_layers,
    foreign_batch,
    form_of,
    is_container,
    is_only_softmax,
)
from limelight.capture.keras.trace import Call, Softmax, Trace

_BY_LENGTH = "its axes could not be followed; they were told apart by their lengths"


@dataclass(frozen=True)
class Site:
    """A softmax that is attention, still as tensors.

    Attributes
    ----------
    softmax_call : Softmax
    owner : Call
        The call of the module it belongs to.
    operation : keras.Operation
        That module.
    kind : str
    order : tuple of int
        Axes of the softmax in the order example, heads…, queries…, keys….
    queries : int
        How many of them are queries.
    query, key : tensor or None
        What queries and keys were made of, where known.
    reading : Reading, optional
        What its axes count, where that was followed; it then stands for ``order`` and ``queries``.
    note : str
        How its axes were read, where another reading remains.
    """

    softmax_call: Softmax
    owner: Call
    operation: Any
    kind: str
    order: tuple[int, ...]
    queries: int
    query: Any = None
    key: Any = None
    reading: Reading | None = None
    note: str = ""


class Recogniser:
    """Tells which softmaxes of one forward pass are attention.

    Parameters
    ----------
    trace : Trace
    tracker : ProvenanceTracker
    examples : int
        How many examples ran.
    inputs : list of tensor
        What the model was called with.
    """

    def __init__(
        self, trace: Trace, tracker: ProvenanceTracker, examples: int, inputs: list[Any]
    ) -> None:
        self._trace = trace
        self._tracker = tracker
        self.examples = examples
        self._lengths = lengths(inputs, also_ids=True)
        for call in trace.calls:
            self._lengths |= lengths(tensors((call.args, call.kwargs, call.outputs)))

    def owner(self, softmax_call: Softmax) -> tuple[Call | None, Any]:
        """Return the call a softmax belongs to, and the module that is named after it."""
        import keras

        call = softmax_call.call
        while (
            call is not None
            and call.parent is not None
            and is_only_softmax(call.operation)
            and not isinstance(call.parent.operation, keras.Model)
        ):
            call = call.parent
        operation = None if call is None else call.operation
        if isinstance(operation, keras.layers.TimeDistributed):
            operation = operation.layer  # it runs its layer's ``call`` itself
        return call, operation

    def classifies(self, softmax_call: Softmax) -> bool:
        """Say whether a softmax is a classifier's: a dense layer's outputs, used for nothing.

        Parameters
        ----------
        softmax_call : Softmax

        Returns
        -------
        bool
        """
        import keras

        _, operation = self.owner(softmax_call)
        dense = isinstance(operation, (keras.layers.Dense, keras.layers.EinsumDense))
        width = int(softmax_call.weights.shape[-1])
        return not softmax_call.used and (dense or self._comes_from_classes(softmax_call, width))

    def __call__(
        self, softmax_call: Softmax, forced: bool, meant: tuple[str | None, ...] | None = None
    ) -> Site | str:
        """Say whether a softmax is attention.

        Parameters
        ----------
        softmax_call : Softmax
        forced : bool
            Whether the user said it is.
        meant : tuple of (str or None), optional
            What the user said its axes are.

        Returns
        -------
        Site or str
            Why it is none.
        """
        owner, operation = self.owner(softmax_call)
        if owner is None:
            return "it ran outside any layer"
        built_in = isinstance(operation, attention_layers())
        alone = not built_in and (
            is_only_softmax(operation) or self._returns_only(owner, softmax_call)
        )
        if not built_in and not forced and meant is None:
            reason = self._refusal(softmax_call, operation, alone)
            if reason:
                return reason
        course = softmax_call.course
        reading = None if course is None else read(course, self.examples, forced, meant)
        if isinstance(reading, str):
            return reading
        if reading is not None:
            return self._followed(softmax_call, owner, operation, reading)
        if built_in:
            return self._built_in(softmax_call, owner, operation)
        return self._by_length(softmax_call, owner, operation, alone, forced)

    def _followed(
        self, softmax_call: Softmax, owner: Call, operation: Any, reading: Reading
    ) -> Site:
        """Return a site whose axes were followed."""
        query, key = query_and_key(owner)
        if reading.kind == "pooling":
            query, key = None, next(iter(sequences(owner)), None) if key is None else key
        order = tuple(range(len(softmax_call.weights.shape)))
        return Site(
            softmax_call, owner, operation, reading.kind, order, 0, query, key, reading,
            reading.note,
        )  # fmt: skip

    def _by_length(
        self, softmax_call: Softmax, owner: Call, operation: Any, alone: bool, forced: bool
    ) -> Site | str:
        """Read axes by their lengths, where they could not be followed."""
        widths = self._lengths if alone else self._lengths_of(owner)
        if loop_around(owner) is not None:
            # A decoder's step attends to a memory it was not handed in this call.
            widths = widths | {shape[1] for shape in softmax_call.partners if len(shape) == 3}
        shape = tuple(softmax_call.weights.shape)
        form = form_of(shape, self.examples, widths, forced)
        if isinstance(form, str):
            return form
        order, queries = form
        if softmax_call.course is not None and over_features(softmax_call.course):
            return Site(softmax_call, owner, operation, "feature", order, queries, note=_BY_LENGTH)
        if not forced and alone and queries and self._comes_from_classes(softmax_call, shape[-1]):
            return "its logits are a dense layer's outputs"
        if not queries or shape[order[-2]] == 1:
            key = next(iter(sequences(owner)), None)
            return Site(softmax_call, owner, operation, "pooling", order, queries, key=key,
                        note=_BY_LENGTH)  # fmt: skip
        query, key, kind = self._relation(softmax_call, owner, alone, shape[order[-2]] == shape[-1])
        return Site(softmax_call, owner, operation, kind, order, queries, query, key,
                    note=_BY_LENGTH)  # fmt: skip

    def _built_in(self, softmax_call: Softmax, owner: Call, operation: Any) -> Site | str:
        shape = tuple(softmax_call.weights.shape)
        if shape[0] != self.examples:
            return foreign_batch(shape, self.examples)
        query, key = query_and_key(owner)
        rank, axes = len(shape), softmax_call.axes
        same = query is not None and key is not None and self._tracker.same_positions(query, key)
        kind = "self" if same else "cross"
        if all(size == 1 for size in shape[rank - 2 * axes : rank - axes]):
            kind = "pooling" if any(size > 1 for size in shape[rank - axes :]) else kind
        return Site(softmax_call, owner, operation, kind, tuple(range(rank)), axes, query, key)

    def _refusal(self, softmax_call: Softmax, operation: Any, alone: bool) -> str | None:
        import keras

        layers = keras.layers
        kind = type(operation).__name__
        of_keras = type(operation).__module__.startswith("keras.")
        if of_keras and not alone and not isinstance(operation, (layers.Lambda, keras.Model)):
            return f"a {kind} layer's softmax is its own output"
        if alone and isinstance(operation, (layers.Dense, layers.EinsumDense)):
            return f"a {kind} layer's softmax is its own output"
        if not softmax_call.used:
            return "nothing is computed from it: it is an output"
        return None

    def _returns_only(self, owner: Call, softmax_call: Softmax) -> bool:
        returned = tensors(owner.outputs)
        return bool(returned) and all(
            self._trace.aliases.get(id(t)) is softmax_call for t in returned
        )

    def _comes_from_classes(self, softmax_call: Softmax, width: int) -> bool:
        """Say whether a lone softmax's logits come straight from a layer with that many outputs."""
        import keras

        layers = keras.layers
        through = (
            layers.Activation, layers.Dropout, layers.Flatten, layers.Lambda, layers.Masking,
            layers.Permute, layers.Reshape, layers.Softmax, layers.TimeDistributed,
        )  # fmt: skip
        maker = self._tracker.behind(softmax_call.logits, through)
        if maker is None or not isinstance(maker.operation, class_layers()):
            return False
        return any(t.shape[-1] == width for t in tensors(maker.outputs))

    def _lengths_of(self, owner: Call) -> set[int]:
        """Return how long the sequences are that a call was given, or that arose inside it."""
        widths: set[int] = set()
        for tensor in sequences(owner):
            shape = [int(size) for size in tensor.shape]
            widths.update(shape[1:-1] if len(shape) > 2 else shape[1:])
            if len(shape) == 4:
                widths.add(shape[1] * shape[2])
        for call in self._trace.calls:
            if within(call, owner):
                widths |= lengths(tensors(call.outputs))
        return widths

    def _relation(
        self, softmax_call: Softmax, owner: Call, alone: bool, square: bool
    ) -> tuple[Any, Any, str]:
        """Find what queries and keys were made of, and whether it is the same."""
        if alone:
            import keras

            scale = (keras.layers.Rescaling, keras.layers.Lambda, keras.layers.Activation)
            maker = self._tracker.behind(softmax_call.logits, scale)
            fed = [] if maker is None else tensors((maker.args, maker.kwargs))
            if maker is None or len(fed) < 2:
                return None, None, "self" if square else "cross"
            same = self._tracker.same_positions(fed[0], fed[1])
            return fed[0], fed[1], "self" if same else "cross"
        query, key = query_and_key(owner)
        if not square:
            return query, key, "cross"
        call: Call | None = owner
        while call is not None and not is_container(call.operation):
            query, key = query_and_key(call)
            if query is not None and self._tracker.same_positions(query, key):
                return query, key, "self"
            call = call.parent
        single = is_container(owner.operation) and len(sequences(owner)) <= 1
        query, key = query_and_key(owner)
        return query, key, "self" if single or query is None else "cross"
