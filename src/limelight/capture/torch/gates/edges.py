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

    def _begin(self, module: Any, args: Any, kwargs: Any) -> None:
        super()._begin(module, args, kwargs)
        self._steps.clear()

    def act(self, site: Site, event: Any, run: Callable[[], Any]) -> Any:
        """Let an attention or a softmax run with what is cut closed."""
        if isinstance(event, Attend):
            return self._attend(site, event)
        return self._softmax(site, event, run)

    # --------------------------------------------------------------------------- which cells stay

    def _mask(self, site: Site, scores: Any) -> Any:
        """Return what stays, as it meets scores [lead …, query, key]."""
        import torch

        whole, back = site.apart(torch.empty((), dtype=torch.bool).expand(scores.shape))
        examples, heads, queries, keys = (int(size) for size in whole.shape)
        begin = None
        if site.looped and site.share is None:
            begin = self._steps.get(site.name, 0)
            self._steps[site.name] = begin + queries
        cells = self._cut.cells(
            site.name, (examples, heads, queries, keys), grows=site.kind == "self", begin=begin,
            share=site.share,
        )  # fmt: skip
        key = (site.name, tuple(scores.shape), str(scores.device), begin, site.share)
        known = self._masks.get(key)
        if known is not None and known[0] is cells:
            return known[1]
        mask = torch.from_numpy(cells.copy())
        natural = site.fold is None or site.fold.natural
        if natural and cells.shape[:2] == (1, 1):
            mask = mask[0, 0]
        else:
            mask = back(mask.expand(whole.shape))
        mask = mask.to(scores.device)
        if len(self._masks) >= _MASKS:
            self._masks.clear()
        self._masks[key] = cells, mask
        return mask

    def _warn(self, site: Site, rows: int) -> None:
        if site.name not in self._warned:
            self._warned.add(site.name)
            warnings.warn(LimelightWarning(lost(site.name, rows)), stacklevel=2)

    def _emptied(self, before: Any, mask: Any) -> Any:
        """Return which rows lose all their keys [lead …, query, 1]; None if none does."""
        left = (before & mask).any(-1, keepdim=True) if before is not None else mask.any(-1, True)
        gone = ~left if before is None else before.any(-1, keepdim=True) & ~left
        if not bool(gone.any()):
            return None
        return gone

    # ------------------------------------------------------------------------------ what is run

    def _attend(self, site: Site, event: Attend) -> Any:
        import torch

        if getattr(event.query, "is_nested", False):
            raise GateError(
                f"Got a cut for {site.name!r}, whose sequences are nested tensors.",
                "Wanted one length, and padding.",
                "Turn nested tensors off, as by enable_nested_tensor=False.",
            )
        lead = torch.broadcast_shapes(event.query.shape[:-2], *_leads(event))
        shape = (*lead, event.query.shape[-2], event.key.shape[-2])
        mask = self._mask(site, torch.empty((), device=event.query.device).expand(shape))
        exotic = event.score is not None or event.softcap is not None
        if exotic or event.sink_logit is not None:
            return self._formed(site, event, mask)
        bias = formed.by_rule(event)
        if event.bias is not None:
            given = event.bias
            if bias is not None:
                given = given & bias if given.dtype == torch.bool else given.masked_fill(
                    ~bias, -torch.inf
                )  # fmt: skip
            bias = given
        before = None if bias is None else (bias if bias.dtype == torch.bool else bias > CLOSED)
        gone = self._emptied(before, mask)
        if gone is not None:
            mask = mask | gone  # computed as if uncut, so that no gradient is NaN, then made zero
        if before is not None:
            mask = mask | ~before.any(-1, keepdim=True)  # rows that were dead stay as they are
        if bias is None:
            bias = mask
        else:
            bias = bias & mask if bias.dtype == torch.bool else bias.masked_fill(~mask, -torch.inf)
        out = _fused(replace(event, bias=bias, causal=False, window=None))
        if gone is None:
            return out
        return self._zeros(site, out, gone.expand(*shape[:-1], 1), event.heads_last)

    def _formed(self, site: Site, event: Attend, mask: Any) -> Any:
        """Compute an attention whose scores or sinks no mask can say."""
        before = formed.scores(event) > CLOSED
        gone = self._emptied(before, mask)
        out = formed.output(event, formed.weights(event, mask | ~before.any(-1, keepdim=True)))
        if gone is None:
            return out
        return self._zeros(site, out, gone, event.heads_last)

    def _zeros(self, site: Site, out: Any, gone: Any, heads_last: bool) -> Any:
        self._warn(site, int(gone.sum()))
        return out.masked_fill(gone.transpose(-3, -2) if heads_last else gone, 0.0)

    def _softmax(self, site: Site, event: SoftmaxEvent, run: Callable[[], Any]) -> Any:
        import torch

        axis = event.axis % event.logits.dim()
        logits = event.logits.movedim(axis, -1)
        mask = self._mask(site, logits if site.span is None else logits[..., slice(*site.span)])
        if site.span is not None:  # sinks stay
            first, stop = site.span
            mask = torch.nn.functional.pad(mask, (first, logits.shape[-1] - stop), value=True)
        before = logits > CLOSED
        gone = self._emptied(before, mask)
        keep = mask | ~before.any(-1, keepdim=True)
        if gone is not None:
            keep = keep | gone
        if bool(keep.all()):
            out = run()
        else:
            assert event.rerun is not None, "intercepted without a way to run it again"
            out = event.rerun(logits.masked_fill(~keep, -torch.inf).movedim(-1, axis))
        if gone is None:
            return out
        self._warn(site, int(gone.sum()))
        return out.masked_fill(gone.movedim(-1, axis), -torch.inf if event.log else 0.0)


#: Masks that are remembered, one for each site and length.
_MASKS = 256


def _leads(event: Attend) -> list[Any]:
    """Return the axes before scores that a bias may have beyond those of queries."""
    return [] if event.bias is None or event.bias.dim() < 3 else [event.bias.shape[:-2]]


def _fused(event: Attend) -> Any:
    """Run torch's fused kernel on an attention that a mask says all of."""
    import torch

    query = event.query
    bias = event.bias
    if bias.dtype != torch.bool and bias.dtype != query.dtype:
        bias = bias.to(query.dtype)
    out = torch.nn.functional.scaled_dot_product_attention(
        query, formed.shared(event.key, query), formed.shared(event.value, query),
        attn_mask=bias, dropout_p=event.dropout, scale=event.scale,
    )  # fmt: skip
    return out.transpose(-3, -2) if event.heads_last else out
