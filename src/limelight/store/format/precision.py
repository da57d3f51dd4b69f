"""The forms in which attention weights are stored.

Room: store. Comes in: float32 weights. Goes out: what is stored, and float32 again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from limelight.errors import StoreError

Form = Literal["float16", "compact"]

#: Levels of the compact form above zero, and its code for NaN. With 100, maps of 128 × 128 took at
#: most 0.19 of their halves, whatever the model; with 254, up to 0.27.
LEVELS = 100
NAN_CODE = 255


@dataclass(frozen=True)
class Precision:
    """One form of stored weights.

    Attributes
    ----------
    name : str
        ``float16``, or ``compact``: the square root of a weight in hundredths, one byte.
    max_error : float
        Largest difference between a weight and what is read back.
    dtype : str
        Type on disk.
    fill : float or str
        What stands for a weight that was never written: NaN.
    """

    name: str
    max_error: float
    dtype: str
    fill: Any

    def encode(self, weights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Turn float32 weights into their stored form."""
        if self.name == "float16":
            return halves(weights)
        codes = np.minimum(np.rint(np.sqrt(weights) * np.float32(LEVELS)), LEVELS)
        codes[np.isnan(codes)] = NAN_CODE
        return np.asarray(codes.astype(np.uint8))

    def decode(self, stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Turn stored weights back into float32."""
        if self.name == "float16":
            return np.asarray(stored, np.float32)
        return np.asarray(_VALUES[stored])


def precision(name: str) -> Precision:
    """Return the form of that name.

    Parameters
    ----------
    name : str
        ``float16`` or ``compact``.

    Returns
    -------
    Precision

    Raises
    ------
    StoreError
        If there is no such form.

    Examples
    --------
    >>> precision("float16").max_error
    0.000244140625
    """
    if name not in _FORMS:
        raise StoreError(
            f"Got precision={name!r}.",
            f"Wanted one of {get_args(Form)}.",
            'Write precision="float16" or precision="compact".',
        )
    return _FORMS[name]


# Between 0.5 and 1 neighbouring halves lie 2**-11 apart. The compact form is coarsest at 1, where
# half a step of the root is a whole one of the weight.
_FORMS = {
    "float16": Precision("float16", 2.0**-12, "float16", "NaN"),
    "compact": Precision("compact", 1 / LEVELS, "uint8", NAN_CODE),
}

_TINY = np.float32(2.0**-14)  # below it, halves are equally spaced
_BLOCK = 1 << 15  # weights worked on at once stay in a core's cache
_VALUES = (np.arange(256, dtype=np.float32) / LEVELS) ** 2
_VALUES[LEVELS + 1 :] = np.nan


def halves(weights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Round float32 weights to float16, three times faster than ``astype`` does.

    Parameters
    ----------
    weights : array
        float32, from 0 to 1; anything else is rounded too, no faster than ``astype``.

    Returns
    -------
    array
        float16 of the same shape, bit for bit what ``astype`` gives, but 0 for -0.

    Notes
    -----
    A half is a float32 with 13 bits less and another bias. Below 2**-14 its spacing is 2**-24, that
    of float32 between 0.5 and 1: adding 0.5 makes the processor round there.

    Examples
    --------
    >>> halves(np.float32([0.1, 1e-6])).tolist() == np.float16([0.1, 1e-6]).tolist()
    True
    """
    flat = np.ascontiguousarray(weights, np.float32).reshape(-1)
    halved = np.empty(flat.size, np.uint16)
    bits = np.empty(_BLOCK, np.uint32)
    raised = np.empty(_BLOCK, np.float32)
    for start in range(0, flat.size, _BLOCK):
        block = flat[start : start + _BLOCK]
        if not (block.min() >= 0 and block.max() <= 2):  # a NaN fails both
            halved[start : start + _BLOCK] = block.astype(np.float16).view(np.uint16)
            continue
        rounded, source = bits[: block.size], block.view(np.uint32)
        # To nearest, halfway to even: add half a unit less one, and one if the last bit is odd.
        np.right_shift(source, 13, out=rounded)
        np.bitwise_and(rounded, 1, out=rounded)
        np.add(rounded, source, out=rounded)
        np.add(rounded, np.uint32((0xFFF - (0x1C000 << 13)) & 0xFFFFFFFF), out=rounded)
        np.right_shift(rounded, 13, out=rounded)
        small = np.add(block, np.float32(0.5), out=raised[: block.size]).view(np.uint32)
        np.subtract(small, np.uint32(0x3F000000), out=small)
        np.copyto(rounded, small, where=block < _TINY)
        halved[start : start + _BLOCK] = rounded
    return halved.view(np.float16).reshape(np.shape(weights))
