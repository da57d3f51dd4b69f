"""A plain run of a torch model, remembered: what its modules returned, and where it attends.

Room: capture, torch. Comes in: a model and a call of it. Goes out: :class:`Replay`. Where a model
attends is found once for inputs of one shape; later runs only make sure that it is still so.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from limelight.capture.recognition import Choice
from limelight.capture.torch import names as torch_names
from limelight.capture.torch.gates.discovery import Key, Site, Turns, dry_run, tensors_in
from limelight.capture.torch.intercept.modes import Attend, Event, Op, intercepted
from limelight.errors import GateError

_PLAIN = (type(None), bool, int, float, str)


@dataclass(eq=False)
class Done:
    """One call of a module that is over.

    Attributes
    ----------
    outputs : object
    began, ended : int
    clean : bool
        Whether it wrote to nothing it was given, and nobody wrote to what it returned.
    """

    outputs: Any
    began: int
    ended: int
    clean: bool


@dataclass(eq=False)
class Replay:
    """What a plain run left.

    Attributes
    ----------
    sites : dict of Key to Site
    events : dict of Key to int
        When each attention and softmax was.
    started : dict of str to int
        When each site attended first.
    calls : dict of module to list of Done
    returned : dict of Key to tensor
        What each scaled dot-product attention returned.
    outputs : object
        What the model returned.
    """

    sites: dict[Key, Site] = field(default_factory=dict)
    events: dict[Key, int] = field(default_factory=dict)
    started: dict[str, int] = field(default_factory=dict)
    calls: dict[Any, list[Done]] = field(default_factory=dict)
    returned: dict[Key, Any] = field(default_factory=dict)
    outputs: Any = None

    def begun(self, start: int) -> dict[Key, Any]:
        """Return what the attentions of that moment returned; a loop's later steps may change."""
        first = {key for key in self.sites if self.events[key] == start}
        return {key: self.returned[key] for key in first if key in self.returned}

    def over(self, start: int) -> dict[Any, Any]:
        """Return each outermost module that was done by then, and what it returned."""
        done = {
            module: calls[0]
            for module, calls in self.calls.items()
            if len(calls) == 1 and calls[0].clean and calls[0].ended < start
        }
        spans = [(call.began, call.ended) for call in done.values()]
        return {
            module: call.outputs
            for module, call in done.items()
            if not any(began < call.began and call.ended < ended for began, ended in spans)
        }


def recorded(
    model: Any,
    inputs: Any,
    run: Callable[[], Any],
    choice: Choice = Choice(),  # noqa: B008
) -> Replay:
    """Run a model plainly and remember what its modules returned.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : object
    run : callable
    choice : Choice
        What the user decided on.

    Returns
    -------
    Replay

    Raises
    ------
    GateError
        If the run changed the model's state.
    """
    replay, clock = Replay(), count()
    begun: list[tuple[int, list[tuple[Any, int]], bool]] = []
    returned: list[tuple[Done, list[tuple[Any, int]]]] = []

    def before(module: Any, args: Any, kwargs: Any) -> None:  # noqa: ARG001
        begun.append((next(clock), _versions((args, kwargs)), _simple((args, kwargs))))

    def after(module: Any, args: Any, kwargs: Any, outputs: Any) -> None:  # noqa: ARG001
        began, versions, simple = begun.pop()
        clean = simple and _simple(outputs) and all(t._version == v for t, v in versions)
        done = Done(outputs, began, next(clock), clean)
        replay.calls.setdefault(module, []).append(done)
        returned.append((done, _versions(outputs)))

    def met(key: Key, out: Any) -> None:
        replay.events[key] = next(clock)
        if out is not None:
            replay.returned[key] = out

    state = [(tensor, tensor._version) for tensor in [*model.buffers(), *model.parameters()]]
    with ExitStack() as undo:
        for module in model.modules():
            pre = module.register_forward_pre_hook(before, with_kwargs=True)
            post = module.register_forward_hook(after, with_kwargs=True)
            undo.callback(pre.remove)
            undo.callback(post.remove)
        known = _known.setdefault(model, {})
        signature = _signature(model, inputs, choice)
        if signature in known:
            replay.outputs = _run_again(model, run, met)
            replay.sites = known[signature][1]
        else:
            replay.sites, replay.outputs = dry_run(model, inputs, run, met, choice)
    keys = tuple(replay.events)
    if known.setdefault(signature, (keys, replay.sites))[0] != keys:
        known.pop(signature)  # it went another way than before: look anew
        return recorded(model, inputs, run, choice)
    if any(tensor._version != version for tensor, version in state):
        raise GateError(
            f"Got a {type(model).__name__} whose forward pass changes its own state.",
            "Wanted one that computes the same each time.",
            "Run it under limelight.gate once for each gating.",
        )
    for done, versions in returned:
        done.clean = done.clean and all(t._version == version for t, version in versions)
    for key, site in replay.sites.items():
        moment = replay.events[key]
        replay.started[site.name] = min(moment, replay.started.get(site.name, moment))
    return replay


#: Of each model, by shapes: what attends, in order, and which of it are sites.
_known: weakref.WeakKeyDictionary[Any, dict[Any, tuple[tuple[Key, ...], dict[Key, Site]]]] = (
    weakref.WeakKeyDictionary()
)
#: Of a model that is called with ever other shapes, not all are kept.
_MOST_SHAPES = 64


def _signature(model: Any, inputs: Any, choice: Choice) -> Any:
    """Return what decides where a model attends: its modules, sizes of all, what a user says."""
    known = _known.setdefault(model, {})
    if len(known) > _MOST_SHAPES:
        known.clear()
    return (
        tuple((tuple(tensor.shape), tensor.dtype) for tensor in tensors_in(inputs)),
        tuple((path, type(module)) for module, path in torch_names.paths(model)),
        tuple(tuple(parameter.shape) for parameter in model.parameters()),
        getattr(getattr(model, "config", None), "_attn_implementation", ""),
        repr(choice),
    )


def _run_again(model: Any, run: Callable[[], Any], met: Callable[[Key, Any], None]) -> Any:
    """Run a model whose sites are known, and note only when each attends."""
    turns, busy = Turns(), False

    def noting(event: Event, go: Callable[[], Any]) -> Any:
        nonlocal busy
        if busy or event.call is None or isinstance(event, Op):
            return go()
        key = turns.next(event.call)
        busy = True
        try:
            out = go()
        finally:
            busy = False
        met(key, out if isinstance(event, Attend) and not isinstance(out, tuple) else None)
        return out

    with intercepted(model, noting):
        return run()


def _versions(value: Any) -> list[tuple[Any, int]]:
    return [(t, t._version) for t in tensors_in(value) if not t.is_inference()]


def _simple(value: Any) -> bool:
    """Whether a value holds tensors and constants only, and no cache that is written to."""
    import torch

    if isinstance(value, (*_PLAIN, torch.Tensor, torch.dtype, torch.device)):
        return True
    if isinstance(value, Mapping):
        return all(map(_simple, value.values()))
    return isinstance(value, (list, tuple)) and all(map(_simple, value))
