"""Which sites are recorded, where not all are.

Room: beside renamed. Comes in: what a user wrote for ``sites=``, names of sites. Goes out: those
that are wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from limelight.errors import LimelightError, NotRecordedError


def patterns(sites: Sequence[str] | str | None, what: str = "sites") -> tuple[str, ...] | None:
    """Return the patterns a user wrote, checked.

    Parameters
    ----------
    sites : str, sequence of str, or None
    what : str
        Name of the argument, for messages.

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
            f"Got {what}={sites!r}.",
            f"Wanted names of {what}, where * matches anything, or a list of such.",
            f"Write {what}=['encoder/*'], or leave it out to record all"
            + ("; probe=None records none." if what == "sites" else "."),
        )
    return tuple(map(str, listed))


def selected(
    names: Iterable[str], wanted: tuple[str, ...] | None, what: str = "sites"
) -> list[str]:
    """Return the names that match a pattern, in their own order.

    Parameters
    ----------
    names : iterable of str
    wanted : tuple of str or None
        None for all.
    what : str
        Name of the argument, for messages.

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
            f"Got {what}={list(wanted)}, which names none of the model's.",
            f"Wanted one of {', '.join(every[:9])}{' …' if len(every) > 9 else ''}.",
            f"Correct the names, or leave {what} out to record all.",
        )
    return matching


def expanded(asked: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return names for what was asked: patterns stand for all they match, others for themselves.

    Parameters
    ----------
    asked : sequence of str
        Names, or patterns where ``*`` matches anything.
    known : sequence of str

    Returns
    -------
    list of str
        Each once. A name that is not known stays, for whoever reads it to refuse.

    Examples
    --------
    >>> expanded(["*/bias", "gain"], ["a/kernel", "a/bias", "b/bias", "gain"])
    ['a/bias', 'b/bias', 'gain']
    """
    every = set(known)
    names: dict[str, None] = {}
    for name in asked:
        matching = [] if name in every else [item for item in known if fnmatchcase(item, name)]
        names |= dict.fromkeys(matching or [name])
    return list(names)


def _several(sites: object) -> tuple[str, ...]:
    """Return what a sequence holds, nothing of anything else."""
    return tuple(sites) if isinstance(sites, Iterable) and not isinstance(sites, bytes) else ()
