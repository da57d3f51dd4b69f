"""Runs a torch model once beforehand, to learn where its attention is and what can be gated.

Room: capture, torch. Comes in: the very call a model is about to get. Goes out: its sites. The
model is as before afterwards: buffers, random state, and the caches it was handed.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from limelight.capture.probe import Probe
from limelight.capture.torch_doors import Attend, Call, Event, Op, opened
from limelight.capture.torch_names import name_of
from limelight.capture.torch_products import Follower

# What modules call the number of their heads.
_HEADS = ("num_heads", "num_attention_heads", "n_heads", "n_head", "nhead", "heads", "h")


@dataclass(frozen=True)
class Site:
    """One attention whose heads can be gated.

    Attributes
    ----------
    name : str
        As :func:`limelight.capture` names it.
    path : str
        The innermost module it runs in.
    place : int
        How many attentions and softmaxes that module ran before, in one call of the model.
    scope : str
        The module within which all of it happens, up to the product with the values.
    heads : int
    queries : int
    """

    name: str
    path: str
    place: int
    scope: str
    heads: int
    queries: int


@dataclass(eq=False)
class _Seen:
    """A softmax or attention of the rehearsal."""

    call: Call
    place: int
    lead: tuple[int, ...] = ()
    queries: int = 0
    scope: str | None = None  # None while no product is known


def rehearse(model: Any, run: Callable[[], Any]) -> tuple[dict[tuple[str, int], Site], Any]:
    """Run a model, and note its sites.

    Parameters
    ----------
    model : torch.nn.Module
    run : callable
        Calls it, or a module of it.

    Returns
    -------
    dict of (str, int) to Site
        By path and place, in the order they ran.
    object
        What the run returned.
    """
    watcher = _Watcher()
    with opened(model, watcher):
        outputs = run()
    sites: dict[tuple[str, int], Site] = {}
    numbers: dict[str, int] = {}
    for seen in watcher.seen:
        if seen.scope is None:
            continue
        name = seen.scope or name_of(model)
        number = numbers.get(name, 0)
        numbers[name] = number + 1
        heads = _heads(seen.lead, seen.call)
        sites[seen.call.path, seen.place] = Site(
            f"{name}:{number}" if number else name,
            seen.call.path, seen.place, seen.scope, heads, seen.queries,
        )  # fmt: skip
    return sites, outputs


class _Watcher:
    """Stands at the doors and notes what passes."""

    def __init__(self) -> None:
        self.seen: list[_Seen] = []
        self._counts: dict[str, int] = {}
        self._here: Call | None = None
        self._inside = False
        self._follower = Follower(self._met, self._met)

    def __call__(self, event: Event, run: Callable[[], Any]) -> Any:
        if self._inside or event.call is None:
            return run()
        if isinstance(event, Op):
            self._here = event.call
            return self._follower(event, run)
        path = event.call.path
        seen = _Seen(event.call, self._counts.get(path, 0))
        self._counts[path] = seen.place + 1
        self.seen.append(seen)
        if isinstance(event, Attend):
            self._inside = True
            try:
                out = run()
            finally:
                self._inside = False
            rows, _ = rows_of(out[0] if isinstance(out, tuple) else out, event.heads_last)
            seen.scope, seen.lead, seen.queries = path, tuple(rows.shape[:-2]), rows.shape[-2]
            return out
        out = run()
        sizes = [size for axis, size in enumerate(out.shape) if axis != event.axis]
        if sizes:
            seen.lead, seen.queries = tuple(sizes[:-1]), sizes[-1]
        self._follower.begin(out, event.axis, seen)
        return out

    def _met(self, seen: _Seen, rows: Any, lead: tuple[int, ...]) -> Any:  # noqa: ARG002
        if self._here is not None:
            seen.scope = _common(seen.call, self._here)
        return rows


def _common(one: Call, other: Call) -> str:
    """Return the path of the innermost call that both are part of."""
    above = set()
    at: Call | None = one
    while at is not None:
        above.add(id(at))
        at = at.parent
    at = other
    while at is not None and id(at) not in above:
        at = at.parent
    return at.path if at is not None else ""


def _heads(lead: tuple[int, ...], call: Call) -> int:
    """Return how many heads the axes before the queries hold."""
    if len(lead) > 1:
        heads = 1
        for size in lead[1:]:
            heads *= size
        return heads
    if not lead:
        return 1
    at: Call | None = call
    for _ in range(2):  # a softmax may be a module of its own
        for name in _HEADS:
            number = getattr(at.module, name, None) if at is not None else None
            if isinstance(number, int) and number > 0 and lead[0] % number == 0:
                return number
        at = at.parent if at is not None else None
    return 1


def rows_of(out: Any, heads_last: bool) -> tuple[Any, Callable[[Any], Any]]:
    """Bring what an attention returned to [lead …, query, feature].

    Parameters
    ----------
    out : tensor
    heads_last : bool
        Whether it is [example, query, head, feature].

    Returns
    -------
    tensor
    callable
        Brings it back.
    """
    if not heads_last:
        return out, lambda rows: rows
    return out.transpose(-2, -3), lambda rows: rows.transpose(-2, -3)


@contextmanager
def quietly(model: Any) -> Iterator[None]:
    """Let a model run without a trace: no gradients, buffers and random state as before.

    Parameters
    ----------
    model : torch.nn.Module

    Yields
    ------
    None
    """
    import torch

    devices = {p.device.index for p in model.parameters() if p.device.type == "cuda"}
    kept = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    with torch.random.fork_rng(devices=sorted(devices)), torch.no_grad():
        try:
            yield
        finally:
            for buffer, before in kept:
                if not torch.equal(buffer, before):
                    buffer.copy_(before)


def call(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call a module with copies of whatever it could write to, such as caches.

    Parameters
    ----------
    module : torch.nn.Module
    args, kwargs : tuple, mapping

    Returns
    -------
    object
    """
    return module(*(_copy(one) for one in args), **{n: _copy(one) for n, one in kwargs.items()})


def run_inputs(model: Any, inputs: Any) -> Any:
    """Call a model on what :func:`limelight.capture` takes as inputs.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : Probe, array, tuple of arrays, or mapping
        NumPy or tensors, on any device.

    Returns
    -------
    object
    """
    import torch

    first = next(itertools.chain(model.parameters(), model.buffers()), None)
    device = None if first is None else first.device

    def moved(value: Any) -> Any:
        return torch.as_tensor(value, device=device) if hasattr(value, "shape") else value

    if isinstance(inputs, Probe):
        inputs = inputs.inputs
    if isinstance(inputs, Mapping):
        return model(**{name: moved(value) for name, value in inputs.items()})
    if isinstance(inputs, tuple):
        return model(*(moved(value) for value in inputs))
    return model(moved(inputs))


def _copy(value: Any) -> Any:
    import torch

    if value is None or isinstance(value, (bool, int, float, str, torch.Tensor, torch.nn.Module)):
        return value
    if type(value) in (list, tuple):
        return type(value)(_copy(one) for one in value)
    if type(value) is dict:
        return {name: _copy(one) for name, one in value.items()}
    try:
        return copy.deepcopy(value)
    except RuntimeError:  # holds tensors that are part of a graph
        return value


def tensors_in(value: Any) -> Iterator[Any]:
    """Yield every tensor of what a model took or returned.

    Parameters
    ----------
    value : object
        Tensor, or tuples, lists, mappings and dataclasses of them.

    Yields
    ------
    tensor
    """
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from tensors_in(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from tensors_in(one)
    elif is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            yield from tensors_in(getattr(value, one.name))


def examples_in(args: Any, kwargs: Any) -> int:
    """Return the length of a call's batch, 0 if it has no tensor.

    Parameters
    ----------
    args, kwargs : tuple, dict

    Returns
    -------
    int
    """
    first = next((one for one in tensors_in((args, kwargs)) if one.dim()), None)
    return 0 if first is None else int(first.shape[0])
