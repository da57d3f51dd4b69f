"""Numbers of attention's heads that several rules need.

Room: below the rules. Comes in: a table of measures. Goes out: numbers [record, head].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.alerts.judging.history import Numbers, Table


def evenness(table: Table) -> Numbers:
    """Return entropy by that of even attention over the same keys, 0 to 1.

    Parameters
    ----------
    table : Table
        Of attention.

    Returns
    -------
    array [record, head]
        NaN where every query has but one key.
    """
    most = table["entropy_uniform"]
    nothing = np.full(most.shape, np.nan)
    even: Numbers = np.divide(table["entropy"], most, where=most > 1e-6, out=nothing)
    return even


def of_site(
    table: Table, flags: NDArray[np.bool_], joined: Callable[..., Any]
) -> NDArray[np.bool_]:
    """Return for each head what its site's heads have in common.

    Parameters
    ----------
    table : Table
    flags : array [record, head]
    joined : callable
        ``np.all`` or ``np.any``.

    Returns
    -------
    array [record, head]
    """
    sites = np.array([name.rpartition("#")[0] for name in table.names])
    shared = np.zeros(flags.shape, bool)
    for site in np.unique(sites):
        heads = sites == site
        shared[:, heads] = joined(flags[:, heads], axis=1)[:, None]
    return shared
