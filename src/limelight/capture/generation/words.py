"""Which ids a module was called with, call after call of a model that generates, become one row.

Room: capture. Comes in: ids of successive calls. Goes out: those of the whole sequence. Knows no
framework.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limelight.capture.wording import Ids


def sequence(calls: Sequence[Ids | None]) -> Ids | None:
    """Join the ids of successive calls: each goes on where the last one stopped, or begins anew.

    Parameters
    ----------
    calls : sequence of Ids or None

    Returns
    -------
    Ids or None
        None where those of a call are not known, or are of other examples.

    Examples
    --------
    >>> prompt, word = (Ids("input_ids", np.array([row])) for row in ([5, 6], [7]))
    >>> sequence([prompt, word]).numbers.tolist()
    [[5, 6, 7]]
    """
    first = calls[0] if calls else None
    if first is None:
        return None
    numbers = first.numbers
    for ids in calls[1:]:
        if ids is None or len(ids.numbers) != len(numbers):
            return None
        length = numbers.shape[1]
        again = ids.numbers.shape[1] > length and np.array_equal(ids.numbers[:, :length], numbers)
        numbers = ids.numbers if again else np.concatenate([numbers, ids.numbers], axis=1)
    return Ids(first.name, numbers)
