"""What a measure of attention is: a function of weights, and a card that says what it gives.

Room: lowest but for the rules of data. Comes in: a function of labelled arrays. Goes out: one that
takes plain arrays too, refuses what it cannot measure, and carries its card.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, Protocol

import xarray as xr

from limelight import renamed
from limelight.errors import CatalogueError, LimelightError
from limelight.labelled import POSITION as POSITION
from limelight.labelled import allowed_of, by_rows, checked, counting, emptied, waits, with_dims
from limelight.labelled import positions as positions

#: What is recorded beside measures: how many rows hold a NaN, and, under a measure's name that ends
#: so, for how many other queries it is not defined.
NAN_ROWS: Final = "nan_rows"
LEFT_OUT: Final = "_left_out"

#: Recorded beside measures: the largest score before the softmax. It follows from no weights.
LARGEST_SCORE: Final = "largest_score"

#: Ends the name under which a measure of uniform attention is read.
UNIFORM: Final = "_uniform"


@dataclass(frozen=True)
class Words:
    """A measure's words in one language.

    Attributes
    ----------
    title : str
        A few words, as a screen shows them.
    answers : str
        One sentence; may be empty.
    """

    title: str
    answers: str


@dataclass(frozen=True)
class ClosedForm:
    """A measure as a function of the sums of one pass over the scores.

    Attributes
    ----------
    sums : tuple of str
        Which sums it needs, of those in :mod:`limelight.analyses.blockwise.sums`.
    function : callable
        Takes the sums, gives float64 [example, head, query].
    """

    sums: tuple[str, ...]
    function: Callable[[Any], Any]


@dataclass(frozen=True)
class Analysis:
    """What an analysis says of itself, read by the CLI, the docs and the screens; can be called.

    Attributes
    ----------
    name : str
        The function's name.
    title : str
        A few words, as a screen shows them.
    answers : str
        First sentence of its docstring.
    zh : Words
        The same in Chinese.
    needs : tuple of str
        Dims its input must have.
    over : tuple of str
        Dims it sums up.
    units : str
        Unit of its result.
    bounds : tuple
        Lowest and highest value; text is a formula in the sizes of dims, such as ``log(key)``.
    kinds : tuple of str
        Kinds of site it makes sense for.
    tier : str
        ``observed``, ``gradient-attributed`` or ``intervened``: what its numbers may claim.
    leaves_out : str
        Which queries it gives no number, such as ``queries with one allowed key``; NaN stands for
        them, and means leave them out. Empty: none.
    function : callable
        The analysis itself.
    closed_form : ClosedForm, optional
        The same, of sums instead of weights.
    """

    name: str
    title: str
    answers: str
    zh: Words
    needs: tuple[str, ...]
    over: tuple[str, ...]
    units: str
    bounds: tuple[float | str, float | str]
    kinds: tuple[str, ...]
    tier: str
    leaves_out: str
    function: Measure
    closed_form: ClosedForm | None = None

    def __call__(self, weights: Any, allowed: Any = None, **options: Any) -> Any:
        """Measure weights, as the function itself does."""
        return self.function(weights, allowed, **options)


class Measure(Protocol):
    """A function under :func:`analysis`."""

    card: Analysis
    __name__: str
    __module__: str

    def __call__(self, weights: Any, allowed: Any = None, **options: Any) -> Any:
        """Measure weights [..., query, key]; ``allowed`` says which keys may be attended to."""
        ...


def closed_form(*sums: str) -> Callable[[Callable[[Any], Any]], ClosedForm]:
    """Say that a function gives a measure from sums of one pass, and which it needs.

    Parameters
    ----------
    *sums : str
        Names, of those in :mod:`limelight.analyses.blockwise.sums`.

    Returns
    -------
    callable
        The decorator; what it gives is handed to :func:`analysis`.
    """

    def decorate(function: Callable[[Any], Any]) -> ClosedForm:
        return ClosedForm(sums, function)

    return decorate


def analysis(
    *,
    over: tuple[str, ...],
    units: str,
    bounds: tuple[float | str, float | str],
    needs: tuple[str, ...] = ("query", "key"),
    kinds: tuple[str, ...] = ("self", "cross", "pooling", "feature"),
    tier: str = "observed",
    title: str | None = None,
    zh: tuple[str, str] | None = None,
    leaves_out: str = "",
    closed_form: ClosedForm | None = None,
) -> Callable[[Callable[..., xr.DataArray]], Measure]:
    """Make a function of weights, and of which of them are allowed, an analysis.

    The function is given ``weights`` and ``allowed``: a labelled bool array, or None where every
    key may be attended to. It then also takes plain arrays whose last dims are ``needs``, refuses
    arrays that lack them, and names its units on the result. Where weights say which queries are
    valid, in a coordinate, the result is NaN for the others, and for rows without any weight.

    Parameters
    ----------
    over : tuple of str
        Dims the function sums up.
    units : str
        Unit of the result.
    bounds : tuple
        Lowest and highest value.
    needs : tuple of str
        Dims the input must have; a plain array's last dims are taken to be these.
    kinds : tuple of str
        Kinds of site it makes sense for.
    tier : str
        What its numbers may claim.
    title : str, optional
        A few words for screens; the function's name if left out.
    zh : (str, str), optional
        Title and sentence in Chinese; if left out, screens show the English ones.
    leaves_out : str
        Which queries get NaN, because the measure is not defined for them.
    closed_form : ClosedForm, optional
        The same of sums, for attention that is kept as vectors; without one, it is given blocks of
        whole rows.

    Returns
    -------
    callable
        The decorator.
    """

    def decorate(function: Callable[..., xr.DataArray]) -> Measure:
        name = function.__name__
        takes_allowed = _takes_allowed(function, name)

        @wraps(function)
        def run(weights: Any, allowed: Any = None, **options: Any) -> Any:
            labelled = with_dims(weights, name, needs)
            mask = allowed_of(allowed, labelled, name) if takes_allowed else None

            def measure(rows: xr.DataArray, mask: xr.DataArray | None) -> xr.DataArray:
                given = (mask,) if takes_allowed else ()
                rows = emptied(rows) if "query" in over else rows
                return counting(checked(function(rows, *given, **options), rows, function), rows)

            whole = "query" in over or not waits(labelled)
            result = measure(labelled, mask) if whole else by_rows(measure, labelled, mask)
            result = result.rename(name).assign_attrs(units=units)
            return result if isinstance(weights, xr.DataArray) else result.values

        answers = (function.__doc__ or "").strip().split("\n")[0]
        words = title or name.replace("_", " ")
        run.card = Analysis(  # type: ignore[attr-defined]  # the catalogue reads it back
            name, words, answers, Words(*(zh or (words, answers))), needs, over, units, bounds,
            kinds, tier, leaves_out, run, closed_form,  # type: ignore[arg-type]  # has its card now
        )  # fmt: skip
        return run  # type: ignore[return-value]  # likewise

    return decorate


def counts_rows(name: str) -> bool:
    """Tell what is recorded beside measures from the measures themselves.

    Parameters
    ----------
    name : str
        Of a variable recorded with a site's measures.

    Returns
    -------
    bool

    Examples
    --------
    >>> [counts_rows(name) for name in ("entropy", "nan_rows", "normalised_entropy_left_out")]
    [False, True, True]
    """
    return name == NAN_ROWS or name.endswith(LEFT_OUT)


def _takes_allowed(function: Callable[..., Any], name: str) -> bool:
    """Tell a measure of today from one of the release before, which took weights alone."""
    if len(inspect.signature(function).parameters) > 1:
        return True
    renamed.warn(f"An analysis {name}(weights)", f"{name}(weights, allowed)")
    return False


def applied(card: Analysis, weights: xr.DataArray, allowed: xr.DataArray | None) -> xr.DataArray:
    """Apply an analysis, where nobody sees which one it is that fails.

    Parameters
    ----------
    card : Analysis
    weights : DataArray [..., query, key]
    allowed : DataArray, optional

    Returns
    -------
    DataArray

    Raises
    ------
    CatalogueError
        If it raises something that is no error of limelight's.
    """
    try:
        result: xr.DataArray = card.function(weights, allowed)
    except LimelightError:
        raise
    except Exception as cause:
        raise CatalogueError(
            f"Analysis {card.name!r} of {card.function.__module__} raised {type(cause).__name__}: "
            f"{cause}.",
            f"Wanted its numbers of weights [{', '.join(map(str, weights.dims))}].",
            "Mend it, or uninstall the package that brings it.",
        ) from cause
    return result
