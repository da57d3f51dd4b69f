"""What each head of a torch model gives, before and after its slice of the output projection.

Room: capture, torch. Comes in: a model and a probe. Goes out: by site, a
:class:`~limelight.capture.contribution.Contribution`; or the projections themselves, for pruning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.contribution import Contribution
from limelight.capture.probe import Probe
from limelight.capture.recognition import Choice
from limelight.capture.torch import names as torch_names
from limelight.capture.torch.calling import accepted, forward
from limelight.capture.torch.gates.discovery import Key, Site, Turns, dry_run, rows_of
from limelight.capture.torch.gates.numbered import Numbered, Projection
from limelight.capture.torch.gates.products import Follower
from limelight.capture.torch.intercept.modes import Attend, Event, Op, intercepted
from limelight.capture.torch.state import untouched

#: How far the heads' sum may be from the projection's output, by the size of that.
_ROUNDING = {"torch.float16": 1e-2, "torch.bfloat16": 5e-2}

_UNFOLLOWED = "its weights cannot be followed to the product with the values"
_SEVERAL = "it attends several times, each time to others"
_NO_PROJECTION = "no output projection was seen: what heads give is not multiplied by parameters"


def contributions(model: Any, probe: Probe) -> dict[str, Contribution | str]:
    """Return what each head gives, by site.

    Parameters
    ----------
    model : torch.nn.Module
    probe : Probe

    Returns
    -------
    dict of str to Contribution, or str
        A text where a site has none.
    """
    plain = torch_names.unwrapped(model)

    def run(given: Any) -> dict[str, Contribution | str]:
        return {name: _joined(parts) for name, parts in parts_of(plain, given, probe).items()}

    return accepted(model, probe, run)


@dataclass(eq=False)
class Part:
    """What the heads of a site gave in one attention.

    Attributes
    ----------
    site : Site
    first : int
        The number of its first head, query and example.
    values : tensor [example, head, query, feature]
    projection : Projection, optional
    """

    site: Site
    first: int
    values: Any
    projection: Projection | None = None

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many examples, heads and queries."""
        examples, heads, queries, _ = self.values.shape
        return int(examples), int(heads), int(queries)

    def mine(self) -> Any:
        """Return which numbers of what is projected are of this attention."""
        assert self.projection is not None, "no projection"
        numbers = self.projection.numbers
        examples, heads, queries = self.sizes
        return (numbers >= self.first) & (numbers < self.first + examples * heads * queries)

    def heads(self) -> Any:
        """Return which head each number of what is projected is of; -1 for none of this site's."""
        import torch

        assert self.projection is not None, "no projection"
        _, heads, queries = self.sizes
        head = (self.projection.numbers - self.first) // queries % heads
        return torch.where(self.mine(), head, -1)


def parts_of(model: Any, given: Any, probe: Probe | None) -> dict[str, list[Part]]:
    """Run a model on inputs, and return what the heads of each site gave.

    Parameters
    ----------
    model : torch.nn.Module
    given : tensors
    probe : Probe, optional
        Says how the model is called, and what is attention.

    Returns
    -------
    dict of str to list of Part
        In the order they ran; empty where a site cannot be followed.
    """
    import torch

    run = forward(model, given, None if probe is None else probe.call)
    choice = Choice() if probe is None else Choice.of(probe)
    with untouched(model), torch.no_grad():
        sites, _ = dry_run(model, given, run, None, choice)
        reader = _Reader(sites)
        with intercepted(model, reader):
            run()
    return reader.parts


class _Reader:
    """Notes what heads give in one pass."""

    def __init__(self, sites: dict[Key, Site]) -> None:
        self._sites = sites
        self._turns = Turns()
        self._busy = False
        self._last = 0
        self._numbered = Numbered(self._met)
        self._changing: Callable[[Any, Any, Any], Any] = self._change
        self._follower = Follower(self._now, lambda _, w, __: w)
        self._fresh: tuple[Site, Any] | None = None
        self.parts: dict[str, list[Part]] = {site.name: [] for site in sites.values()}

    def __call__(self, event: Event, run: Callable[[], Any]) -> Any:
        if self._busy or event.call is None:
            return run()
        if isinstance(event, Op):
            return self._op(event, run)
        site = self._sites.get(self._turns.next(event.call))
        out = run()
        if site is None or not (site.heads or isinstance(event, Attend)):
            return out
        self._busy = True
        try:
            if isinstance(event, Attend):
                first = out[0] if isinstance(out, tuple) else out
                rows, back = rows_of(first, event.heads_last)
                self._numbered.begin(first, back(self._part(site, rows)))
            else:
                self._follower.begin(out, event.axis, site)
        finally:
            self._busy = False
        return out

    def _part(self, site: Site, rows: Any) -> Any:
        """Note what heads gave; return the numbers of [lead …, query, feature]."""
        import torch

        by_head, back = site.apart(rows)
        part = Part(site, self._last, by_head.detach().float().cpu())
        self.parts[site.name].append(part)
        count = by_head[..., 0].numel()
        numbers = torch.arange(self._last, self._last + count).reshape(by_head.shape[:-1])
        self._last += count
        return back(numbers[..., None].expand(by_head.shape).contiguous())

    def _op(self, event: Op, run: Callable[[], Any]) -> Any:
        self._fresh = None
        out = self._follower(event, run)
        self._busy = True
        try:
            if self._fresh is not None:  # once more, to see where each number comes to lie
                numbers = self._fresh[1]
                self._changing = lambda *_: numbers
                self._numbered.begin(out, self._follower(event, run))
                self._changing = self._change
            else:
                self._numbered(event, out)
        finally:
            self._busy = False
        return out

    def _now(self, site: Site, rows: Any, lead: Any) -> Any:
        return self._changing(site, rows, lead)

    def _change(self, site: Site, rows: Any, lead: Any) -> Any:  # noqa: ARG002
        self._fresh = (site, self._part(site, rows))
        return rows

    def _met(self, projection: Projection) -> None:
        for parts in self.parts.values():
            for part in parts:
                if part.projection is None:
                    part.projection = projection
                    if not bool(part.mine().any()):
                        part.projection = None


def _joined(parts: list[Part]) -> Contribution | str:
    """Join what a site's attentions gave: of a loop over queries, or over examples."""
    if not parts:
        return _UNFOLLOWED
    each = [_contribution(part) for part in parts]
    if len(each) == 1:
        return each[0]
    site = parts[0].site
    axis = 2 if site.share is None else 0
    if not (site.looped or site.share is not None):
        return _SEVERAL

    def joint(arrays: list[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
        present = [array for array in arrays if array is not None]
        shapes = {tuple(np.delete(array.shape, axis)) for array in present}
        if len(present) < len(arrays) or len(shapes) > 1:
            return None
        return np.concatenate(present, axis)

    values, projected = joint([e.values for e in each]), joint([e.projected for e in each])
    if values is None:
        return _SEVERAL
    reason = next((e.reason for e in each if e.reason), "" if projected is not None else _SEVERAL)
    return Contribution(values, projected, each[0].bias, reason)


def _contribution(part: Part) -> Contribution:
    values = np.asarray(part.values)
    if part.projection is None:
        return Contribution(values, reason=_NO_PROJECTION)
    projected, bias, reason = _projected(part, part.projection)
    if projected is None:
        return Contribution(values, reason=reason)
    return Contribution(
        values, np.asarray(projected), None if bias is None else np.asarray(bias), reason
    )


def _projected(part: Part, projection: Projection) -> tuple[Any, Any, str]:
    """Project each head by itself; make sure that their sum is what the projection gave."""
    import torch

    mixed = "what its heads give is mixed with something else before it is projected"
    examples, heads, queries = part.sizes
    rows = projection.rows()
    if rows is None or projection.out.shape[:-1] != rows.shape[:-1]:
        return None, None, "its output projection has axes that cannot be told apart"
    relative = rows - part.first
    index = relative // (heads * queries) * queries + relative % queries
    inside = (relative >= 0) & (relative < examples * heads * queries)
    low = index.masked_fill(~inside, examples * queries).amin(-1)
    high = index.masked_fill(~inside, -1).amax(-1)
    meant = high >= 0
    if not bool((low == high)[meant].all()):
        return None, None, "its output projection joins several queries"
    head_of = part.heads()
    device = projection.given.device
    each = torch.zeros(examples * queries, heads, projection.out.shape[-1])
    with torch.no_grad():
        for head in range(heads):
            mask = (head_of == head).to(device)
            alone = projection.without_bias(projection.given.masked_fill(~mask, 0))
            each[high[meant], head] = alone.float().cpu()[meant]
        rest = projection.out.float().cpu()[meant] - each[high[meant]].sum(1)
    size = float(projection.out.abs().max()) or 1.0
    limit = _ROUNDING.get(str(projection.out.dtype), 1e-5) * size
    bias = projection.bias
    bias = rest.mean(0) if bias is None else bias.detach().float().cpu()
    if not bool((rest - bias).abs().max() <= limit):
        return None, None, mixed
    projected = each.reshape(examples, queries, heads, -1).transpose(1, 2).contiguous()
    return (
        projected,
        bias if float(bias.abs().max()) > (limit if projection.bias is None else 0) else None,
        "",
    )
