"""Cuts edges of attention in a torch model while a context lasts.

Room: capture, torch. Comes in: a model, and which keys each query may still attend to. Goes out: a
context in which it attends to no others: a fused kernel through its mask, a softmax through its
scores.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from limelight.capture.gating.cutting import Cut, lost
from limelight.capture.torch.gates import formed
from limelight.capture.torch.gates.discovery import Site
from limelight.capture.torch.gates.evening import CLOSED
from limelight.capture.torch.gates.whole import Whole
from limelight.capture.torch.intercept import modes
from limelight.capture.torch.intercept.modes import Attend
from limelight.capture.torch.intercept.modes import Softmax as SoftmaxEvent
from limelight.errors import GateError, LimelightWarning


@contextmanager
def cut(model: Any, cut: Cut) -> Iterator[None]:
    """Cut edges of a model's attention while the context lasts.

    Parameters
    ----------
    model : torch.nn.Module
    cut : Cut

    Yields
    ------
    None

    Raises
    ------
    GateError
        See :func:`limelight.capture.cut`.
    """
    cutting = Cutting(model, cut)
    with cutting.lived(), modes.innermost():
        yield


class Cutting(Whole):
    """A cut at work.

    Parameters
    ----------
    model : torch.nn.Module
    cut : Cut
    """

    door = "cut"
    first = False  # whatever else looks at the model shall see it cut

    def __init__(self, model: Any, cut: Cut) -> None:
        super().__init__(model, cut.scope)
        self._cut = cut
        self._steps: dict[str, int] = {}
        self._masks: dict[tuple[Any, ...], tuple[Any, Any]] = {}
        self._warned: set[str] = set()
        self._cached = False  # whether the call brings keys of earlier ones

    def _begin(self, module: Any, args: Any, kwargs: Any) -> None:
        super()._begin(module, args, kwargs)
        self._steps.clear()
        self._cached = any(
            value is not None and ("past" in name or "cache" in name)
            for name, value in kwargs.items()
            if name != "use_cache"
        )

    def act(self, site: Site, event: Any, run: Callable[[], Any]) -> Any:
        """Let an attention or a softmax run with what is cut closed."""
        if isinstance(event, Attend):
            return self._attend(site, event, run)
        return self._softmax(site, event, run)

    # --------------------------------------------------------------------------- which cells stay

    def _grows(self, site: Site) -> bool:
        """Whether fewer queries than keys are the newest of a sequence, and not some that ask."""
        return site.kind == "self" and (site.square or self._cached)

    def _mask(self, site: Site, shape: tuple[int, ...], device: Any) -> Any:
        """Return what stays, as it meets scores [lead …, query, key]."""
        import torch

        whole, back = site.apart(torch.empty((), dtype=torch.bool).expand(shape))
        examples, heads, queries, keys = (int(size) for size in whole.shape)
        begin = None
        if site.looped and site.share is None:
            begin = self._steps.get(site.name, 0)
            self._steps[site.name] = begin + queries
        cells = self._cut.cells(
            site.name, (examples, heads, queries, keys), grows=self._grows(site), begin=begin,
            share=site.share,
        )  # fmt: skip
        key = (site.name, shape, str(device), begin, site.share)
        known = self._masks.get(key)
        if known is not None and known[0] is cells:
            return known[1]
        mask = torch.from_numpy(cells.copy())
        natural = site.fold is None or site.fold.natural
        if natural and cells.shape[:2] == (1, 1):
            mask = mask[0, 0]
        else:
            mask = back(mask.expand(whole.shape))
        mask = mask.to(device)
        if len(self._masks) >= _MASKS:
            self._masks.clear()
        self._masks[key] = cells, mask
        return mask

    def _warn(self, site: Site, rows: int) -> None:
        if site.name not in self._warned:
            self._warned.add(site.name)
            warnings.warn(LimelightWarning(lost(site.name, rows)), stacklevel=2)

    # ------------------------------------------------------------------------------ what is run

    def _attend(self, site: Site, event: Attend, run: Callable[[], Any]) -> Any:
        import torch

        if getattr(event.query, "is_nested", False):
            raise GateError(
                f"Got a cut for {site.name!r}, whose sequences are nested tensors.",
                "Wanted one length, and padding.",
                "Turn nested tensors off, as by enable_nested_tensor=False.",
            )
        lead = torch.broadcast_shapes(event.query.shape[:-2], *_leads(event))
        shape = (*lead, event.query.shape[-2], event.key.shape[-2])
        needed = _differentiated(event.query, event.key, event.value)
        stays = None
        if _formed(event):
            with _unseen():
                mask = self._mask(site, shape, event.query.device)
                stays, gone = _stays(formed.scores(event.detached()) > CLOSED, mask, needed)
            out = formed.output(event, formed.weights(event, stays))
        else:
            with _unseen():
                mask = self._mask(site, shape, event.query.device)
                bias, gone = _biased(event, mask, needed)
            out = formed.fused(replace(event, bias=bias, causal=False, window=None))
        if gone is not None:
            gone = gone.expand(*shape[:-1], 1)
            self._warn(site, int(gone.sum()))
            out = out.masked_fill(gone.transpose(-3, -2) if event.heads_last else gone, 0.0)
        if not event.packed:
            return out
        with torch.no_grad(), _unseen():  # what else it returns, and how much of it
            return formed.packed(event, out, run(), stays)

    def _softmax(self, site: Site, event: SoftmaxEvent, run: Callable[[], Any]) -> Any:
        import torch

        axis = event.axis % event.logits.dim()
        with _unseen():
            logits = event.logits.detach().movedim(axis, -1)
            shape = tuple(logits.shape)
            first, stop = site.span or (0, shape[-1])
            mask = self._mask(site, (*shape[:-1], stop - first), logits.device)
            if site.span is not None:  # sinks stay
                mask = torch.nn.functional.pad(mask, (first, shape[-1] - stop), value=True)
            stays, gone = _stays(logits > CLOSED, mask, _differentiated(event.logits))
            # Not wider than it must be: what a mask's own axes count is not known.
            closed = ~stays if axis == len(shape) - 1 else ~stays.expand(shape).movedim(-1, axis)
            same = not bool(closed.any())
            if gone is not None:
                gone = gone.movedim(-1, axis)
        assert event.rerun is not None, "intercepted without a way to run it again"
        out = run() if same else event.rerun(event.logits.masked_fill(closed, -torch.inf))
        if gone is None:
            return out
        self._warn(site, int(gone.sum()))
        return out.masked_fill(gone, -torch.inf if event.log else 0.0)


#: Masks that are remembered, one for each site and length.
_MASKS = 256


def _unseen() -> Any:
    """Return a context in which whoever follows the model's own tensors sees nothing."""
    import torch

    return torch._C.DisableTorchFunction()


def _differentiated(*tensors: Any) -> bool:
    import torch

    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def _stays(before: Any, mask: Any, differentiated: bool) -> tuple[Any, Any]:
    """Return which cells stay, and which rows lose all they have; None if none does.

    Parameters
    ----------
    before : tensor [lead …, query, key], bool, or None
        What the model allows. Rows of which it allows nothing stay as they are.
    mask : tensor, bool
    differentiated : bool
        Such rows are computed as if nothing were cut then, as their gradient would be NaN.
    """
    if before is None:
        stays, gone = mask, ~mask.any(-1, keepdim=True)
    else:
        had = before.any(-1, keepdim=True)
        stays = mask if bool(had.all()) else mask | ~had
        gone = had & ~(before & mask).any(-1, keepdim=True)
    if not bool(gone.any()):
        return stays, None
    return (stays | gone if differentiated else stays), gone


def _biased(event: Attend, mask: Any, differentiated: bool) -> tuple[Any, Any]:
    """Return the mask or bias that a fused kernel gets, and which rows lose all they have."""
    import torch

    bias, rule = event.bias, formed.by_rule(event)
    if bias is None or rule is None:
        bias = rule if bias is None else bias
    elif bias.dtype == torch.bool:
        bias = bias & rule
    else:
        bias = bias.masked_fill(~rule, -torch.inf)
    binary = bias is None or bias.dtype == torch.bool
    stays, gone = _stays(bias if binary else bias > CLOSED, mask, differentiated)
    if bias is None:
        return stays, gone
    return (bias & stays if binary else bias.masked_fill(~stays, -torch.inf)), gone


def _formed(event: Attend) -> bool:
    """Say whether an attention has more than a mask, so that no fused kernel takes it."""
    return (
        event.score is not None
        or event.softcap is not None
        or event.sink_logit is not None
        or event.packed
    )


def _leads(event: Attend) -> list[Any]:
    """Return the axes before scores that a bias may have beyond those of queries."""
    return [] if event.bias is None or event.bias.dim() < 3 else [event.bias.shape[:-2]]
