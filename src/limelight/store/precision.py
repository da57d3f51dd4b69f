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

    name: Form
    max_error: float
    dtype: str
    fill: Any

    def encode(self, weights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Turn float32 weights into their stored form."""
        if self.name == "float16":
            return np.asarray(weights.astype("<f2"))
        # One look-up on the bits of a half costs a third of a square root and a rounding.
        return np.asarray(_codes()[weights.astype("<f2").view("<u2")])

    def decode(self, stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Turn stored weights back into float32."""
        if self.name == "float16":
            return np.asarray(stored, np.float32)
        return np.asarray(_values()[stored])


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


# Between 0.5 and 1 neighbouring halves lie 2**-11 apart. The steps of the compact form are
# coarsest at 1: half a step of the root, twice, plus what the half's own rounding adds.
_FORMS = {
    "float16": Precision("float16", 2.0**-12, "float16", "NaN"),
    "compact": Precision("compact", 1 / LEVELS + 2.0**-12, "uint8", NAN_CODE),
}

_TABLES: dict[str, np.ndarray[Any, Any]] = {}


def _codes() -> np.ndarray[Any, Any]:
    """Return the compact code of every half."""
    if "codes" not in _TABLES:
        halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
        with np.errstate(invalid="ignore"):
            roots = np.sqrt(np.clip(halves, 0, 1)) * LEVELS
        codes = np.where(np.isnan(roots), NAN_CODE, np.rint(roots))
        _TABLES["codes"] = codes.astype(np.uint8)
    return _TABLES["codes"]


def _values() -> np.ndarray[Any, Any]:
    """Return the weight of every compact code."""
    if "values" not in _TABLES:
        values = (np.arange(256, dtype=np.float64) / LEVELS) ** 2
        values[LEVELS + 1 :] = np.nan
        _TABLES["values"] = values.astype(np.float32)
    return _TABLES["values"]
