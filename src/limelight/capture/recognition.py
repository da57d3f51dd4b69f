"""What adapters share in telling which softmaxes are attention.

Room: capture. Comes in: paths that a user named, and softmaxes with the reasons why they are none.
Goes out: what the user decided on, a record of every softmax, or an error that says what was seen.
Knows no framework.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from limelight.capture.checking import Values
from limelight.capture.probe.axes import INPUTS
from limelight.errors import NoAttentionError, UnsupportedModelError

if TYPE_CHECKING:
    from limelight.capture.probe import Probe

#: What a framework calls the parts of a model.
Part = Literal["layer", "module"]

# How many of what was seen an error lists.
_PARTS, _SOFTMAXES = 12, 6


@dataclass(frozen=True)
class Softmax:
    """A softmax that ran, and what it was taken for.

    Attributes
    ----------
    path : str
        Of its site, where it was taken; else of the module it ran in.
    module_class : str
        Name of that module's class; empty where there is no module.
    shape : tuple of int
        Of what went into it.
    axes : tuple of (str or None)
        The role of each of these axes: ``example``, ``head``, ``query``, ``key``, ``feature``;
        None where it is not known.
    kind : str, optional
        What it was taken for: ``self``, ``cross``, ``pooling`` or ``feature``; None where it was
        not taken.
    reason : str
        Why it was not taken, or why for this.
    reading : str
        A note where two readings of its axes remain; else empty.
    stage : str
        What of its weights is shown, where it is not the plain softmax, such as ``after mask and
        renormalisation``.
    argument : str
        The argument that changes what it is taken for.
    source : object, optional
        What the adapter knows of it beside.
    calls : int
        How many that are alike ran under this path, one after another.
    values : Values, optional
        What it held for one example.
    """

    path: str
    module_class: str = ""
    shape: tuple[int, ...] = ()
    axes: tuple[str | None, ...] = ()
    kind: str | None = None
    reason: str = ""
    reading: str = ""
    stage: str = ""
    argument: str = ""
    source: Any = field(default=None, compare=False, repr=False)
    calls: int = 1
    values: Values | None = field(default=None, compare=False, repr=False)

    @property
    def change(self) -> str:
        """What to say to change what it is taken for, such as ``include=['head']``."""
        path = self.path.partition(":")[0]
        if self.argument == "axes":
            if "not begin with" in self.reason:
                return "axes={'inputs': 1}"
            return f"axes={{{path!r}: {self.axes or ('example', 'head', 'query', 'key')}}}"
        return f"{self.argument}=[{path!r}]" if self.argument else ""


@dataclass(frozen=True)
class Choice:
    """What a user decided, whatever an adapter would say.

    Attributes
    ----------
    include, exclude : sequence of str
        Paths (``*`` matches anything) of softmaxes that are attention, or are not.
    axes : mapping of str to tuple of (str or None), optional
        Roles of the axes of softmaxes' inputs, by such paths.
    strict : bool
        Whether everything that is named must run.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    axes: Mapping[str, Any] | None = None
    strict: bool = True

    @classmethod
    def of(cls, probe: Probe) -> Choice:
        """Return what a probe's user decided.

        Parameters
        ----------
        probe : Probe

        Returns
        -------
        Choice
        """
        said = {path: roles for path, roles in (probe.axes or {}).items() if path != INPUTS}
        return cls(tuple(probe.include or ()), tuple(probe.exclude or ()), said or None)

    def axes_of(self, path: str) -> tuple[str | None, ...] | None:
        """Return the roles that the user gave the axes of a path's softmaxes; None if none.

        Parameters
        ----------
        path : str

        Returns
        -------
        tuple of (str or None), optional
            The last pattern that matches counts.
        """
        said = [roles for pattern, roles in (self.axes or {}).items() if fnmatchcase(path, pattern)]
        return tuple(said[-1]) if said else None

    def includes(self, path: str) -> bool:
        """Say whether the softmaxes of a path are attention because the user says so.

        Parameters
        ----------
        path : str

        Returns
        -------
        bool
        """
        return any(fnmatchcase(path, pattern) for pattern in self.include)

    def excludes(self, path: str) -> bool:
        """Say whether the softmaxes of a path are not attention because the user says so.

        Parameters
        ----------
        path : str

        Returns
        -------
        bool
        """
        return any(fnmatchcase(path, pattern) for pattern in self.exclude)

    def check(self, seen: Sequence[str], others: Iterable[Softmax], part: Part) -> None:
        """Make sure that what the user named ran, and can be read.

        Parameters
        ----------
        seen : sequence of str
            The paths of all softmaxes that ran.
        others : iterable of Softmax
            Those that are not attention.
        part : ``layer`` or ``module``

        Raises
        ------
        UnsupportedModelError
            If a pattern matches no path, or ``include`` one whose softmax cannot be read.
        """
        if not self.strict:
            return
        named = (("include", self.include), ("exclude", self.exclude), ("axes", self.axes or ()))
        for name, patterns in named:
            for pattern in patterns:
                if not any(fnmatchcase(path, pattern) for path in seen):
                    raise UnsupportedModelError(
                        f"Got {name}={pattern!r}, where no softmax ran.",
                        f"Softmaxes ran in: {', '.join(dict.fromkeys(seen)) or f'no {part}'}.",
                        "Name one of these.",
                    )
        refused = next((other for other in others if self.includes(other.path)), None)
        if refused is not None:
            raise UnsupportedModelError(
                f"Got include= for the softmax in {refused.path!r}: {refused.reason}.",
                "Wanted a softmax that reads as [example, …, query, key].",
                "Leave it out, or put the examples on the first axis.",
            )


def nothing_seen(
    model: str,
    part: Part,
    ran: Iterable[str],
    others: Sequence[Softmax],
    *,
    why: str,
    wanted: str,
    fix: str,
    or_include: bool = True,
) -> NoAttentionError:
    """Build the error that says what was seen instead of attention.

    Parameters
    ----------
    model : str
        Its name.
    part : ``layer`` or ``module``
    ran : iterable of str
        Paths of what ran in it, in order.
    others : sequence of Softmax
        Softmaxes that are not attention.
    why : str
        What hides attention, where that is known; else empty.
    wanted, fix : str
        What the framework's attention is made with, and what to do.
    or_include : bool
        Whether ``include`` may help, where it would change what a softmax was taken for.

    Returns
    -------
    NoAttentionError

    Examples
    --------
    >>> error = nothing_seen("m", "layer", ["lstm"], [], why="", wanted="Wanted X.", fix="Use X.")
    >>> str(error)
    "No attention was seen in the model 'm'; its layers that ran: lstm. Wanted X. Use X."
    """
    paths = list(dict.fromkeys(path for path in ran if path))
    listed = ", ".join(paths[:_PARTS]) or "none"
    if len(paths) > _PARTS:
        listed += f" and {len(paths) - _PARTS} more"
    came = f"No attention was seen in the model {model!r}; its {part}s that ran: {listed}."
    reasons = list(
        dict.fromkeys(
            f"{other.path!r} ({other.module_class or f'no {part}'}): {other.reason}"
            for other in others
        )
    )
    if reasons:
        came += f" Softmaxes that are not attention: {'; '.join(reasons[:_SOFTMAXES])}."
    if why:
        came += f" {why}"
    doubtful = [other.path for other in others if other.argument]
    if "include" in {other.argument for other in others} and or_include:
        first = next(other.path for other in others if other.argument == "include")
        fix = f"If one of these is attention after all, say include=[{first!r}]. {fix}"
    error = NoAttentionError(came, wanted, fix)
    error.plain = not (doubtful or why or any(_speaks(path) for path in paths))
    return error


def _speaks(path: str) -> bool:
    """Say whether a name speaks of attention, though none was seen."""
    return "attention" in path.lower() or "attn" in path.lower()
