"""Pictures of what a model is given, and how positions lie in them.

Room: capture, probe. Comes in: an input array. Goes out: layouts, and grey pictures.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import ProbeError


def pair(name: str, value: Any) -> tuple[int, int]:
    """Return rows and columns as whole numbers.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object

    Returns
    -------
    (int, int)

    Raises
    ------
    ProbeError
        If it is no pair of whole numbers above 0.
    """
    try:
        rows, columns = (int(side) for side in value)
    except (TypeError, ValueError):
        rows = columns = 0
    if rows < 1 or columns < 1:
        raise ProbeError(
            f"Got {name}={value!r}.", "Wanted two whole numbers above 0.", "Write it as (28, 28)."
        )
    return rows, columns


def patch_layout(images: NDArray[Any], patches: tuple[int, int]) -> tuple[int, int]:
    """Return how many patches there are in a column and in a row of an image.

    Parameters
    ----------
    images : array [example, row, column, channel]
    patches : (int, int)
        Height and width of a patch in pixels.

    Returns
    -------
    (int, int)

    Raises
    ------
    ProbeError
        If images do not divide into such patches.
    """
    height, width = pair("patches", patches)
    if images.ndim < 3 or images.shape[1] % height or images.shape[2] % width:
        raise ProbeError(
            f"Got patches={(height, width)} for inputs of shape {images.shape}.",
            "Wanted images [example, row, column, channel] that divide into such patches.",
            "Correct the patch size, or leave it out.",
        )
    return images.shape[1] // height, images.shape[2] // width


def pictures(
    images: NDArray[Any], layout: tuple[int, int], patches: tuple[int, int] | None
) -> NDArray[np.float32] | None:
    """Return inputs as grey pictures [example, row, column]; None where they are none.

    Parameters
    ----------
    images : array [example, …]
    layout : (int, int)
    patches : (int, int), optional

    Returns
    -------
    array [example, row, column], optional
        float32; colour channels are averaged.
    """
    if patches is not None:
        return _grey(images)
    rows, columns = layout
    if images.ndim >= 3 and images.shape[1:3] == (rows, columns):
        return _grey(images)
    size = int(np.prod(images.shape[1:]))
    flat = images.ndim >= 2 and images.shape[1] == rows * columns
    if not flat or size % (rows * columns):
        return None
    return _grey(images.reshape(len(images), rows, columns, -1))


def _grey(images: NDArray[Any]) -> NDArray[np.float32]:
    values = images.astype(np.float32)
    grey: NDArray[np.float32] = values.reshape(*values.shape[:3], -1).mean(axis=-1)
    return grey
