"""Which sites are recorded, where not all are.

Room: beside renamed. Comes in: what a user wrote for ``sites=``, names of sites. Goes out: those
that are wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from limelight.errors import LimelightError, NotRecordedError


def patterns(sites: Sequence[str] | str | None) -> tuple[str, ...] | None:
    """Return the patterns a user wrote, checked.

    Parameters
    ----------
    sites : str, sequence of str, or None

    Returns
    -------
    tuple of str or None
        None for all sites.

    Raises
    ------
    LimelightError
        If it is none of these, or empty.

    Examples
    --------
    >>> patterns("encoder/*")
    ('encoder/*',)
    """
    if sites is None:
        return None
    listed: tuple[object, ...] = (sites,) if isinstance(sites, str) else _several(sites)
    if not listed or not all(isinstance(name, str) and name for name in listed):
        raise LimelightError(
            f"Got sites={sites!r}.",
            "Wanted names of sites, where * matches anything, or a list of such.",
            "Write sites=['encoder/*'], or leave it out to record all; probe=None records none.",
        )
    return tuple(map(str, listed))


def selected(names: Iterable[str], wanted: tuple[str, ...] | None) -> list[str]:
    """Return the names that match a pattern, in their own order.

    Parameters
    ----------
    names : iterable of str
    wanted : tuple of str or None
        None for all.

    Returns
    -------
    list of str

    Raises
    ------
    NotRecordedError
        If there are names, and none matches.

    Examples
    --------
    >>> selected(["encoder/0", "encoder/1", "decoder/0"], ("encoder/*",))
    ['encoder/0', 'encoder/1']
    """
    every = list(names)
    if wanted is None:
        return every
    matching = [name for name in every if any(fnmatchcase(name, pattern) for pattern in wanted)]
    if every and not matching:
        raise NotRecordedError(
            f"Got sites={list(wanted)}, which names none of the model's.",
            f"Wanted one of {', '.join(every[:9])}{' …' if len(every) > 9 else ''}.",
            "Correct the names, or leave sites out to record all.",
        )
    return matching


def _several(sites: object) -> tuple[str, ...]:
    """Return what a sequence holds, nothing of anything else."""
    return tuple(sites) if isinstance(sites, Iterable) and not isinstance(sites, bytes) else ()
