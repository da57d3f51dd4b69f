"""Takes heads of a torch model out for good.

Room: capture, torch. Comes in: a model, heads, and inputs to compare it on. Goes out: the same
model, whose output projections do not take these heads any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from limelight.capture.gating.gates import Gates
from limelight.capture.gating.pruning import heads_of
from limelight.capture.probe import Probe
from limelight.capture.torch import names as torch_names
from limelight.capture.torch.calling import accepted, forward
from limelight.capture.torch.gates.discovery import tensors_in
from limelight.capture.torch.gates.gating import gated
from limelight.capture.torch.gates.inventing import inputs_for
from limelight.capture.torch.gates.projecting import Part, parts_of
from limelight.capture.torch.gates.smaller import made_smaller
from limelight.capture.torch.intercept.modes import uncompiled
from limelight.capture.torch.state import untouched
from limelight.errors import GateError, LimelightError

#: How far the pruned model may be from the gated one, by the size of the output.
_ROUNDING = {"torch.float16": 2e-2, "torch.bfloat16": 1e-1}


def prune(model: Any, probe: Probe | None, gates: Gates, smaller: bool) -> str:
    """Take heads out of a model.

    Parameters
    ----------
    model : torch.nn.Module
    probe : Probe, optional
        Without it, inputs are made up.
    gates : Gates
        Name the heads.
    smaller : bool
        Whether to take their queries, keys and values out, too.

    Returns
    -------
    str
        Why no time is saved, where it was to be.

    Raises
    ------
    GateError
        See :func:`limelight.capture.prune`.
    """
    plain = torch_names.unwrapped(model)
    if probe is not None:
        return accepted(model, probe, lambda given: _pruned(plain, given, probe, gates, smaller))
    seen: dict[str, int] = {}
    for given in inputs_for(plain):
        try:
            parts = parts_of(plain, given, None)
        except LimelightError:
            continue  # no input of this model's
        if all(parts.get(site) for site in gates.sites):
            return _pruned(plain, given, None, gates, smaller)
        seen |= _heads_in(parts)
    if seen:
        gates.check(seen)
    raise GateError(
        f"Got no inputs for {torch_names.name_of(plain)!r}, and none could be made up that run the "
        f"sites {', '.join(map(repr, gates.sites))}.",
        "Wanted a few examples, to find the output projections and to compare the model.",
        "Give inputs=, as for limelight.capture.",
    )


def _pruned(model: Any, given: Any, probe: Probe | None, gates: Gates, smaller: bool) -> str:
    parts = parts_of(model, given, probe)
    known = _heads_in(parts)
    gates.check(known)
    heads = heads_of(gates, known)
    slices = list(_slices(model, parts, heads))
    run = forward(model, given, None if probe is None else probe.call)
    with untouched(model), gated(model, gates):
        wanted = list(tensors_in(run()))
    reason = "smaller=False"
    if smaller:
        reason = made_smaller(model, parts, heads, lambda: _alike(model, run, wanted))
        if not reason:
            return ""
    with _zeroed(slices):
        if not _alike(model, run, wanted):
            raise GateError(
                "Got a model that computes something else with zeros in its output projection "
                "than with these heads at a gate of 0.",
                "Wanted both to be the same: the heads' slices may be used elsewhere as well.",
                "Keep the heads gated: limelight.gate.",
            )
    return reason if smaller else ""


def _heads_in(parts: Mapping[str, list[Part]]) -> dict[str, int]:
    return {site: several[0].sizes[1] if several else 0 for site, several in parts.items()}


def _alike(model: Any, run: Any, wanted: Sequence[Any]) -> bool:
    """Say whether a model computes what it shall."""
    with untouched(model), uncompiled():
        now = list(tensors_in(run()))
    if len(now) != len(wanted):
        return False
    for mine, theirs in zip(now, wanted, strict=True):
        if mine.shape != theirs.shape:
            return False
        if not mine.is_floating_point():
            continue
        first, second = mine.detach().float(), theirs.detach().float()
        limit = _ROUNDING.get(str(mine.dtype), 1e-4) * max(float(second.abs().max()), 1e-3)
        if not bool(((first - second).abs().nan_to_num() <= limit).all()):
            return False
    return True


def _slices(
    model: Any, parts: Mapping[str, list[Part]], heads: Mapping[str, list[int]]
) -> Iterator[tuple[Any, Any]]:
    """Yield parameters, and which of their numbers meet the heads that go."""
    import torch

    storages = {p.untyped_storage().data_ptr(): name for name, p in model.named_parameters()}
    users: dict[tuple[int, int], set[str]] = {}
    for site, several in parts.items():
        for part in several:
            if part.projection is not None and part.projection.weight is not None:
                users.setdefault(_memory(part.projection.weight), set()).add(site)
    for site, indices in heads.items():
        for part in parts[site]:
            projection = part.projection
            if projection is None or projection.weight is None:
                raise _unfound(site, "no output projection was seen")
            weight = projection.weight
            if weight.untyped_storage().data_ptr() not in storages:
                raise _unfound(
                    site, "the output projection's weight is computed, as by a parametrization"
                )
            sharing = users[_memory(weight)]
            head_of = part.heads()
            if any(heads.get(other) != indices for other in sharing):
                others = ", ".join(map(repr, sorted(sharing - {site})))
                if any(bool((part.heads() < 0).any()) for part in parts[site]):
                    others = ""  # each has numbers of its own in it
                if others:
                    raise _unfound(site, f"its output projection is also that of {others}", others)
            meant = torch.isin(head_of, torch.tensor(indices))
            flat = meant.reshape(-1, meant.shape[-1])
            plain = projection.op.function.__name__ == "einsum" or bool((flat == flat[:1]).all())
            if not plain:
                raise _unfound(site, "heads lie on no axis of what it is multiplied with")
            yield weight, projection.columns(meant).to(weight.device)


def _memory(weight: Any) -> tuple[int, int]:
    return weight.untyped_storage().data_ptr(), weight.storage_offset()


def _unfound(site: str, why: str, others: str = "") -> GateError:
    return GateError(
        f"Got heads of {site!r} to prune, but {why}.",
        "Wanted an output projection of the heads' own, whose weight is a parameter.",
        f"Prune the same heads of {others}." if others else "Keep the heads gated: limelight.gate.",
    )


@contextmanager
def _zeroed(slices: Sequence[tuple[Any, Any]]) -> Iterator[None]:
    """Put zeros into parameters; put them back where what is done then fails."""
    import torch

    before = [(weight, weight.detach().clone()) for weight, _ in slices]
    try:
        with torch.no_grad():
            for weight, meant in slices:
                weight.masked_fill_(meant, 0)
        yield
    except BaseException:
        with torch.no_grad():
            for weight, values in before:
                weight.copy_(values)
        raise
