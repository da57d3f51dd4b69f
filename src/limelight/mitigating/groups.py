"""Numbers of groups from labels, crossed where there are several columns.

Room: mitigating. Comes in: labels. Goes out: a number for each example, and the groups' names.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import DimensionError


def crossed(groups: Any, y: Any = None) -> tuple[NDArray[np.intp], list[tuple[Any, ...]]]:
    """Return each example's group, and what the groups are.

    Parameters
    ----------
    groups : array [example] or [example, column]
    y : array [example], optional
        A further column, first.

    Returns
    -------
    array [example], list of tuple
        Groups that come, in order of their labels.

    Raises
    ------
    DimensionError
        If there are no examples, or columns are not as long.

    Examples
    --------
    >>> crossed(["b", "a", "b"], [0, 1, 0])
    (array([0, 1, 0]), [(0, 'b'), (1, 'a')])
    """
    labels = np.asarray(groups)
    columns = [labels] if labels.ndim == 1 else list(labels.T)
    if y is not None:
        columns.insert(0, np.asarray(y))
    sizes = {column.shape for column in columns}
    if len(sizes) != 1 or labels.ndim not in (1, 2) or not labels.size:
        shape = "" if y is None else f", targets of shape {np.shape(y)}"
        raise DimensionError(
            f"Got groups of shape {labels.shape}{shape}.",
            "Wanted a label of each example, or a column of labels for each attribute.",
            "Give as many groups as targets.",
        )
    values, codes = zip(
        *(np.unique(column, return_inverse=True) for column in columns), strict=True
    )
    flat = np.ravel_multi_index([code.ravel() for code in codes], [len(value) for value in values])
    present, numbers = np.unique(flat, return_inverse=True)
    indices = np.unravel_index(present, [len(value) for value in values])
    names = list(zip(*(value[index].tolist() for value, index in zip(values, indices, strict=True)),
                     strict=True))  # fmt: skip
    return numbers.ravel(), names
