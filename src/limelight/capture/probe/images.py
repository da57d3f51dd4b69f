"""Pictures of what a model is given, and how positions lie in them.

Room: capture, probe. Comes in: input arrays, layouts and sizes of patches. Goes out: layouts, and
pictures at their own resolution and colours, whichever axis their channels lie on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.errors import ProbeError

#: How many numbers of a pixel are its colours: grey, or red, green, blue and perhaps alpha.
_COLOURS = (1, 3, 4)
#: The longest side of a picture that is kept; a larger one is thinned.
_LONGEST = 1024
#: What a model's input of images is called.
_PIXELS = "pixel_values"


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


def pictures(
    arrays: Mapping[str | int, NDArray[Any]],
    layout: tuple[int, int] | None,
    patches: tuple[int, int] | None,
) -> NDArray[Any] | None:
    """Return pictures of the first input that is one.

    Parameters
    ----------
    arrays : dict of (str or int) to array [example, …]
        Inputs by name.
    layout, patches : (int, int), optional
        As a probe takes them; one of them at least.

    Returns
    -------
    array [example, row, column, channel], optional
        Channels last, of any number; None where no input is such a picture.
    """
    ordered = sorted(arrays, key=lambda name: str(name) != _PIXELS)
    for name in ordered:
        array = arrays[name]
        if array.dtype.kind in "uifb":
            for picture in _readings(array, layout):
                if _fits(picture, layout, patches):
                    return picture
    return None


def _readings(array: NDArray[Any], layout: tuple[int, int] | None) -> Iterator[NDArray[Any]]:
    """Return an input with channels last, in each way it may be read, the likelier first."""
    if array.ndim == 4:
        last, first = array, np.moveaxis(array, 1, -1)
        # An image has more rows and columns than colours, and colours are few.
        swapped = array.shape[1] < array.shape[3] and (
            array.shape[1] in _COLOURS or array.shape[3] not in _COLOURS
        )
        yield from (first, last) if swapped else (last, first)
    if layout is not None and array.ndim >= 2:
        rows, columns = layout
        if array.shape[1] == rows * columns:
            yield array.reshape(len(array), rows, columns, -1)
        if array.ndim == 3 and array.shape[2] == rows * columns:
            yield np.moveaxis(array, 1, -1).reshape(len(array), rows, columns, -1)
    if array.ndim == 3:
        yield array[..., None]


def _fits(
    picture: NDArray[Any], layout: tuple[int, int] | None, patches: tuple[int, int] | None
) -> bool:
    """Tell whether a picture divides into patches, or into a layout's rows and columns."""
    _, height, width, channels = picture.shape
    if not (height and width and channels):
        return False
    if patches is not None:
        if height % patches[0] or width % patches[1]:
            return False
        divided = height // patches[0], width // patches[1]
        return layout is None or layout == divided
    if layout is None or height % layout[0] or width % layout[1]:
        return False
    # Pixels may have any number of channels; what is cut into patches is an image of colours.
    return layout == (height, width) or channels in _COLOURS


def coloured(picture: NDArray[Any]) -> NDArray[Any]:
    """Return pictures as they are kept: grey or in colours, no larger than a screen.

    Parameters
    ----------
    picture : array [example, row, column, channel]

    Returns
    -------
    array [example, row, column, channel]
        uint8 where values are bytes, else float32, not rescaled. Channels that are no colours are
        averaged; of sides longer than 1024 pixels, every second, third … pixel is kept.
    """
    thin = -(-max(picture.shape[1:3]) // _LONGEST)
    picture = picture[:, ::thin, ::thin]
    if picture.dtype != np.uint8:
        picture = picture.astype(np.float32)
    if picture.shape[-1] not in _COLOURS:
        picture = picture.mean(axis=-1, keepdims=True, dtype=np.float32)
    return np.ascontiguousarray(picture)


def laid_out(
    arrays: Mapping[str | int, NDArray[Any]],
    layout: tuple[int, int] | None,
    patches: tuple[int, int] | None,
    images: NDArray[Any] | None,
) -> tuple[tuple[int, int] | None, NDArray[Any] | None]:
    """Return how positions lie in an image, and the pictures to show.

    Parameters
    ----------
    arrays : dict of (str or int) to array [example, …]
    layout, patches : (int, int), optional
    images : array [example, …], optional
        To be shown instead of the inputs.

    Returns
    -------
    (int, int), optional
    array [example, row, column, channel], optional

    Raises
    ------
    ProbeError
        If inputs, or the images given, are none of that layout.
    """
    if layout is None and patches is None and images is None:
        return None, None
    layout = None if layout is None else pair("layout", layout)
    patches = None if patches is None else pair("patches", patches)
    shown = None if images is None else _given(images, arrays, layout or patches)
    picture = pictures(arrays, layout, patches)
    if picture is None and shown is not None:
        cut = layout is not None or (patches and _fits(shown, None, patches))
        picture = shown if cut else None
    if picture is None:
        raise _unfit(arrays, layout, patches)
    if layout is None and patches is not None:
        layout = picture.shape[1] // patches[0], picture.shape[2] // patches[1]
    return layout, coloured(picture if shown is None else shown)


def _given(images: Any, arrays: Mapping[str | int, NDArray[Any]], known: Any) -> NDArray[Any]:
    """Return images that were given to be shown, channels last."""
    came = np.asarray(images)
    examples = len(next(iter(arrays.values())))
    if came.ndim not in (3, 4) or len(came) != examples or came.dtype.kind not in "uifb":
        raise ProbeError(
            f"Got images of shape {came.shape} for {examples} examples.",
            "Wanted one for each, [example, row, column] or with channels.",
            "Resize them to one size, and stack them.",
        )
    if known is None:
        raise ProbeError(
            f"Got images of shape {came.shape}, but not how positions lie in them.",
            "Wanted layout=(rows, columns) of positions, or patches=(height, width) in pixels.",
            "Pass one of them, such as layout=(14, 14).",
        )
    return next(_readings(came, None))


def _unfit(
    arrays: Mapping[str | int, NDArray[Any]],
    layout: tuple[int, int] | None,
    patches: tuple[int, int] | None,
) -> ProbeError:
    first = next((a for name, a in arrays.items() if name == _PIXELS), next(iter(arrays.values())))
    if patches is not None:
        said = f"patches={patches}" + ("" if layout is None else f" and layout={layout}")
        return ProbeError(
            f"Got {said} for inputs of shape {first.shape}.",
            "Wanted images [example, row, column, channel] or [example, channel, row, column] that "
            "divide into such patches.",
            "Correct the patch size, or leave it out.",
        )
    return ProbeError(
        f"Got layout={layout} for inputs of shape {first.shape}.",
        "Wanted images of that many rows and columns, flat or not, or that divide into as many "
        "patches.",
        "Correct the layout, or leave it out if positions are not pixels.",
    )
