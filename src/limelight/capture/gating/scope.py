"""Which sites of a model something is meant for, as a user writes it and as adapters read it.

Room: capture. Comes in: patterns of names, and what the user says of softmaxes. Goes out: a
:class:`Scope`. Knows no framework.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from limelight.capture.probe.probe import listed
from limelight.capture.recognition import Choice
from limelight.errors import GateError
from limelight.selection import patterns


@dataclass(frozen=True)
class Scope:
    """Sites of a model.

    Attributes
    ----------
    sites : tuple of str, optional
        Patterns of their names, where ``*`` matches anything; None for all.
    choice : Choice
        Which softmaxes are attention because the user says so.
    """

    sites: tuple[str, ...] | None = None
    choice: Choice = Choice()  # noqa: RUF009  # frozen

    @classmethod
    def of(
        cls,
        sites: Sequence[str] | str | None = None,
        include: Sequence[str] | str | None = None,
        exclude: Sequence[str] | str | None = None,
        axes: Mapping[str, Any] | None = None,
    ) -> Scope:
        """Return the scope that a user wrote.

        Parameters
        ----------
        sites : sequence of str, optional
        include, exclude, axes : optional
            As in :class:`~limelight.capture.probe.Probe`.

        Returns
        -------
        Scope

        Examples
        --------
        >>> Scope.of("encoder/*").sites
        ('encoder/*',)
        """
        # What is named need not run in every call of a model.
        choice = Choice(
            listed("include", include), listed("exclude", exclude), axes or None, strict=False
        )
        return cls(patterns(sites), choice)

    def meant(self, site: str) -> bool:
        """Say whether a site is among them.

        Parameters
        ----------
        site : str

        Returns
        -------
        bool
        """
        return self.sites is None or any(fnmatchcase(site, pattern) for pattern in self.sites)

    def check(self, known: Iterable[str]) -> None:
        """Raise an error if a pattern names no site, or there is none at all.

        Parameters
        ----------
        known : iterable of str
            Every site of the model.

        Raises
        ------
        GateError
        """
        every = list(known)
        listing = ", ".join(every[:40]) or "none was seen"
        for pattern in self.sites or ():
            if not any(fnmatchcase(site, pattern) for site in every):
                raise GateError(
                    f"Got sites={pattern!r}, which is no attention site of this model.",
                    f"Its sites: {listing}.",
                    "Name some of these, as limelight.capture does; * matches anything.",
                )
        if not every:
            raise GateError(
                "Got a model in which no attention was seen.",
                "Wanted attention that limelight.capture sees.",
                "Look at limelight.sites(model, inputs): it says of every softmax what it is.",
            )
