"""What a number was like in the records before.

Room: below the rules. Comes in: numbers over records. Goes out: the same shape.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from limelight.alerts.judging.history import Numbers

#: Records that count as recent, and how many there must be.
RECENT: Final = 20
FEWEST: Final = 4


def typical(values: Numbers) -> Numbers:
    """Return the geometric mean of each number's last records, without its own.

    Parameters
    ----------
    values : array [record, tensor]
        Those that are not above 0, or no finite numbers, are left out.

    Returns
    -------
    array [record, tensor]
        NaN where there are too few before.

    Examples
    --------
    >>> typical(np.array([[1.0], [4.0], [1.0], [4.0], [99.0]]))[-1].tolist()
    [2.0]
    """
    values = values.astype(np.float64)  # sums over thousands of records
    known = np.isfinite(values) & (values > 0)
    logs = np.log(values, where=known, out=np.zeros_like(values))
    sums, counts = _before(logs), _before(known.astype(np.float64))
    means = np.divide(sums, counts, where=counts >= FEWEST, out=np.full(values.shape, np.nan))
    typical_values: Numbers = np.exp(means)
    return typical_values


def _before(values: Numbers) -> Numbers:
    """Return sums over the last records before each."""
    whole = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    ends = np.arange(len(values))
    sums: Numbers = whole[ends] - whole[np.maximum(ends - RECENT, 0)]
    return sums
