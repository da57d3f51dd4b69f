"""Gates on the heads of a torch model.

Room: capture, torch. Intercepts what a model does, but only within the modules that hold gated
sites, so that a training step hardly notices.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from limelight.capture.gating.gates import Gates, Piece, never_ran, without_effect
from limelight.capture.probe import Probe
from limelight.capture.torch import names as torch_names
from limelight.capture.torch.calling import forward, prepared
from limelight.capture.torch.gates.blending import blend, digest, spread, stand_in, strengths
from limelight.capture.torch.gates.discovery import (
    Site,
    call,
    dry_run,
    rows_of,
    tensors_in,
)
from limelight.capture.torch.gates.products import Follower
from limelight.capture.torch.intercept import modes as intercept_modes
from limelight.capture.torch.intercept.modes import Attend, Call, Event, Op, Stack
from limelight.capture.torch.state import untouched
from limelight.errors import GateError

# What was found out about a model: under each way it may run, its sites and which were tested.
_known: weakref.WeakKeyDictionary[Any, dict[Any, tuple[dict[Any, Site], set[str]]]] = (
    weakref.WeakKeyDictionary()
)


@contextmanager
def gated(model: Any, gates: Gates) -> Iterator[None]:
    """Gate heads of a model while the context lasts.

    Parameters
    ----------
    model : torch.nn.Module
    gates : Gates

    Yields
    ------
    None

    Raises
    ------
    GateError
        See :func:`limelight.capture.gate`.
    """
    gating = Gating(model, gates)
    with gating.standing():
        yield
    missing = [site for site in gates.sites if site not in gating.applied]
    if missing and not gating.told:
        raise never_ran(missing)


class Gating:
    """Gates at work.

    Parameters
    ----------
    model : torch.nn.Module
    gates : Gates
    sites : dict of (str, int) to Site, optional
        Where they are known and need no test.

    Attributes
    ----------
    sites : dict of (str, int) to Site
        Every site by the module that attends, and which of its attentions in one call it is.
    applied : set of str
        Sites whose gates were applied.
    told : bool
        Whether an error was raised that may have kept them from it.
    remembered : dict of (str, int) to tensor
        What attentions return that need not be computed.
    """

    def __init__(
        self, model: Any, gates: Gates, sites: dict[tuple[str, int], Site] | None = None
    ) -> None:
        self.model = model
        self.gates = gates
        self.applied: set[str] = set()
        self.told = False
        self.remembered: dict[tuple[str, int], Any] = {}
        way = getattr(getattr(model, "config", None), "_attn_implementation", "")
        self.sites, self._tested = _known.setdefault(model, {}).setdefault(way, ({}, set()))
        self._ready = all(site in self._tested for site in gates.sites)
        if sites is not None:
            self.sites, self._ready = sites, True
        if self._ready:
            gates.check({site.name: site.heads for site in self.sites.values()})
        self._thread = threading.get_ident()
        self._stack = Stack()
        self._mode: Any = intercept_modes.interception(self._interceptor, self._stack)
        self._depth = 0  # of modules within which calls are intercepted
        self._scopes: set[str] = set()
        self._counts: dict[str, int] = {}
        self._muted = False
        self._pieces: Mapping[str, tuple[Piece, ...]] = gates.sites
        self._trial: Trial | None = None
        self._kept: dict[str, Any] | None = {} if gates.reference is None else None
        self._follower = Follower(self._change, self._scale)

    def turn_to(self, gates: Gates) -> None:
        """Apply other gates from the next call on; only where all sites are known.

        Parameters
        ----------
        gates : Gates
            Without replacement.
        """
        gates.check({site.name: site.heads for site in self.sites.values()})
        self.gates, self._pieces = gates, gates.sites
        self.applied.clear()

    # ------------------------------------------------------------------------------------- standing

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Follow the modules that matter, and intercept what happens within them.

        Yields
        ------
        None
        """
        import torch

        # Patches of two threads that overlap crosswise would leave one behind.
        with intercept_modes._one_at_a_time, ExitStack() as undo:
            before = torch.backends.mha.get_fastpath_enabled()
            undo.callback(torch.backends.mha.set_fastpath_enabled, before)
            torch.backends.mha.set_fastpath_enabled(False)  # would compute all in one piece
            if {"torch._dynamo", "torch.nn.attention.flex_attention"} & set(sys.modules):
                undo.enter_context(torch.compiler.set_stance("force_eager"))
            if "transformers" in sys.modules:
                from limelight.capture.torch.intercept import transformers as torch_transformers

                undo.enter_context(
                    torch_transformers.interfaces_intercepted(self._interceptor, self._stack)
                )
            followed = self._followed()
            for module, path in torch_names.paths(self.model):
                if self._ready and path not in followed:
                    continue
                pair = (
                    module.register_forward_pre_hook(self._enter(path), with_kwargs=True,
                                                     prepend=True),
                    module.register_forward_hook(self._leave(path), always_call=True),
                )  # fmt: skip
                for hook in pair:
                    undo.callback(hook.remove)
            undo.callback(self._close_all)
            yield

    def _close_all(self) -> None:
        if self._depth:  # only after an interrupt
            self._depth = 0
            self._close_doors()

    def _followed(self) -> set[str]:
        """Paths of the modules that attend, and of all that hold them."""
        found = {""}
        for path, _ in self.sites:
            parts = path.split("/")
            found |= {"/".join(parts[:n]) for n in range(1, len(parts) + 1)}
        return found

    def _enter(self, path: str) -> Callable[..., None]:
        def hook(module: Any, args: Any, kwargs: Any) -> None:
            if self._muted or threading.get_ident() != self._thread:
                return
            if not self._stack.running:
                self._begin(module, args, kwargs)
            self._stack.running.append(Call(module, path, self._stack.top, 0, args, kwargs))
            if path in self._scopes:
                if not self._depth:
                    self._mode.__enter__()
                self._depth += 1

        return hook

    def _leave(self, path: str) -> Callable[..., None]:
        def hook(module: Any, args: Any, outputs: Any) -> None:  # noqa: ARG001
            running = self._stack.running
            if self._muted or threading.get_ident() != self._thread or not running:
                return
            running.pop()
            if path in self._scopes:
                self._depth -= 1
                self._close_doors()

        return hook

    def _close_doors(self) -> None:
        if not self._depth:
            self._mode.__exit__(None, None, None)
            self._follower.forget()

    def _begin(self, module: Any, args: Any, kwargs: Any) -> None:
        """Make ready for one outermost call."""
        if self._trial is None:
            self.told = True
            if not self._ready:
                self._prepare(module, args, kwargs)
            if self._kept is None:
                self._refer()
            self.told = False
        self._counts.clear()
        self._scopes = {s.scope for s in self.sites.values() if s.name in self._pieces}

    # -------------------------------------------------------------------------------- intercepting

    def _interceptor(self, event: Event, run: Callable[[], Any]) -> Any:
        here = event.call
        if self._muted or here is None or threading.get_ident() != self._thread:
            return run()
        if isinstance(event, Op):
            return self._follower(event, run)
        count = self._counts.get(here.path, 0)
        self._counts[here.path] = count + 1
        site = self.sites.get((here.path, count))
        wanted = site is not None and site.name in self._pieces
        if isinstance(event, Attend):
            out = self.remembered.get((here.path, count))
            out = self._alone(run) if out is None else out
            return self._attended(site, event, out) if site is not None and wanted else out
        out = run()
        if wanted:
            self._follower.begin(out, event.axis, site)
        return out

    def _alone(self, run: Callable[[], Any]) -> Any:
        """Do something whose own attentions and softmaxes are part of it."""
        self._muted = True
        try:
            return run()
        finally:
            self._muted = False

    def _attended(self, site: Site, event: Attend, out: Any) -> Any:
        first = out[0] if isinstance(out, tuple) else out
        rows, back = rows_of(first, event.heads_last)
        changed = back(self._change(site, rows, tuple(rows.shape[:-2])))
        return (changed, *out[1:]) if isinstance(out, tuple) else changed

    def _change(self, site: Site, own: Any, lead: tuple[int, ...]) -> Any:
        """Return what becomes of contributions [lead …, query, feature]."""
        untouched = self._trial and self._trial.passed(site, own)
        if untouched is not None:
            return untouched
        self._met(site)
        gates = strengths(self._pieces[site.name], site.heads, own)
        wide = spread(gates, lead)
        replace = None if self._trial else self.gates.replace
        if replace is None:
            return self._note(own, own * wide)
        rows = own.reshape(-1, site.heads, *own.shape[-2:])
        kept = (self._kept or {}).get(site.name)
        other = stand_in(replace, rows, kept, site.name)
        return self._note(own, blend(own, wide, other))

    def _scale(self, site: Site, weights: Any, lead: tuple[int, ...]) -> Any:
        """Scale weights that enter a product which is no matrix product."""
        if self.gates.replace is not None:
            raise GateError(
                f"Got replace={self.gates.replace!r} for {site.name!r}, whose weights enter a sum "
                "of products.",
                "Wanted a matrix product of weights and values, to know what a head contributes.",
                "Only scale heads there, or let the module use matmul, bmm or einsum.",
            )
        untouched = self._trial and self._trial.passed(site, weights)
        if untouched is not None:
            return untouched
        self._met(site)
        gates = strengths(self._pieces[site.name], site.heads, weights)
        return self._note(weights, weights * spread(gates, lead))

    def _met(self, site: Site) -> None:
        if self._trial is None:
            self.applied.add(site.name)

    def _note(self, before: Any, after: Any) -> Any:
        if self._trial is not None:
            self._trial.moved = self._trial.moved or not bool((before == after).all())
        return after

    # ----------------------------------------------------------------------------------- first call

    def _prepare(self, module: Any, args: Any, kwargs: Any) -> None:
        """Find the sites of a call, and test that gating reaches what it returns."""
        with untouched(self.model):
            self._muted = True
            try:
                found, plain = dry_run(
                    self.model, (args, kwargs), lambda: call(module, args, kwargs)
                )
            finally:
                self._muted = False
            self.sites.update(found)
            known = {site.name: site.heads for site in self.sites.values()}
            named = [site for site in self.gates.sites if site in known]
            complete = len(named) == len(self.gates.sites)
            if complete or module is self.model:
                self.gates.check(known)
            ran = {site.name for site in found.values()}
            fresh = [site for site in named if site in ran and site not in self._tested]
            if fresh:
                self._test(fresh, lambda: call(module, args, kwargs), plain)
                self._tested.update(fresh)
        self._ready = complete

    def _test(self, names: list[str], run: Callable[[], Any], plain: Any) -> None:
        """Silence the named heads, and see whether anything comes out otherwise."""
        import torch

        with self._trying(names, Trial()) as trial:
            silenced = run()
        lost = [name for name in names if name not in trial.met]
        outputs = zip(tensors_in(plain), tensors_in(silenced), strict=True)
        if not lost and all(torch.equal(one, other) for one, other in outputs) and trial.moved:
            # Perhaps nothing weighs these heads; then the output depends on them all the same.
            with torch.enable_grad(), self._trying(names, Trial(leaves=[])) as trial:
                lost = [] if trial.reaches(run()) else names
        if lost:
            raise without_effect(lost)

    @contextmanager
    def _trying(self, names: list[str], trial: Trial) -> Iterator[Trial]:
        before = self._pieces, self._trial
        self._pieces = {
            name: tuple(Piece(piece.heads, 0.0) for piece in self.gates.sites[name])
            for name in names
        }
        self._trial = trial
        try:
            yield trial
        finally:
            self._pieces, self._trial = before

    def _refer(self) -> None:
        """Run the reference ungated, and keep what stands in for others."""
        with untouched(self.model), self._trying(list(self.gates.sites), Trial(own={})) as trial:
            reference = self.gates.reference
            probe = reference if isinstance(reference, Probe) else Probe(reference)
            forward(self.model, prepared(self.model, probe), None)()
        own = trial.own or {}
        missing = [site for site in self.gates.sites if site not in own]
        if missing:
            raise never_ran(missing)
        self._kept = {site: digest(self.gates.replace, rows) for site, rows in own.items()}


@dataclass(eq=False)
class Trial:
    """A run whose outcome nobody gets.

    Attributes
    ----------
    met : set of str
        Sites whose gates were applied.
    moved : bool
        Whether a gate changed anything.
    own : dict of str to tensor, optional
        If given, collects what heads contribute, [row, head, query, feature]; nothing is gated.
    leaves : list of tensor, optional
        If given, collects contributions that gradients may be asked for; nothing is gated.
    """

    own: dict[str, Any] | None = None
    leaves: list[Any] | None = None
    met: set[str] = field(default_factory=set)
    moved: bool = False

    def passed(self, site: Site, own: Any) -> Any:
        """Return contributions as they are; None if they are to be gated."""
        self.met.add(site.name)
        if self.own is not None:
            self.own[site.name] = own.detach().reshape(-1, site.heads, *own.shape[-2:])
            return own
        if self.leaves is not None:
            self.leaves.append(own.detach().requires_grad_())
            return self.leaves[-1]
        return None

    def reaches(self, outputs: Any) -> bool:
        """Say whether what a run returned was computed from its leaves."""
        import torch

        ends = [one for one in tensors_in(outputs) if one.requires_grad]
        if not ends:
            return False
        total = torch.stack([one.sum().abs() for one in ends]).sum()
        found = torch.autograd.grad(total, self.leaves or [], allow_unused=True)
        return all(one is not None for one in found)
