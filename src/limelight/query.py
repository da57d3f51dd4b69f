"""What a screen may ask of a run: one frozen dataclass.

Room: lowest. Comes in: text from a URL, or keywords from Python. Goes out: a checked
:class:`Query`. ``contract.py`` writes the same fields for TypeScript. Imports errors only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal, get_args

from limelight.errors import QueryError

What = Literal["run", "grid", "map", "measures", "parameters", "summary"]
Reduce = Literal["max", "mean"]

_WHAT: tuple[str, ...] = get_args(What)
_REDUCE: tuple[str, ...] = get_args(Reduce)


@dataclass(frozen=True)
class Query:
    """One question to one run.

    Attributes
    ----------
    what : str
        ``run``: steps, sites, examples, parameters. ``grid``: a small picture and the measures of
        every head. ``map``: one head in full. ``measures``: one site's measures over steps.
        ``parameters``: histograms over steps. ``summary``: all parameters at one step.
    run : str
        Name of the run as TensorBoard lists it.
    step : int
        A recorded step; negative counts from the newest, so -1 is the newest.
    example : int or None
        Index of the probe's example; None where the question spans all of them.
    site : str or None
        Path of the attention module.
    head : int or None
        Index of the head.
    parameter : tuple of str
        Names of parameters, for ``parameters``; empty means all.
    reduce : str
        How a zoomed-out cell sums up what it covers: ``max`` or ``mean``.
    steps : int
        At most this many steps, first and newest included, 2 to 1000.

    Examples
    --------
    >>> Query.parse({"what": ["map"], "run": ["lstm"], "site": ["pool"], "head": ["0"]}).head
    0
    """

    what: What
    run: str = "."
    step: int = -1
    example: int | None = None
    site: str | None = None
    head: int | None = None
    parameter: tuple[str, ...] = ()
    reduce: Reduce = "max"
    steps: int = 60

    def __post_init__(self) -> None:
        _among("what", self.what, _WHAT)
        _among("reduce", self.reduce, _REDUCE)
        if not 2 <= self.steps <= 1000:
            raise QueryError(
                f"Got steps={self.steps}.", "Wanted 2 to 1000.", "Ask for fewer steps at a time."
            )
        if self.what == "map" and (self.site is None or self.head is None):
            raise QueryError(
                "Got a question for a map without its site or head.",
                "Wanted both.",
                "Name them: site=PATH, head=INDEX.",
            )
        if self.what == "measures" and self.site is None:
            raise QueryError(
                "Got a question for measures without a site.",
                "Wanted the path of an attention module.",
                "Name it: site=PATH.",
            )

    @classmethod
    def parse(cls, form: Mapping[str, Sequence[str]]) -> Query:
        """Build a query from the repeated text fields of a URL.

        Parameters
        ----------
        form : mapping of str to sequence of str
            Field name to its values, as ``urllib.parse.parse_qs`` gives them.

        Returns
        -------
        Query

        Raises
        ------
        QueryError
            If a field is unknown, repeated where one value is wanted, or not a number where one is.
        """
        known = {field.name for field in fields(cls)}
        values: dict[str, object] = {}
        for name, texts in form.items():
            if name not in known:
                raise QueryError(
                    f"Got an unknown field {name!r}.",
                    f"Wanted some of {sorted(known)}.",
                    "Leave it out, or correct its spelling.",
                )
            if name == "parameter":
                values[name] = tuple(texts)
                continue
            if len(texts) != 1:
                raise QueryError(
                    f"Got {len(texts)} values for {name!r}.", "Wanted one.", "Send the field once."
                )
            values[name] = _number(name, texts[0]) if name in _NUMBERS else texts[0]
        if "what" not in values:
            raise QueryError(
                "Got a question without 'what'.", f"Wanted one of {_WHAT}.", "Add what=run, say."
            )
        return cls(**values)  # type: ignore[arg-type]  # each value was checked by name above


_NUMBERS = frozenset({"step", "example", "head", "steps"})


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise QueryError(
            f"Got {name}={text!r}.", "Wanted a whole number.", "Send digits only."
        ) from None


def _among(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise QueryError(
            f"Got {name}={value!r}.", f"Wanted one of {allowed}.", "Correct its spelling."
        )
