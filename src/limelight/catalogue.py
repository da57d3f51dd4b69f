"""Lists what limelight can do: a folder's modules, and what other packages register.

Room: lowest. Comes in: the name of a room. Goes out: its members, found by looking into the
folder and into the entry points ``limelight.<room>``, never from a list kept by hand.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, wraps
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

import numpy as np
import xarray as xr

from limelight.errors import DimensionError


@dataclass(frozen=True)
class Analysis:
    """What an analysis says of itself, read by the CLI, the docs and the screens.

    Attributes
    ----------
    name : str
        The function's name.
    answers : str
        First sentence of its docstring.
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
    function : callable
        The analysis itself.
    """

    name: str
    answers: str
    needs: tuple[str, ...]
    over: tuple[str, ...]
    units: str
    bounds: tuple[float | str, float | str]
    kinds: tuple[str, ...]
    tier: str
    function: Callable[..., Any]


#: Called while a case trains: the run's name, steps done, steps in all.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Result:
    """One figure a case measured, beside what it is to be compared with.

    Attributes
    ----------
    run : str
        Name of the run, such as ``cloze/transformer``.
    measure : str
        What was measured, in plain words.
    value : float
        The figure.
    beside : float
        What it is compared with.
    beside_name : str
        What that is, in plain words.
    n : int
        How many examples or values the figure rests on.
    of : str
        What was counted in ``n``.
    """

    run: str
    measure: str
    value: float
    beside: float
    beside_name: str
    n: int
    of: str


@dataclass(frozen=True)
class Case:
    """What a worked case says of itself, and the function that trains it.

    Attributes
    ----------
    name : str
        Name on the command line.
    title : str
        A few words.
    shows : str
        What there is to see, as one sentence.
    data : str
        The data and its licence.
    seconds : int
        Training time on two cores, rounded up.
    memory_mb : int
        Peak memory in megabytes, the framework included.
    runs : tuple of str
        Names of its runs below the log directory.
    prepare : callable
        Makes sure that what the case needs is there and downloads its data, once; so that it can
        be done while something else runs.
    train : callable
        ``train(folder, size=1.0, progress=...)`` trains every run into ``folder`` and returns
        its results. ``size`` is the share of the training steps to do, above 0 and at most 1.
    """

    name: str
    title: str
    shows: str
    data: str
    seconds: int
    memory_mb: int
    runs: tuple[str, ...]
    prepare: Callable[[], Any]
    train: Callable[..., tuple[Result, ...]]


def analysis(
    *,
    over: tuple[str, ...],
    units: str,
    bounds: tuple[float | str, float | str],
    needs: tuple[str, ...] = ("query", "key"),
    kinds: tuple[str, ...] = ("self", "cross", "pooling"),
    tier: str = "observed",
) -> Callable[[Callable[..., xr.DataArray]], Callable[..., Any]]:
    """Make a function of a labelled array an analysis.

    The function then also takes a plain array whose last dims are ``needs``, refuses arrays that
    lack them, and names its units on the result.

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

    Returns
    -------
    callable
        The decorator.
    """

    def decorate(function: Callable[..., xr.DataArray]) -> Callable[..., Any]:
        name = function.__name__

        @wraps(function)
        def run(weights: Any, *args: Any, **kwargs: Any) -> Any:
            labelled = (
                weights if isinstance(weights, xr.DataArray) else _label(weights, name, needs)
            )
            if not set(needs) <= set(labelled.dims):
                raise DimensionError(
                    f"Analysis {name!r} got dims {tuple(map(str, labelled.dims))}.",
                    f"It needs at least {needs}.",
                    "Rename the dims, or pass a plain array whose last dims are these.",
                )
            result = function(labelled, *args, **kwargs).rename(name).assign_attrs(units=units)
            return result if isinstance(weights, xr.DataArray) else result.values

        answers = (function.__doc__ or "").strip().split("\n")[0]
        card = Analysis(name, answers, needs, over, units, bounds, kinds, tier, run)
        run.card = card  # type: ignore[attr-defined]  # the catalogue reads it back
        return run

    return decorate


def analyses() -> dict[str, Analysis]:
    """Return every analysis by name, in alphabetical order.

    Returns
    -------
    dict of str to Analysis

    Examples
    --------
    >>> analyses()["entropy"].units
    'nat'
    """
    found: dict[str, Analysis] = {}
    for module in modules("analyses"):
        for value in vars(module).values():
            card = getattr(value, "card", None)
            if isinstance(card, Analysis):
                found[card.name] = card
    return dict(sorted(found.items()))


def cases() -> dict[str, Case]:
    """Return every worked case by name, in alphabetical order.

    Returns
    -------
    dict of str to Case

    Examples
    --------
    >>> cases()["cloze"].runs
    ('cloze/one-layer', 'cloze/transformer')
    """
    found = (getattr(module, "CASE", None) for module in modules("cases"))
    return {case.name: case for case in found if isinstance(case, Case)}


def modules(room: str) -> Iterator[ModuleType]:
    """Import and yield the modules of a room, then those other packages register for it.

    Parameters
    ----------
    room : str
        Name of a folder of limelight: ``analyses``, ``cases``, …

    Yields
    ------
    module
        In alphabetical order; registered ones follow. One that cannot be imported is skipped when
        it belongs to another package, and raises when it is ours.
    """
    yield from _found(room)


@cache  # what is installed does not change under a running process, and asking costs 10 ms
def _found(room: str) -> tuple[ModuleType, ...]:
    package = importlib.import_module(f"limelight.{room}")
    names = [info.name for info in pkgutil.iter_modules(package.__path__)]
    ours = [name for name in names if not name.startswith("_")]
    return (*(importlib.import_module(f"limelight.{room}.{name}") for name in ours),
            *registered(room))  # fmt: skip


@cache
def registered(room: str) -> tuple[Any, ...]:
    """Return what other packages register under the entry point ``limelight.<room>``.

    Parameters
    ----------
    room : str
        Such as ``analyses``.

    Returns
    -------
    tuple
        What cannot be imported is left out: a foreign package's trouble must not hide our own.
    """
    members = []
    for point in entry_points(group=f"limelight.{room}"):
        with suppress(ImportError):
            members.append(point.load())
    return tuple(members)


def _label(values: Any, name: str, needs: tuple[str, ...]) -> xr.DataArray:
    array = np.asarray(values)
    if array.ndim < len(needs):
        raise DimensionError(
            f"Analysis {name!r} got an array of shape {array.shape}.",
            f"It needs at least the dims {needs}.",
            "Pass an array whose last dims are these.",
        )
    extra = [f"dim_{index}" for index in range(array.ndim - len(needs))]
    return xr.DataArray(array, dims=[*extra, *needs])
