"""Watches one pass of a torch model: the interceptor that records.

Room: capture, torch. Comes in: a model and a function that runs it. Goes out: a :class:`Trace` of
every attention and softmax, in order, with what is needed to recognise and to read them later.
Nothing of the model's is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from limelight.capture.torch.intercept.lines import line_of
from limelight.capture.torch.intercept.modes import (
    Attend,
    Call,
    Event,
    Op,
    Softmax,
    Stack,
    intercepted,
)
from limelight.capture.torch.trace import functions as torch_functions
from limelight.capture.torch.trace import masks
from limelight.capture.torch.trace.after import begun
from limelight.capture.torch.trace.assigning import roles_of
from limelight.capture.torch.trace.follow.threads import Part
from limelight.capture.torch.trace.kinds import related, worded
from limelight.capture.torch.trace.labels import Axes
from limelight.capture.torch.trace.masks import handed
from limelight.capture.torch.trace.provenance import Provenance, SoftmaxUse
from limelight.capture.torch.trace.roles import Roles
from limelight.capture.torch.trace.scores import (
    alike,
    apart,
    attended,
    labelled,
    mapped,
    over_features,
    scored,
    square,
)
from limelight.capture.torch.trace.spoken import SpokenIds
from limelight.capture.torch.trace.tracking import ProvenanceTracker
from limelight.capture.torch.trace.vectors import Rules, Vectors, vectors_of
from limelight.capture.validity import MaskedBy, joint
from limelight.capture.wording import Ids

#: Sum over groups that an index names, as over the edges that end in one node of a graph.
_GROUPED = frozenset(("scatter_add", "scatter_reduce", "index_add", "index_reduce",
                      "segment_reduce"))  # fmt: skip


class CallSite(NamedTuple):
    """Where an attention or softmax happens; the same in every pass of a model.

    Attributes
    ----------
    path : str
        Of the module it belongs to; ``""`` for the model itself.
    turn : int
        How many calls of that module came before, in the same call of the model.
    ordinal : int
        How many attentions and softmaxes came before in the same call of the module.
    """

    path: str
    turn: int
    ordinal: int


class CallSites:
    """Tells of each event where it happens; one for each pass."""

    def __init__(self) -> None:
        self._counts: dict[Call | None, int] = {}

    def of(self, event: Attend | Softmax) -> tuple[CallSite, Call | None]:
        """Return the call_site of the next event, and the call it belongs to.

        Parameters
        ----------
        event : Attend or Softmax
            Each one must be asked about, in order.

        Returns
        -------
        CallSite
        Call or None
        """
        call = owner_of(event.call)
        index = self._counts.get(call, 0)
        self._counts[call] = index + 1
        return CallSite(call.path if call else "", call.turn if call else 0, index), call


def owner_of(call: Call | None) -> Call | None:
    """Return the call a softmax belongs to: a module that only takes one is part of another.

    Parameters
    ----------
    call : Call or None

    Returns
    -------
    Call or None
    """
    while call is not None and call.parent is not None and _only_softmax(call.module):
        call = call.parent
    return call


@dataclass(eq=False)
class SoftmaxCall:
    """One attention or softmax that ran.

    Attributes
    ----------
    call_site : CallSite
    number : int
        Which call of the model it ran in.
    module : torch.nn.Module or None
    kind : str
        ``self`` or ``cross``, by what its queries and keys are made of.
    dtype : str
    query_words, key_words : int, optional
        Which of the model's inputs its positions are those of; -1 where it is not known that they
        are of another.
    ids : Ids, optional
        That its queries stand for, where a module around it was called with them.
    lengths : frozenset of int
        How long the sequences are that its module was given.
    batch : int, optional
        How many rows it had, where its first axis is surely the batch.
    vectors : Vectors, optional
        Of an attention.
    logits, axis : tensor, int
        Of a softmax.
    use : SoftmaxUse, optional
        What became of a softmax's values.
    memory : frozenset
        Origin of an attention's values.
    line : int
        Which line of the model's code it is, with all lines that led there.
    axes : tuple of Axis, optional
        What each axis of the scores is made of, the softmax's among them; None where unknown.
    part : tuple, optional
        Which of the examples it is of, where not of all.
    learned : bool
        Whether its scores depend on no input.
    attends : bool
        Whether it is a scaled dot-product attention, not a softmax.
    roles : Roles, optional
        What its axes were recognised as.
    masked_by : str
        What decides which keys may be attended to.
    """

    call_site: CallSite
    number: int
    module: Any
    kind: str
    dtype: str
    query_words: int | None = -1
    key_words: int | None = -1
    ids: Ids | None = None
    lengths: frozenset[int] = frozenset()
    batch: int | None = None
    vectors: Vectors | None = None
    logits: Any = None
    axis: int = -1
    use: SoftmaxUse | None = None
    memory: frozenset[object] = frozenset()
    line: int = 0
    axes: Axes | None = None
    part: Part | None = None
    learned: bool = False
    attends: bool = False
    roles: Roles | None = None
    masked_by: MaskedBy = "unknown"

    @property
    def batch_axis(self) -> Any:
        """Where in the scores the examples are, where known."""
        return None if self.axes is None else labelled(self.axes)


@dataclass(eq=False)
class Trace:
    """What one pass did.

    Attributes
    ----------
    softmax_calls : list of SoftmaxCall
        In the order they ran.
    stack : Stack
    opaque : dict of str to str
        Kernels that compute attention but show none, and the module each ran in.
    grouped : dict of str to str
        Functions that sum over groups which an index names, and the module each ran in.
    inputs : list of tuple of Axis
        What the axes of each input count.
    worded : tuple of int
        Which inputs bear words.
    """

    softmax_calls: list[SoftmaxCall] = field(default_factory=list)
    stack: Stack = field(default_factory=Stack)
    opaque: dict[str, str] = field(default_factory=dict)
    grouped: dict[str, str] = field(default_factory=dict)
    inputs: list[Axes] = field(default_factory=list)
    worded: tuple[int, ...] = ()


def watched(
    model: Any,
    forward: Callable[[], Any],
    inputs: Iterable[Any],
    examples: int,
    rows: Sequence[int] | None = None,
    axes: Sequence[int | None] | None = None,
    worded: Sequence[int] = (),
) -> tuple[Trace, Any]:
    """Run a model and record every attention and softmax.

    Parameters
    ----------
    model : torch.nn.Module
    forward : callable
        Runs it; decides about gradients and training mode itself.
    inputs : iterable of tensor
        What it is run on.
    examples : int
        How many examples they hold.
    rows : sequence of int, optional
        Which of them are wanted.
    axes : sequence of (int or None), optional
        On which axis of each input the examples lie, None where all share it; by default the first.
    worded : sequence of int
        Which inputs bear words; none, and nothing is asked of them.

    Returns
    -------
    Trace
    object
        What ``forward`` returned.
    """
    interceptor = _Recorder(list(inputs), examples, rows, axes, list(model.buffers()), worded)
    with intercepted(model, interceptor) as stack:
        interceptor.trace.stack = stack
        result = forward()
    return interceptor.trace, result


class _Recorder:
    """The interceptor."""

    def __init__(
        self,
        inputs: list[Any],
        examples: int,
        rows: Sequence[int] | None,
        axes: Sequence[int | None] | None = None,
        buffers: Sequence[Any] = (),
        spoken: Sequence[int] = (),
    ) -> None:
        self._rows = rows
        self._rules: Rules = {}
        self.trace = Trace()
        self._tracker = ProvenanceTracker(examples, buffers)
        pairs = zip(inputs, [0] * len(inputs) if axes is None else axes, strict=True)
        self._roots = [self._tracker.root(tensor, axis) for tensor, axis in pairs]
        self.trace.inputs = [provenance.axes for provenance in self._roots]
        self.trace.worded = tuple(spoken)
        self._inputs = inputs
        self._worded = worded(self._roots, spoken)
        self._spoken = SpokenIds(self._tracker, examples) if spoken else None
        self._examples = examples
        self._call_sites = CallSites()
        self._busy = False
        self._logits: dict[int, list[SoftmaxCall]] = {}

    def __call__(self, event: Event, run: Callable[[], Any]) -> Any:
        if self._busy:  # limelight's own computations
            return run()
        if isinstance(event, Op):
            self._spare(event)
            result = run()
            self._tracker.follow(event.function, event.args, event.kwargs, result)
            self._opaque(event)
            return result
        self._busy = True
        try:
            softmax_call = self._softmax_call(event)
            if isinstance(event, Attend):
                roles = roles_of(softmax_call, self._examples)
                softmax_call.vectors = vectors_of(
                    event, self._examples, roles, self._rows, self._rules
                )
            else:
                logits, levels = torch_functions.solid(event.logits.detach())
                softmax_call.logits, softmax_call.axis = logits, event.axis + levels
                if levels:
                    softmax_call.axes = mapped(softmax_call.axes, logits.shape, levels)
        finally:
            self._busy = False
        self.trace.softmax_calls.append(softmax_call)
        result = run()
        self._provenance(event, softmax_call, result)
        return result

    def _softmax_call(self, event: Attend | Softmax) -> SoftmaxCall:
        call_site, call = self._call_sites.of(event)
        if isinstance(event, Attend):
            sides: tuple[Any, Any] | None = (
                self._tracker.of(event.query).origin, self._tracker.of(event.key).origin
            )  # fmt: skip
            shape = (event.query.shape[-2], event.key.shape[-2])
            memory = self._tracker.of(event.value).origin
        else:
            sides, memory = self._tracker.of(event.logits).streams, frozenset()
            shape = tuple(event.logits.shape)
        first = event.query if isinstance(event, Attend) else event.logits
        axes, part, learned = self._labels(event)
        equal = square(axes, self._axis(event), shape) and not apart(axes, self._axis(event))
        same = alike(axes, self._axis(event))
        relation = related(call, sides, equal, self._tracker, same)
        return SoftmaxCall(
            call_site,
            self.trace.stack.number if call is None else call.number,
            None if call is None else call.module,
            relation.kind,
            str(first.dtype)[6:],
            self._worded(relation.query, relation.kind),
            self._worded(relation.key, relation.kind),
            None if self._spoken is None else self._spoken.of(call, relation.query),
            relation.lengths | torch_lengths(self._inputs),
            int(first.shape[0]) if first.dim() == 4 else None,
            memory=memory,
            axis=self._axis(event),
            line=line_of(_outermost(call)),
            axes=axes,
            part=part,
            learned=learned,
            attends=isinstance(event, Attend),
            masked_by=self._masked_by(event),
        )

    def _axis(self, event: Attend | Softmax) -> int:
        return -1 if isinstance(event, Attend) else event.axis

    def _labels(self, event: Attend | Softmax) -> tuple[Axes | None, Part | None, bool]:
        """Return what the axes of scores are made of, of which examples, and whether of any."""
        if isinstance(event, Softmax):
            known = self._tracker.of(event.logits)
            return known.axes, known.part, known.learned
        query, key = self._tracker.of(event.query), self._tracker.of(event.key)
        part = query.part if query.part is not None else key.part
        return scored(query, key), part, query.learned and key.learned

    def _masked_by(self, event: Attend | Softmax) -> MaskedBy:
        if isinstance(event, Softmax):
            return masks.decided_by(self._tracker.of(event.logits).mask)
        bias = event.bias
        if bias is None:
            return "constant"
        if not self._tracker.knows(bias):  # made where torch shows nothing, of what a module got
            given = [masks.mask_decided_by(m, self._tracker.of(m).mask) for m in handed(event.call)]
            if given:
                return joint(given)
        return masks.mask_decided_by(bias, self._tracker.of(bias).mask)

    def _provenance(self, event: Attend | Softmax, softmax_call: SoftmaxCall, result: Any) -> None:
        fresh = frozenset([object()])
        for out in torch_functions.tensors(result):
            if isinstance(event, Attend):
                query, value = self._tracker.of(event.query), self._tracker.of(event.value)
                axes = attended(query, value, out, event.heads_last)
                self._tracker.put(
                    out,
                    Provenance(
                        fresh,
                        softmax_call.learned and value.learned,
                        axes=axes,
                        part=softmax_call.part,
                        pick=query.pick,
                    ),
                )
                continue
            known = self._tracker.of(event.logits)
            axis = known.axes[event.axis] if known.axes else ()
            features = over_features(known, axis, event.axis == event.logits.dim() - 1)
            softmax_call.use = SoftmaxUse(
                int(event.logits.shape[event.axis]), features,
                streams=known.streams, shared=known.learned, axis=axis,
            )  # fmt: skip
            hidden = torch_functions.solid(out)[1] > 0
            after = None if hidden else begun(out.shape, event.axis)
            if after is not None and event.instead:
                after = after.done(event.instead)
            held = Provenance(
                fresh, after=after, mask=masks.CONTENT, axes=known.axes, part=known.part,
                pick=known.pick,
            )  # fmt: skip
            uses = (softmax_call.use,)
            held = replace(held, logs=uses) if event.log else replace(held, weights=uses)
            self._tracker.put(out, held)
            self._logits.setdefault(softmax_call.logits.data_ptr(), []).append(softmax_call)

    def _spare(self, event: Op) -> None:
        """Copy logits that are about to be overwritten."""
        if not event.args or not torch_functions.writes(event.function):
            return
        target = event.args[0]
        if not self._logits or not hasattr(target, "data_ptr"):
            return
        target, _ = torch_functions.solid(target)
        for softmax_call in self._logits.pop(target.data_ptr(), []):
            softmax_call.logits = softmax_call.logits.clone()

    def _opaque(self, event: Op) -> None:
        name = str(getattr(event.function, "__name__", event.function)).removesuffix(".default")
        if "attention" in name.lower() or "attn" in name.lower():
            self.trace.opaque.setdefault(name, event.call.path if event.call else "")
        if name.rstrip("_") in _GROUPED:
            self.trace.grouped.setdefault(name.rstrip("_"), event.call.path if event.call else "")


def torch_lengths(inputs: list[Any]) -> frozenset[int]:
    """Return how long the sequences among a model's inputs are.

    Parameters
    ----------
    inputs : list of tensor

    Returns
    -------
    frozenset of int
    """
    return frozenset(
        int(size)
        for tensor in inputs
        for size in (tensor.shape[1:-1] if tensor.dim() > 2 else tensor.shape[1:])
        if tensor.dim() > 2 or not tensor.is_floating_point()
    )


def _outermost(call: Call | None) -> Any:
    """Return the module that the call of the model began with."""
    while call is not None and call.parent is not None:
        call = call.parent
    return None if call is None else call.module


def _only_softmax(module: Any) -> bool:
    kind = type(module).__name__.lower()
    relative = any(name in kind for name in ("softmax", "sparsemax", "entmax"))
    return relative and not list(module.children())
