"""Gates on the heads of a torch model.

Room: capture, torch. Intercepts what a model does, but only within the modules that hold gated
sites, so that a training step hardly notices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from limelight.capture.gating.gates import Gates
from limelight.capture.gating.life import Known, Life, Pieces, known
from limelight.capture.torch.gates.blending import blend, spread, stand_in, strengths
from limelight.capture.torch.gates.discovery import Key, Site, rows_of
from limelight.capture.torch.gates.evening import even_weights, evenable, evened
from limelight.capture.torch.gates.formed import fused
from limelight.capture.torch.gates.products import Follower
from limelight.capture.torch.gates.standing import Standing
from limelight.capture.torch.gates.trials import CallTrials, Trial
from limelight.capture.torch.intercept.modes import Attend, Op, changed
from limelight.capture.torch.intercept.modes import Softmax as SoftmaxEvent
from limelight.errors import GateError


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
    with gating.life.lived(), gating.standing():
        yield


class Gating(Standing):
    """Gates at work.

    Parameters
    ----------
    model : torch.nn.Module
    gates : Gates
    sites : dict of Key to Site, optional
        Where they are known and need no test.

    Attributes
    ----------
    life : Life
        Whether the gates were proved and applied, and what stands in for contributions.
    remembered : dict of Key to tensor
        What attentions return that need not be computed.
    """

    def __init__(self, model: Any, gates: Gates, sites: dict[Key, Site] | None = None) -> None:
        way = getattr(getattr(model, "config", None), "_attn_implementation", "")
        facts = known(model, way)
        if sites is not None:
            facts = Known(sites, {site.name: site.heads for site in sites.values()})
        super().__init__(model, facts.sites)
        self.remembered: dict[Key, Any] = {}
        self.life = Life(gates, facts, discovered=sites is not None)
        self._scopes: set[str] = set()
        self._pieces: Pieces = gates.sites
        self._trial: Trial | None = None
        self._follower = Follower(self._change, self._scale)

    def turn_to(self, gates: Gates) -> None:
        """Apply other gates from the next call on; only where all sites are known.

        Parameters
        ----------
        gates : Gates
            Without replacement.
        """
        self.life.turn_to(gates)
        self._pieces = gates.sites

    # ------------------------------------------------------------------------------- standing

    def _paths(self) -> set[str] | None:
        """Paths of the modules that attend, and of all that hold them."""
        if not self.life.ready:
            return None
        paths = {""}
        for path, _, _ in self.sites:
            parts = path.split("/")
            paths |= {"/".join(parts[:n]) for n in range(1, len(parts) + 1)}
        return paths

    def _begin(self, module: Any, args: Any, kwargs: Any) -> None:
        if self.life.gates.replace == "uniform" and changed():
            raise GateError(
                "Got replace='uniform' inside limelight.cut.",
                "Wanted one or the other: what is even depends on what is cut.",
                "Leave the cut out; attention is even over whatever the model itself allows.",
            )
        if self._trial is None:
            self.life.begin(CallTrials(self, module, args, kwargs))
        self._scopes = {s.scope for s in self.sites.values() if s.name in self._pieces}

    def _matters(self, path: str) -> bool:
        return path in self._scopes

    def _forget(self) -> None:
        self._follower.forget()

    # -------------------------------------------------------------------------------- intercepting

    def _op(self, event: Op, run: Callable[[], Any]) -> Any:
        return self._follower(event, run)

    def _event(self, key: Key, site: Site | None, event: Any, run: Callable[[], Any]) -> Any:
        wanted = site is not None and site.name in self._pieces
        if isinstance(event, Attend):
            if site is not None and wanted and self._evens and evenable(event):
                query = self._emptied(site, event.query)
                if query is not None:
                    self._met(site)
                    return fused(replace(event, query=query))
            out = self.remembered.get(key)
            out = self.alone(run) if out is None else out
            return self._attended(site, event, out) if site is not None and wanted else out
        out = run()
        if wanted and self._evens and site is not None:
            return self._evened(site, event, out)
        if wanted:
            self._follower.begin(out, event.axis, site)
        return out

    @property
    def _evens(self) -> bool:
        """Whether even attention takes the place of a head's, in the call that is meant."""
        return self._trial is None and self.life.gates.replace == "uniform"

    def _emptied(self, site: Site, query: Any) -> Any:
        """Return queries that are 0 where heads attend evenly; None where some do so in part."""
        by_head, back = site.apart(query)
        gates = self._gates(site, by_head)
        if gates.requires_grad or not bool(((gates == 0) | (gates == 1)).all()):
            return None
        return back(by_head.masked_fill(gates == 0, 0.0))

    def _evened(self, site: Site, event: SoftmaxEvent, weights: Any) -> Any:
        """Blend weights with even ones: what they are multiplied with then follows."""
        if event.log or event.instead:
            raise GateError(
                f"Got replace='uniform' for {site.name!r}, which takes "
                f"{event.instead or 'the logarithm of a softmax'}.",
                "Wanted a softmax, whose scores say which keys are allowed.",
                "Take replace=None or 'mean' there.",
            )
        order = [*(axis for axis in range(weights.dim()) if axis != event.axis % weights.dim()),
                 event.axis % weights.dim()]  # fmt: skip
        even = even_weights(weights, event.logits, event.axis).permute(order)
        by_head, back = site.apart(weights.permute(order))
        others, _ = site.apart(even)
        self._met(site)
        changed = back(blend(by_head, self._gates(site, by_head), others))
        return changed.permute([order.index(axis) for axis in range(len(order))])

    def _attended(self, site: Site, event: Attend, out: Any) -> Any:
        first = out[0] if isinstance(out, tuple) else out
        rows, back = rows_of(first, event.heads_last)
        if self._evens:
            by_head, apart = site.apart(rows)
            others, _ = site.apart(rows_of(evened(event), event.heads_last)[0].expand(rows.shape))
            self._met(site)
            changed = back(apart(blend(by_head, self._gates(site, by_head), others)))
            return (changed, *out[1:]) if isinstance(out, tuple) else changed
        changed = back(self._change(site, rows, tuple(rows.shape[:-2])))
        return (changed, *out[1:]) if isinstance(out, tuple) else changed

    def _change(self, site: Site, rows: Any, lead: tuple[int, ...]) -> Any:  # noqa: ARG002
        """Return what becomes of contributions [lead …, query, feature]."""
        by_head, back = site.apart(rows)
        passed = self._trial and self._trial.passed(site, by_head)
        if passed is not None:
            return back(passed)
        self._met(site)
        gates = self._gates(site, by_head)
        replace = None if self._trial else self.life.gates.replace
        if replace is None:
            return back(self._note(by_head, by_head * gates))
        reference = (self.life.reference or {}).get(site.name)
        other = stand_in(replace, by_head, reference, site.name)
        return back(self._note(by_head, blend(by_head, gates, other)))

    def _gates(self, site: Site, rows: Any) -> Any:
        """Return the gates of a site as they meet [example, head, query, feature]."""
        gates = strengths(self._pieces[site.name], site.heads, rows)
        if site.share is not None and len(gates) > 1:
            gates = gates[slice(*site.share)]
        return spread(gates, len(rows))

    def _scale(self, site: Site, weights: Any, lead: tuple[int, ...]) -> Any:  # noqa: ARG002
        """Scale weights that enter a product which is no matrix product."""
        replace = self.life.gates.replace
        if replace is not None:
            raise GateError(
                f"Got replace={replace!r} for {site.name!r}, whose weights enter a sum of "
                "products.",
                "Wanted a matrix product of weights and values, to know what a head contributes.",
                "Only scale heads there, or let the module use matmul, bmm or einsum.",
            )
        by_head, back = site.apart(weights)
        passed = self._trial and self._trial.passed(site, by_head)
        if passed is not None:
            return back(passed)
        self._met(site)
        return back(self._note(by_head, by_head * self._gates(site, by_head)))

    def _met(self, site: Site) -> None:
        if self._trial is None:
            self.life.applied.add(site.name)

    def _note(self, before: Any, after: Any) -> Any:
        if self._trial is not None:
            self._trial.moved = self._trial.moved or not bool((before == after).all())
        return after

    @contextmanager
    def trying(self, pieces: Pieces, trial: Trial) -> Iterator[Trial]:
        """Apply other gates in runs that nobody gets.

        Parameters
        ----------
        pieces : mapping of str to tuple of Piece
        trial : Trial

        Yields
        ------
        Trial
            The given, filled while the model runs.
        """
        before = self._pieces, self._trial
        self._pieces, self._trial = pieces, trial
        try:
            yield trial
        finally:
            self._pieces, self._trial = before
