"""What adapters share in telling which softmaxes are attention.

Room: capture. Comes in: paths that a user named, and softmaxes with the reasons why they are none.
Goes out: what the user decided on, or an error that says what was seen. Knows no framework.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from limelight.errors import UnsupportedModelError

#: What a framework calls the parts of a model.
Part = Literal["layer", "module"]

# How many of what was seen an error lists.
_PARTS, _SOFTMAXES = 12, 6


@dataclass(frozen=True)
class Other:
    """A softmax that is not attention.

    Attributes
    ----------
    path : str
        Of the module it ran in.
    module_class : str
        Name of that module's class; empty where there is no module.
    reason : str
        Why it is not attention.
    """

    path: str
    module_class: str
    reason: str


@dataclass(frozen=True)
class Choice:
    """What a user decided, whatever an adapter would say.

    Attributes
    ----------
    include, exclude : sequence of str
        Paths (``*`` matches anything) of softmaxes that are attention, or are not.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

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

    def check(self, seen: Sequence[str], others: Iterable[Other], part: Part) -> None:
        """Make sure that what the user named ran, and can be read.

        Parameters
        ----------
        seen : sequence of str
            The paths of all softmaxes that ran.
        others : iterable of Other
            Those that are not attention.
        part : ``layer`` or ``module``

        Raises
        ------
        UnsupportedModelError
            If a pattern matches no path, or ``include`` one whose softmax cannot be read.
        """
        for name, patterns in (("include", self.include), ("exclude", self.exclude)):
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
    others: Sequence[Other],
    *,
    why: str,
    wanted: str,
    fix: str,
    or_include: bool = True,
) -> UnsupportedModelError:
    """Build the error that says what was seen instead of attention.

    Parameters
    ----------
    model : str
        Its name.
    part : ``layer`` or ``module``
    ran : iterable of str
        Paths of what ran in it, in order.
    others : sequence of Other
        Softmaxes that are not attention.
    why : str
        What hides attention, where that is known; else empty.
    wanted, fix : str
        What the framework's attention is made with, and what to do.
    or_include : bool
        Whether ``include`` may help, where a softmax was seen.

    Returns
    -------
    UnsupportedModelError

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
    if reasons and or_include:
        first = others[0].path
        fix = f"If one of these is attention after all, say include=[{first!r}]. {fix}"
    return UnsupportedModelError(came, wanted, fix)
