"""One line of the report: what was measured, its bar, what came out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured figure beside its bar.

    Attributes
    ----------
    what : str
        What was measured against what.
    bar : float or None
        The bar; None for a figure that is only reported.
    at_most : bool
        True if the figure should be at most the bar, False if at least.
    value : float
        The figure.
    unit : str
        Written after the number, such as ``×``.
    absolute : str
        The figures behind the ratio, with units.
    how : str
        Which clock, which spread.
    """

    what: str
    bar: float | None
    at_most: bool
    value: float
    unit: str = ""
    absolute: str = ""
    how: str = ""

    @property
    def met(self) -> bool:
        """Whether the bar is met; a figure without a bar always meets it."""
        if self.bar is None:
            return True
        return self.value <= self.bar if self.at_most else self.value >= self.bar

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, to be written as JSON."""
        return asdict(self)
