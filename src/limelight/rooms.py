"""Says what lies in a room of limelight by looking into its folder; imports none of it.

Room: lowest. Comes in: the name of a room. Goes out: names of its files. So ``import limelight``
knows its measures by name, and loads none.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from functools import cache

from limelight.errors import CatalogueError

# With os, not pkgutil or pathlib, whose first use loads more than all of this package does.
_PACKAGE = os.path.dirname(__file__)


@cache  # a folder does not change under a running process
def members(room: str) -> tuple[str, ...]:
    """Return the names of a room's members, which are its plain files.

    Parameters
    ----------
    room : str
        Name of a folder of limelight: ``analyses``, ``cases``, …, with dots below another.

    Returns
    -------
    tuple of str
        In alphabetical order, without files whose names begin with ``_`` and without folders, which
        hold what members share.

    Examples
    --------
    >>> "entropy" in members("analyses"), "blockwise" in members("analyses")
    (True, False)
    """
    files = os.listdir(os.path.join(_PACKAGE, *room.split(".")))
    stems = (name.removesuffix(".py") for name in files if name.endswith(".py"))
    return tuple(sorted(stem for stem in stems if not stem.startswith("_")))


def homes(room: str, beside: Collection[str]) -> dict[str, str]:
    """Return where each member of a room lies, by the public name that it has for its file's.

    Parameters
    ----------
    room : str
    beside : collection of str
        Public names that are taken.

    Returns
    -------
    dict of str to str
        Name to module.

    Raises
    ------
    CatalogueError
        If a member is called as another public name is, or as one of our modules, which Python puts
        there once it is imported.

    Examples
    --------
    >>> homes("analyses", beside=["capture"])["entropy"]
    'limelight.analyses.entropy'
    """
    modules = {name.partition(".")[0] for name in os.listdir(_PACKAGE)}
    names = members(room)
    for name in names:
        if name in beside or name in modules:
            kind = "module" if name in modules else "name"
            raise CatalogueError(
                f"File {room}/{name}.py would be limelight.{name}, and so is our {kind} {name}.",
                "Wanted one thing of a name.",
                f"Rename {room}/{name}.py and what it holds.",
            )
    return {name: f"limelight.{room}.{name}" for name in names}
