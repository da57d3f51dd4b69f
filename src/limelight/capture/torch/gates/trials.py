"""Runs of a torch model whose outcome nobody gets: to find its sites, and to try gates on them.

Room: capture, torch. Comes in: a call that is about to be made. Goes out: what
:class:`~limelight.capture.gating.life.Life` asks of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from limelight.capture.gating.life import DryRun, Pieces, Result, Silenced, Trials, gated_alike
from limelight.capture.probe import Probe
from limelight.capture.torch.calling import accepted, forward
from limelight.capture.torch.gates.blending import digest
from limelight.capture.torch.gates.discovery import Site, call, dry_run, tensors_in
from limelight.capture.torch.intercept.modes import aside
from limelight.capture.torch.state import untouched

if TYPE_CHECKING:
    from limelight.capture.torch.gates.gating import Gating


@dataclass(eq=False)
class Trial:
    """What one such run met.

    Attributes
    ----------
    met : set of str
        Sites whose gates were applied.
    moved : bool
        Whether a gate changed anything.
    contributions : dict of str to tensor, optional
        If given, collects what heads contribute, [row, head, query, feature]; nothing is gated.
    leaves : list of tensor, optional
        If given, collects contributions that gradients may be asked for; nothing is gated.
    """

    contributions: dict[str, Any] | None = None
    leaves: list[Any] | None = None
    met: set[str] = field(default_factory=set)
    moved: bool = False

    def passed(self, site: Site, rows: Any) -> Any:
        """Note that a site's gates are about to be applied.

        Parameters
        ----------
        site : Site
        rows : tensor [example, head, query, feature]
            What its heads contribute.

        Returns
        -------
        tensor or None
            What stands for the contributions; None if they are to be gated.
        """
        self.met.add(site.name)
        if self.contributions is not None:
            self.contributions[site.name] = rows.detach()
            return rows
        if self.leaves is not None:
            self.leaves.append(rows.detach().requires_grad_())
            return self.leaves[-1]
        return None

    def reaches(self, outputs: Any) -> bool:
        """Say whether what a run returned was computed from its leaves.

        Parameters
        ----------
        outputs : object

        Returns
        -------
        bool
        """
        import torch

        ends = [tensor for tensor in tensors_in(outputs) if tensor.requires_grad]
        if not ends:
            return False
        total = torch.stack([end.sum().abs() for end in ends]).sum()
        gradients = torch.autograd.grad(total, self.leaves or [], allow_unused=True)
        return all(gradient is not None for gradient in gradients)


class CallTrials(Trials):
    """Trials of one call of a model, or of a module of it.

    Parameters
    ----------
    gating : Gating
    module : torch.nn.Module
        What is called.
    args, kwargs : tuple, mapping
    """

    def __init__(
        self, gating: Gating, module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        self._gating = gating
        self._module, self._args, self._kwargs = module, args, kwargs
        self._plain: Any = None  # what the ungated call returns

    def aside(self, act: Callable[[], Result]) -> Result:
        with untouched(self._gating.model):
            return act()

    def dry_run(self) -> DryRun:
        gating = self._gating
        with aside():
            sites, self._plain = dry_run(
                gating.model,
                (self._args, self._kwargs),
                self._run,
                choice=gating.life.gates.choice,
            )
        gating.sites.update(sites)
        heads = {site.name: site.heads for site in sites.values()}
        return DryRun(heads, whole=self._module is gating.model)

    def silenced(self, pieces: Pieces) -> Silenced:
        import torch

        with self._gating.beside(), self._gating.trying(pieces, Trial()) as trial:
            outputs = self._run()
        pairs = zip(tensors_in(self._plain), tensors_in(outputs), strict=True)
        same = all(torch.equal(before, after) for before, after in pairs)
        return Silenced(trial.met, changed=not same or not trial.moved)

    def depends(self, sites: Sequence[str]) -> bool:
        import torch

        pieces = gated_alike(self._gating.life.gates, sites, 0.0)
        trying = self._gating.trying(pieces, Trial(leaves=[]))
        with torch.enable_grad(), self._gating.beside(), trying as trial:
            return trial.reaches(self._run())

    def contributions(self, probe: Probe) -> dict[str, Any]:
        gating, gates = self._gating, self._gating.life.gates

        def collected(inputs: Any) -> dict[str, Any]:
            with gating.trying(gates.sites, Trial(contributions={})) as trial:
                forward(gating.model, inputs, probe.call)()
            return trial.contributions or {}

        rows = accepted(gating.model, probe, collected)
        return {site: digest(gates.replace, values) for site, values in rows.items()}

    def _run(self) -> Any:
        return call(self._module, self._args, self._kwargs)
