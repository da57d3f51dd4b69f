"""Which parameters make what an activation is given, as far as names and shapes tell.

Room: below the rules. Comes in: an activation's name and its number of units. Goes out: tensors.
"""

from __future__ import annotations

import re
from itertools import takewhile

from limelight.alerts.judging.history import Table


def fed_by(activation: str, units: int, table: Table) -> list[int]:
    """Return the tensors of the nearest layer before an activation that has as many units.

    Parameters
    ----------
    activation : str
        A path, or a path, a colon and a function's name.
    units : int
    table : Table
        Of tensors named by their layers.

    Returns
    -------
    list of int
        Ordinals; empty where no layer has so many units.

    Examples
    --------
    >>> from limelight.alerts.judging.history import Member
    >>> import numpy as np
    >>> names, shapes = ("0/bias", "2/bias", "4/bias"), ((8,), (8,), (3,))
    >>> members = tuple(map(Member, shapes))
    >>> fed_by("3", 8, Table("gradient", np.array([1]), names, {}, members))
    [1]
    """
    path = activation.partition(":")[0]
    modules: dict[str, list[int]] = {}
    for ordinal, (name, member) in enumerate(zip(table.names, table.members, strict=True)):
        if member.shape and units in (member.shape[0], member.shape[-1]):
            modules.setdefault(name.rpartition("/")[0], []).append(ordinal)
    if path in modules:
        return modules[path]
    if not modules:
        return []
    shared = {module: _shared(module, path) for module in modules}
    most = max(shared.values())
    near = [module for module in modules if shared[module] == most]
    before = [module for module in near if _order(module) <= _order(path)]
    return modules[max(before, key=_order) if before else near[-1]]


def _shared(module: str, path: str) -> int:
    """Return how many folders two paths have in common."""
    pairs = zip(module.split("/"), path.split("/"), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _order(path: str) -> list[tuple[int, str]]:
    """Return what sorts paths as people count: 9 before 10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", path)]
