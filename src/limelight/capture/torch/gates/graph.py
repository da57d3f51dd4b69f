"""Weights inside the graph that a torch model is differentiated by.

Room: capture, torch. Comes in: a model. Goes out: tensors that gradients flow through, for a loss
to use; or what a scalar of the outputs changes by with each weight.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.gating.scope import Scope
from limelight.capture.probe import Probe
from limelight.capture.recognition import Choice
from limelight.capture.torch import names as torch_names
from limelight.capture.torch.calling import accepted, forward
from limelight.capture.torch.gates import formed
from limelight.capture.torch.gates.discovery import Key, Site, Turns, dry_run
from limelight.capture.torch.gates.finals import Finals, Layout
from limelight.capture.torch.gates.whole import Whole
from limelight.capture.torch.intercept.modes import Attend, Event, Op, intercepted
from limelight.capture.torch.state import untouched
from limelight.errors import GateError


@contextmanager
def attended(model: Any, scope: Scope) -> Iterator[Mapping[str, Any]]:
    """Let each call of a model leave its weights.

    Parameters
    ----------
    model : torch.nn.Module
    scope : Scope

    Yields
    ------
    mapping of str to tensor [example, head, query, key]

    Raises
    ------
    GateError
        See :func:`limelight.capture.attended`.
    """
    attending = Attending(model, scope)
    with attending.lived():
        yield attending.weights


#: Why a site has no weights or gradients.
SEVERAL = "it attends several times in a call, each time to others"
_UNFOLLOWED = "which cannot be followed to the product with the values"


class Weights(dict[str, Any]):
    """Weights by site; one that has none says why.

    Attributes
    ----------
    reasons : dict of str to str
        By site.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reasons: dict[str, str] = {}

    def __missing__(self, site: str) -> Any:
        reason = self.reasons.get(site, "no call of the model ran it yet, or sites= leaves it out")
        raise GateError(
            f"Got {site!r} for its weights, but {reason}.",
            f"There are weights of {', '.join(map(repr, self)) or 'no site'}.",
            "Name one of these; weights change with dropout in training mode, not in model.eval().",
        )


class Attending(Whole):
    """Notes weights beside what a model computes.

    Parameters
    ----------
    model : torch.nn.Module
    scope : Scope

    Attributes
    ----------
    weights : dict of str to tensor [example, head, query, key]
        Of the newest call.
    """

    door = "attended"

    def __init__(self, model: Any, scope: Scope) -> None:
        super().__init__(model, scope)
        self.weights = Weights()
        self._finals = Finals(self._note)

    def _begin(self, module: Any, args: Any, kwargs: Any) -> None:
        super()._begin(module, args, kwargs)
        self.weights.clear()
        self.weights.reasons.clear()

    def _forget(self) -> None:
        self._finals.forget()

    def _op(self, event: Op, run: Callable[[], Any]) -> Any:
        return self._finals(event, run)

    def act(self, site: Site, event: Any, run: Callable[[], Any]) -> Any:
        """Run an attention or softmax as it is, and note its weights."""
        out = run()
        if isinstance(event, Attend):
            self._note(site, formed.weights(event))
        elif site.stage.startswith("after"):
            self.weights.reasons[site.name] = f"its weights are shown {site.stage}, {_UNFOLLOWED}"
            self._finals.begin(out, event.axis, site)
        else:
            self._note(site, _single(event, out), _last(event.axis))
        return out

    def _note(
        self, site: Site, values: Any, layout: Layout = lambda v: v, dropped: bool = False
    ) -> None:
        if dropped:
            self.weights.reasons[site.name] = (
                f"its weights are shown {site.stage}, and some were dropped at random in between"
            )
            return
        whole = laid_out(site, layout(values))
        before = self.weights.get(site.name)
        joint = whole if before is None else joined(site, [before, whole])
        if joint is None or self.weights.reasons.get(site.name) == SEVERAL:
            self.weights.reasons[site.name] = SEVERAL
            self.weights.pop(site.name, None)
        else:
            self.weights[site.name] = joint


def weight_gradients(
    model: Any, probe: Probe, scalar: Callable[[Any], Any]
) -> dict[str, NDArray[Any] | str]:
    """Return what a scalar of a model's outputs changes by with each weight.

    Parameters
    ----------
    model : torch.nn.Module
    probe : Probe
    scalar : callable
        Takes outputs, returns a tensor of one number, or of one for each example.

    Returns
    -------
    dict of str to array [example, head, query, key], or str
        float32; a text where a site has none.

    Raises
    ------
    GateError
        If the scalar is none, or depends on no weight.
    """
    import torch

    plain = torch_names.unwrapped(model)

    def differentiated(given: Any) -> dict[str, NDArray[Any] | str]:
        run = forward(plain, given, probe.call)
        with untouched(plain):
            sites, _ = dry_run(plain, given, run, None, Choice.of(probe))
            reader = _Reader(sites)
            with torch.enable_grad():
                with intercepted(plain, reader), _differentiable():
                    outputs = run()
                total = _total(scalar(outputs), probe.examples)
                return reader.gradients(total)

    return accepted(model, probe, differentiated)


class _Reader:
    """Puts weights into the graph of one pass, and remembers them."""

    def __init__(self, sites: dict[Key, Site]) -> None:
        self._sites = sites
        self._turns = Turns()
        self._finals = Finals(lambda site, values, layout, _: self._keep(site, values, layout))
        self._weights: dict[str, list[tuple[Site, Any, Layout]]] = {
            site.name: [] for site in sites.values()
        }
        self._busy = False

    def __call__(self, event: Event, run: Callable[[], Any]) -> Any:
        if self._busy or event.call is None:
            return run()
        if isinstance(event, Op):
            return self._finals(event, run)
        import torch

        site = self._sites.get(self._turns.next(event.call))
        if site is None:
            return run()
        self._busy = True
        try:
            if isinstance(event, Attend):
                with torch.no_grad():  # not every kernel can be differentiated everywhere
                    plain = run()
                return formed.packed(event, self._attend(site, event), plain)
            return self._softmax(site, event, run)
        finally:
            self._busy = False

    def _attend(self, site: Site, event: Attend) -> Any:
        values = _leaf(formed.weights(event))
        self._keep(site, values)
        return formed.output(event, values)

    def _softmax(self, site: Site, event: Any, run: Callable[[], Any]) -> Any:
        if event.log:
            values = _leaf(_single(event, run()))
            self._keep(site, values, _last(event.axis))
            return values.log().to(event.logits.dtype)
        values = _leaf(run())
        if site.stage.startswith("after"):
            self._finals.begin(values, event.axis, site)
            return values
        self._keep(site, values, _last(event.axis))
        return values.clone()  # the model may write into what it gets

    def _keep(self, site: Site, values: Any, layout: Layout = lambda v: v) -> None:
        self._weights[site.name].append((site, values, layout))

    def gradients(self, total: Any) -> dict[str, NDArray[Any] | str]:
        """Differentiate a scalar by all weights at once."""
        import torch

        every = [part for several in self._weights.values() for part in several]
        slopes = iter(
            torch.autograd.grad(total, [values for _, values, _ in every], allow_unused=True)
        )
        result: dict[str, NDArray[Any] | str] = {}
        for name, several in self._weights.items():
            maps = []
            for site, values, layout in several:
                slope = next(slopes)
                given = torch.zeros_like(values) if slope is None else slope
                maps.append(laid_out(site, layout(given.detach())))
            joint = joined(several[0][0], maps) if maps else None
            if not maps:
                result[name] = f"its weights are changed after the softmax, {_UNFOLLOWED}"
            elif joint is None:
                result[name] = SEVERAL
            else:
                result[name] = np.asarray(joint.float().cpu())
        return result


def laid_out(site: Site, values: Any) -> Any:
    """Bring a site's weights, whose keys are last, to [example, head, query, key].

    Parameters
    ----------
    site : Site
    values : tensor [lead …, query, key]

    Returns
    -------
    tensor
    """
    whole, _ = site.apart(values)
    return whole if site.span is None else whole[..., slice(*site.span)]


def joined(site: Site, maps: list[Any]) -> Any:
    """Join the maps of calls that are each a part of one; None if they are not.

    Parameters
    ----------
    site : Site
    maps : list of tensor [example, head, query, key]

    Returns
    -------
    tensor or None
    """
    import torch

    if len(maps) == 1:
        return maps[0]
    axis = 2 if site.share is None else 0
    sizes = {tuple(size for at, size in enumerate(m.shape) if at != axis) for m in maps}
    if len(sizes) > 1 or not (site.looped or site.share is not None):
        return None
    return torch.cat(maps, axis)


@contextmanager
def _differentiable() -> Iterator[None]:
    """Let flex attention take tensors with gradients everywhere: others are differentiated."""
    flex = sys.modules.get("torch.nn.attention.flex_attention")
    check = getattr(flex, "_validate_device", None)
    if check is None:
        yield
        return
    setattr(flex, "_validate_device", lambda *_: None)  # noqa: B010  # a module's name
    try:
        yield
    finally:
        setattr(flex, "_validate_device", check)  # noqa: B010


def _last(axis: int) -> Layout:
    """Return what brings the axis that a softmax ran over to the end."""
    return lambda values: values.movedim(axis, -1)


def _single(event: Any, out: Any) -> Any:
    """Return a softmax's weights, in single precision at least."""
    import torch

    if event.log:
        return out.float().exp()
    if out.dtype in (torch.float32, torch.float64) or event.rerun is None:
        return out
    return event.rerun(event.logits.float())


def _leaf(values: Any) -> Any:
    """Return values that can be differentiated by."""
    return values if values.requires_grad else values.detach().requires_grad_()


def _total(value: Any, examples: int) -> Any:
    """Return the scalar that is meant."""
    import torch

    good = torch.is_tensor(value) and tuple(value.shape) in {(), (1,), (examples,)}
    if not good:
        shape = list(value.shape) if torch.is_tensor(value) else type(value).__name__
        raise GateError(
            f"Got gradients= that returns {shape} for {examples} examples.",
            "Wanted a tensor of one number, or of one for each example.",
            "Write gradients=lambda outputs: outputs.logits[:, 1].",
        )
    if not value.requires_grad:
        raise GateError(
            "Got gradients= whose number depends on no attention weight.",
            "Wanted a number computed from what the model returns, in torch.",
            "Do not detach it, and take no argmax of it.",
        )
    return value.sum()
