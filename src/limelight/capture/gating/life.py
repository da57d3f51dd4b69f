"""The life of gates on one model, the same for every framework.

Room: capture. A gate's sites are *discovered* by a dry run of the model, the gate is *proved* by
silencing its heads, then it is *applied* in each call, and a gate that *never ran* is an error.
Comes in: gates, and :class:`Trials`, the runs that an adapter can make. Goes out: which gates may
be applied, what stands in for contributions, or an error. Knows no framework and no tensor.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from limelight.capture.gating.gates import Gates, Piece, never_ran, without_effect
from limelight.capture.probe import Probe

Result = TypeVar("Result")

#: Gates by the names of their sites.
Pieces = Mapping[str, tuple[Piece, ...]]


@dataclass(eq=False)
class Known:
    """What was found out about a model.

    Attributes
    ----------
    sites : dict
        What the adapter needs to know of each site, under keys of its own.
    heads : dict of str to int
        How many heads each site has.
    proved : set of str
        Sites whose gates reach the model's output.
    """

    sites: dict[Any, Any] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    proved: set[str] = field(default_factory=set)


# Of each model, for as long as it lives, under each way it may run.
_memory: weakref.WeakKeyDictionary[Any, dict[str, Known]] = weakref.WeakKeyDictionary()


def known(model: Any, way: str = "") -> Known:
    """Return what was found out about a model, to be added to.

    Parameters
    ----------
    model : object
    way : str
        Tells apart the ways a model may run, such as kernels, where they make other sites of it.

    Returns
    -------
    Known
    """
    return _memory.setdefault(model, {}).setdefault(way, Known())


class DryRun(NamedTuple):
    """What a dry run found.

    Attributes
    ----------
    heads : mapping of str to int
        Each site that ran, and how many heads it has.
    whole : bool
        Whether the whole model ran, so that a site which is not there is none of the model's.
    """

    heads: Mapping[str, int]
    whole: bool


class Silenced(NamedTuple):
    """What came of a run whose named heads were silent.

    Attributes
    ----------
    met : set of str
        Sites whose gates were applied.
    changed : bool
        Whether anything came out otherwise, or nothing could have: the heads contributed zeros.
    """

    met: set[str]
    changed: bool


class Trials(Protocol):
    """Runs of a model beside a call of it, whose outcome nobody gets; an adapter makes them."""

    def aside(self, act: Callable[[], Result]) -> Result:
        """Do something that leaves no trace in the model or in the call under way.

        Parameters
        ----------
        act : callable

        Returns
        -------
        object
            What it returns.
        """

    def dry_run(self) -> DryRun | None:
        """Run the call ungated, and note its sites.

        Returns
        -------
        DryRun or None
            None where the call fails by itself, and so will say why in its own words.
        """

    def silenced(self, pieces: Pieces) -> Silenced:
        """Run the call once more, with these gates.

        Parameters
        ----------
        pieces : mapping of str to tuple of Piece

        Returns
        -------
        Silenced
        """

    def depends(self, sites: Sequence[str]) -> bool:
        """Say whether what comes out depends on heads whose silence makes no difference.

        Parameters
        ----------
        sites : sequence of str

        Returns
        -------
        bool
        """

    def contributions(self, probe: Probe) -> dict[str, Any]:
        """Run the model on a reference, ungated.

        Parameters
        ----------
        probe : Probe

        Returns
        -------
        dict of str to tensor
            By site, what stands in for what its heads contribute.
        """


class Life:
    """The life of gates, from the first call in a context to its end.

    Parameters
    ----------
    gates : Gates
    facts : Known
        Of the model that they are for.
    discovered : bool
        Whether all sites are known and need no proof.

    Attributes
    ----------
    gates : Gates
    heads : dict of str to int
    applied : set of str
        Sites whose gates were applied.
    ready : bool
        Whether every gate was proved.
    reference : dict of str to tensor, or None
        What stands in for contributions, by site; None where it was not computed yet.

    Raises
    ------
    GateError
        If it is known already that a site or head is not there.
    """

    def __init__(self, gates: Gates, facts: Known, discovered: bool = False) -> None:
        self.gates = gates
        self.heads = facts.heads
        self.applied: set[str] = set()
        self.reference: dict[str, Any] | None = {} if gates.reference is None else None
        self._proved = facts.proved
        self._failed = False  # an error was raised that may have kept gates from being applied
        self.ready = discovered or all(site in self._proved for site in gates.sites)
        if self.ready:
            gates.check(self.heads)

    @contextmanager
    def lived(self) -> Iterator[None]:
        """Raise, as the context ends, if a gate never ran.

        Yields
        ------
        None

        Raises
        ------
        GateError
        """
        yield
        if not self._failed:
            self.check_applied()

    def check_applied(self) -> None:
        """Raise if a gate was not applied.

        Raises
        ------
        GateError
        """
        missing = [site for site in self.gates.sites if site not in self.applied]
        if missing:
            raise never_ran(missing)

    def turn_to(self, gates: Gates) -> None:
        """Apply other gates from now on; only where all sites are known.

        Parameters
        ----------
        gates : Gates
            Without replacement.

        Raises
        ------
        GateError
            If a site or head is not there.
        """
        gates.check(self.heads)
        self.gates = gates
        self.applied.clear()

    def begin(self, trials: Trials) -> None:
        """Make ready for one outermost call: discover, prove, and run the reference, once.

        Parameters
        ----------
        trials : Trials

        Raises
        ------
        GateError
            If a site or head is not there, gating does not reach the output, or the reference does
            not run a site.
        """
        self._failed = True
        runs = self.ready or trials.aside(lambda: self._prepare(trials))
        if runs and self.reference is None:
            given = self.gates.reference
            probe = given if isinstance(given, Probe) else Probe(given)
            trials.aside(lambda: self._refer(trials, probe))
        self._failed = False

    def _prepare(self, trials: Trials) -> bool:
        """Find the sites of a call, and prove that gates reach its outputs; False if it fails."""
        run = trials.dry_run()
        if run is None:
            return False
        self.heads.update(run.heads)
        named = [site for site in self.gates.sites if site in self.heads]
        complete = len(named) == len(self.gates.sites)
        if complete or run.whole:
            self.gates.check(self.heads)
        fresh = [site for site in named if site in run.heads and site not in self._proved]
        if fresh:
            self._prove(fresh, trials)
        self.ready = complete
        return True

    def _prove(self, sites: list[str], trials: Trials) -> None:
        """Silence heads; if all comes out as before, see whether it depends on them all the same.

        Perhaps nothing weighs these heads just now.
        """
        met, changed = trials.silenced(gated_alike(self.gates, sites, 0.0))
        lost = [site for site in sites if site not in met]
        if not lost and not changed and not trials.depends(sites):
            lost = sites
        if lost:
            raise without_effect(lost)
        self._proved.update(sites)

    def _refer(self, trials: Trials, probe: Probe) -> None:
        contributions = trials.contributions(probe)
        missing = [site for site in self.gates.sites if site not in contributions]
        if missing:
            raise never_ran(missing)
        self.reference = contributions


def gated_alike(gates: Gates, sites: Sequence[str], value: float) -> dict[str, tuple[Piece, ...]]:
    """Return the gates of some sites, with one value for all of them.

    Parameters
    ----------
    gates : Gates
    sites : sequence of str
    value : float

    Returns
    -------
    dict of str to tuple of Piece
    """
    return {site: tuple(Piece(piece.heads, value) for piece in gates.sites[site]) for site in sites}
