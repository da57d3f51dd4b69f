"""Runs a torch model under many gatings, computing what they share only once.

Room: capture, torch. A module whose call was over before the first gated head attends cannot know
of the gate: it returns what it returned before. All else is run as it is, by the model itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from limelight.capture.gating.gates import Gates, Piece
from limelight.capture.probe import Probe
from limelight.capture.recognition import Choice
from limelight.capture.torch import names as torch_names
from limelight.capture.torch.calling import accepted, forward
from limelight.capture.torch.gates.blending import strengths
from limelight.capture.torch.gates.discovery import tensors_in
from limelight.capture.torch.gates.gating import Gating
from limelight.capture.torch.gates.recording import Replay, recorded
from limelight.capture.torch.intercept.modes import changed
from limelight.capture.torch.state import untouched
from limelight.errors import GateError

# Batches of more positions than this keep all cores busy by themselves.
_POSITIONS = 256


def swept(
    model: Any,
    probe: Probe,
    gates: Sequence[Gates],
    batched: Any = "auto",
    act: Callable[[Any], Any] | None = None,
) -> list[Any]:
    """Run a model under each of several gatings.

    Parameters
    ----------
    model : torch.nn.Module
    probe : Probe
    gates : sequence of Gates
        Without replacement. One of no sites is a plain run.
    batched : bool or ``"auto"``
    act : callable, optional
        Done with the outputs of each gating as soon as they are there, so that no two are held.

    Returns
    -------
    list
        Outputs, or what ``act`` made of them, one for each gating.

    Raises
    ------
    GateError
        See :func:`limelight.capture.sweep`.
    """
    if changed():
        raise GateError(
            "Got a sweep inside limelight.cut.",
            "Wanted a model that is as it was: what comes before a gate is remembered.",
            "Gate it once for each gating there: limelight.gate.",
        )
    return accepted(
        model, probe, lambda given: _swept(model, given, probe, gates, batched, act or _as_it_is)
    )


def _as_it_is(outputs: Any) -> Any:
    return outputs


def _swept(
    model: Any,
    given: Any,
    probe: Probe,
    gates: Sequence[Gates],
    batched: Any,
    act: Callable[[Any], Any],
) -> list[Any]:
    """Run a model on tensors under each of several gatings."""
    examples = probe.examples
    # What all examples share cannot be joined with another batch's.
    alike = all(axis == 0 for axis in probe.example_axes)
    copies = _copies(given, gates, batched) if alike and probe.call is None else 1
    wide = _mapped(given, lambda tensor: tensor.repeat(copies, *[1] * (tensor.dim() - 1)))
    plain = torch_names.unwrapped(model)
    run = forward(plain, wide if copies > 1 else given, probe.call)
    results: list[Any] = [None] * len(gates)

    def joined(group: list[int]) -> Gates:
        members = [gates[index] for index in group]
        return members[0] if copies == 1 else _joined(members, replay, copies, examples)

    with untouched(plain), _without_caches(plain), _without_short_cuts():
        replay = recorded(plain, wide, run, Choice.of(probe))
        known = {site.name: site.heads for site in replay.sites.values()}
        for member in gates:
            member.check(known)
        starts = [
            min((replay.started[name] for name in member.sites), default=-1) for member in gates
        ]
        for index, start in enumerate(starts):
            if start < 0:
                outputs = replay.outputs
                results[index] = act(_part(outputs, 0, copies) if copies > 1 else outputs)
        gating = Gating(plain, gates[0], replay.sites)
        with gating.standing():
            for start in sorted(set(starts) - {-1}):
                group_of = [index for index, moment in enumerate(starts) if moment == start]
                gating.remembered = replay.begun(start)
                with _over(replay, start):
                    for first in range(0, len(group_of), copies):
                        group = group_of[first : first + copies]
                        outputs = _replayed(gating, joined(group), run)
                        for row, index in enumerate(group):
                            part = _part(outputs, row, copies) if copies > 1 else outputs
                            results[index] = act(part)
    return results


@contextmanager
def _over(replay: Replay, start: int) -> Iterator[None]:
    """Let modules that were done before a moment return what they returned."""
    with ExitStack() as undo:
        for module, outputs in replay.over(start).items():
            patched = module.__dict__.get("forward")
            if patched is None:
                undo.callback(module.__dict__.pop, "forward", None)
            else:
                undo.callback(module.__dict__.__setitem__, "forward", patched)
            module.__dict__["forward"] = _returning(outputs)
        yield


def _replayed(gating: Gating, gates: Gates, run: Callable[[], Any]) -> Any:
    gating.turn_to(gates)
    outputs = run()
    gating.life.check_applied()
    return outputs


def _returning(outputs: Any) -> Callable[..., Any]:
    def forward(*_: Any, **__: Any) -> Any:
        return outputs

    return forward


def _copies(given: Any, gates: Sequence[Gates], batched: Any) -> int:
    """Return how many runs to put into one batch."""
    first = next((tensor for tensor in tensors_in(given) if tensor.dim()), None)
    if batched is False or first is None:
        return 1
    alike = max(Counter(frozenset(member.sites) for member in gates).values())
    positions = first.shape[0] * (first.shape[1] if first.dim() > 1 else 1)
    most = 64 if batched is True else _POSITIONS // max(int(positions), 1)
    return max(1, min(alike, most))


def _joined(gates: Sequence[Gates], replay: Replay, copies: int, examples: int) -> Gates:
    """Join gatings into one, a gate for each row of the batch; rows left over are not gated."""
    import torch

    heads = {site.name: site.heads for site in replay.sites.values()}
    like = torch.ones(())
    sites: dict[str, tuple[Piece, ...]] = {}
    for name in dict.fromkeys(name for member in gates for name in member.sites):
        rows = [
            strengths(member.sites.get(name, ()), heads[name], like).expand(examples, -1)
            for member in gates
        ]
        rows += [torch.ones((examples, heads[name]))] * (copies - len(gates))
        sites[name] = (Piece(None, torch.cat(rows), each_head=True),)
    return Gates(sites)


def _part(outputs: Any, row: int, copies: int) -> Any:
    return _mapped(outputs, lambda t: t.chunk(copies)[row] if t.dim() else t)


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Change every tensor of a nested value."""
    import torch

    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return type(value)(**{name: _mapped(item, change) for name, item in value.items()})
    if isinstance(value, (list, tuple)):
        made = [_mapped(item, change) for item in value]
        return type(value)(*made) if hasattr(value, "_fields") else type(value)(made)
    return value


@contextmanager
def _without_caches(model: Any) -> Iterator[None]:
    """Let models of transformers keep no keys and values: they would be written to."""
    configs = {id(c): c for m in model.modules() if (c := getattr(m, "config", None)) is not None}
    changed = [c for c in configs.values() if getattr(c, "use_cache", False) is True]
    try:
        for config in changed:
            config.use_cache = False
        yield
    finally:
        for config in changed:
            config.use_cache = True


@contextmanager
def _without_short_cuts() -> Iterator[None]:
    """Let torch's own encoders compute layer by layer, as they do under gates."""
    import torch

    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
