"""What a screen may ask of a run: one frozen dataclass.

Room: lowest. Comes in: text from a URL, or keywords from Python. Goes out: a checked
:class:`Query`. ``contract.py`` writes the same fields for TypeScript. Imports errors only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal, get_args

from limelight.errors import QueryError

What = Literal[
    "run",
    "grid",
    "map",
    "measures",
    "parameters",
    "summary",
    "tensors",
    "histograms",
    "alerts",
    "studies",
    "study",
]
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
        ``parameters``: histograms over steps. ``summary``: all parameters at one step. ``tensors``:
        numbers of all tensors of a kind over steps. ``histograms``: of some of them, on bins that
        are the same for all. ``alerts``: what goes wrong, or went. ``studies``: what was studied.
        ``study``: numbers of one study, also of one that runs.
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
        Names of parameters, for ``parameters``, or of other tensors; empty means all. Of tensors,
        ``*`` matches anything.
    reduce : str
        How a zoomed-out cell sums up what it covers: ``max`` or ``mean``.
    steps : int
        At most this many steps, first and newest included, 2 to 1000; 0: only those in ``at``.
    rows, columns : (int, int) or None
        For ``map``: the queries and keys to show, from the first up to, not including, the second.
    cells : int or None
        For ``map``: at most so many cells along each axis, 1 to 2048. Without ranges and cells, a
        map of up to 1024 × 1024 comes whole; a larger one, or one of which ranges are asked, has
        512 cells at most.
    strongest : int
        For ``map``, of one example: also name so many of the strongest weights shown, up to 5000.
    kind : str
        Of which tensors: ``parameter``, ``gradient``, ``update``, ``activation``, ``spectrum``,
        ``training``.
    at : tuple of int
        Recorded steps that are to be among them, for ``tensors`` and ``histograms``; negative
        counts from the newest.
    study : str or None
        For ``study``: its key, as ``studies`` lists it; a study's name stands for the newest.

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
    rows: tuple[int, int] | None = None
    columns: tuple[int, int] | None = None
    cells: int | None = None
    strongest: int = 0
    kind: str = "parameter"
    at: tuple[int, ...] = ()
    study: str | None = None

    def __post_init__(self) -> None:
        _among("what", self.what, _WHAT)
        _among("reduce", self.reduce, _REDUCE)
        if self.steps or not self.at:
            _within("steps", self.steps, 2, 1000)
        _within("the number of steps at", len(self.at), 0, 1000)
        _within("cells", 1 if self.cells is None else self.cells, 1, 2048)
        _within("strongest", self.strongest, 0, 5000)
        for name, part in (("rows", self.rows), ("columns", self.columns)):
            if part is not None and not 0 <= part[0] < part[1]:
                raise QueryError(
                    f"Got {name}={part[0]}:{part[1]}.",
                    "Wanted two numbers from 0, the second above the first.",
                    f"Write {name}=0:512 for the first 512.",
                )
        if self.strongest and self.example is None:
            raise QueryError(
                "Got a question for the strongest weights of all examples.",
                "Wanted those of one.",
                "Name it: example=0.",
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

        if self.what == "study" and not self.study:
            raise QueryError(
                "Got a question for a study without its key.",
                "Wanted one that what=studies lists.",
                "Name it: study=KEY.",
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
            if name == "at":
                values[name] = tuple(_number(name, text) for text in texts)
                continue
            if len(texts) != 1:
                raise QueryError(
                    f"Got {len(texts)} values for {name!r}.", "Wanted one.", "Send the field once."
                )
            values[name] = _READ.get(name, _plain)(name, texts[0])
        if "what" not in values:
            raise QueryError(
                "Got a question without 'what'.", f"Wanted one of {_WHAT}.", "Add what=run, say."
            )
        return cls(**values)  # type: ignore[arg-type]  # each value was checked by name above


def _plain(_name: str, text: str) -> str:
    return text


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise QueryError(
            f"Got {name}={text!r}.", "Wanted a whole number.", "Send digits only."
        ) from None


def _pair(name: str, text: str) -> tuple[int, int]:
    first, mark, last = text.partition(":")
    if not mark:
        raise QueryError(
            f"Got {name}={text!r}.", "Wanted two numbers.", f"Write {name}=0:512 for the first 512."
        )
    return _number(name, first), _number(name, last)


#: How the text of a field becomes its value; of others, it is the value.
_READ: dict[str, Callable[[str, str], object]] = {
    **dict.fromkeys(("step", "example", "head", "steps", "cells", "strongest"), _number),
    **dict.fromkeys(("rows", "columns"), _pair),
}


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise QueryError(
            f"Got {name}={value}.", f"Wanted {least} to {most}.", f"Ask for {least} to {most}."
        )


def _among(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise QueryError(
            f"Got {name}={value!r}.", f"Wanted one of {allowed}.", "Correct its spelling."
        )
