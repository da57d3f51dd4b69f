"""Lists what limelight can do: a folder's modules, and what other packages register.

Room: low. Comes in: the name of a room. Goes out: its members, found by looking into the folder and
into the entry points ``limelight.<room>``, never from a list kept by hand. The room is also its
main function: ``limelight.catalogue()`` is :func:`everything`.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, TypeVar

import limelight
from limelight.errors import CatalogueError, LimelightWarning
from limelight.measure import LARGEST_SCORE, UNIFORM, counts_rows
from limelight.measure import POSITION as POSITION
from limelight.measure import Analysis as Analysis
from limelight.measure import ClosedForm as ClosedForm
from limelight.measure import Words as Words
from limelight.measure import analysis as analysis
from limelight.measure import closed_form as closed_form
from limelight.measure import positions as positions
from limelight.rooms import members
from limelight.study import Study as Study
from limelight.study import study as study

Card = TypeVar("Card", Analysis, Study)
_MANY = {Analysis: "analyses", Study: "studies"}

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
    interval : tuple of float, optional
        Where the figure lies with 95 % certainty, as far as what ``n`` counts goes.
    """

    run: str
    measure: str
    value: float
    beside: float
    beside_name: str
    n: int
    of: str
    interval: tuple[float, float] | None = None


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
    question : str
        What it is trained to answer, as one sentence.
    answer : callable, optional
        Takes the results, and answers the question in one sentence.
    seeded : bool
        Whether ``train`` takes ``seeds``: how often each run is trained, from other random numbers.
    brief : tuple of str
        Those of its runs that are trained where all cases are, and that ``train`` then gets as
        ``runs``; empty: all of them.
    whole_seconds : int
        Training time of all its runs; 0: as ``seconds``, which is that of the brief ones.
    left_out : tuple of str
        Runs that are not trained, as others are brief.
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
    question: str = ""
    answer: Callable[[Sequence[Result]], str] | None = None
    seeded: bool = False
    brief: tuple[str, ...] = ()
    whole_seconds: int = 0
    left_out: tuple[str, ...] = ()

    def in_brief(self) -> Case:
        """Return the case with those of its runs alone that are trained where all cases are."""
        if not self.brief:
            return self
        train = partial(self.train, runs=self.brief)
        left_out = tuple(run for run in self.runs if run not in self.brief)
        return replace(self, runs=self.brief, train=train, brief=(), left_out=left_out)

    def runs_of(self, seeds: int) -> tuple[str, ...]:
        """Return the names of the runs where each is trained so often.

        Parameters
        ----------
        seeds : int

        Returns
        -------
        tuple of str
            Such as ``lstm/plain``; where there are several, ``lstm/plain-1``, ``lstm/plain-2`` …
        """
        return tuple(name for run in self.runs for name in repeated(run, seeds))


def repeated(run: str, seeds: int) -> list[str]:
    """Return the names of a run that is trained so often.

    Parameters
    ----------
    run : str
    seeds : int

    Returns
    -------
    list of str

    Examples
    --------
    >>> repeated("lstm/plain", 1), repeated("lstm/plain", 2)
    (['lstm/plain'], ['lstm/plain-1', 'lstm/plain-2'])
    """
    return [run] if seeds == 1 else [f"{run}-{number}" for number in range(1, seeds + 1)]


def analyses() -> dict[str, Analysis]:
    """Return every analysis by name, in alphabetical order.

    Returns
    -------
    dict of str to Analysis
        A card can be called as its function can.

    Raises
    ------
    CatalogueError
        If two have one name, one has a name that is taken otherwise, or a file of ours holds no
        analysis of its name.

    Examples
    --------
    >>> analyses()["entropy"].units
    'nat'
    """
    cards: dict[str, Analysis] = {}
    ours = len(members("analyses"))
    for index, module in enumerate(modules("analyses")):
        held = list(_cards(module, Analysis, "limelight.analyses."))
        name = getattr(module, "__name__", "").rpartition(".")[2]
        if index < ours and [card.name for card in held] != [name]:
            names = ", ".join(card.name for card in held)
            raise CatalogueError(
                f"File analyses/{name}.py holds {names or 'no analysis'}.",
                f"Wanted one analysis, named {name}: users find it by the name of its file.",
                "Rename the file or the function.",
            )
        for card in held:
            if cards.setdefault(card.name, card) is not card:
                raise _clash(cards[card.name], card)
    for card in cards.values():
        _check_name(card, cards)
    return dict(sorted(cards.items()))


def studies() -> dict[str, Study]:
    """Return every study by name, in alphabetical order.

    Returns
    -------
    dict of str to Study
        A card can be called as its function can. Other packages register a module, or the function
        itself, under the entry point ``limelight.studies``.

    Raises
    ------
    CatalogueError
        If two have one name, one has a name that is taken otherwise, or a file of ours holds no
        study of its name.

    Examples
    --------
    >>> studies()["ablation"].answers
    ('H11',)
    """
    cards: dict[str, Study] = {}
    ours = members("studies")
    for index, module in enumerate(modules("studies")):
        held = list(_cards(module, Study, "limelight.studies."))
        name = getattr(module, "__name__", "").rpartition(".")[2]
        if index < len(ours) and held and [card.name for card in held] != [name]:
            raise CatalogueError(
                f"File studies/{name}.py holds {', '.join(card.name for card in held)}.",
                f"Wanted one study, named {name}: users find it by the name of its file.",
                "Rename the file or the function.",
            )
        for card in held:
            if cards.setdefault(card.name, card) is not card:
                raise _clash(cards[card.name], card)
            if card.name in limelight.__all__ and card.name not in ours:
                raise CatalogueError(
                    f"Got a study called {card.name!r} of {card.function.__module__}, but "
                    f"limelight.{card.name} is something else.",
                    "Wanted one thing of a name.",
                    "Rename the study, or uninstall the package that brings it.",
                )
    return dict(sorted(cards.items()))


def everything() -> dict[str, Analysis | Study]:
    """Return every analysis and every study by name, in alphabetical order.

    Returns
    -------
    dict of str to Analysis or Study
        A card can be called as its function can.

    Raises
    ------
    CatalogueError
        If two have one name.

    Examples
    --------
    >>> everything()["entropy"].units, everything()["ablation"].tier
    ('nat', 'intervened')
    """
    cards: dict[str, Analysis | Study] = {**analyses()}
    for name, card in studies().items():
        if cards.setdefault(name, card) is not card:
            raise _clash(cards[name], card)
    return dict(sorted(cards.items()))


def _cards(module: Any, kind: type[Card], room: str) -> Iterator[Card]:
    """Yield the cards that a module holds, or the one that another package registered itself.

    A module of ours holds only those that are written in it.
    """
    values = vars(module).values() if isinstance(module, ModuleType) else (module,)
    for value in values:
        card = getattr(value, "card", None)
        if isinstance(card, kind):
            elsewhere = value.__module__ != getattr(module, "__name__", None)
            if not (elsewhere and value.__module__.startswith(room)):
                yield card


def _clash(first: Analysis | Study, second: Analysis | Study) -> CatalogueError:
    homes = [card.function.__module__ for card in (first, second)]
    many = _MANY[type(first)]
    return CatalogueError(
        f"Got two {many} called {first.name!r}: one of {homes[0]}, one of {homes[1]}.",
        "Wanted one thing of a name.",
        "Rename one of them, or uninstall the package that brings it.",
    )


def _check_name(card: Analysis, cards: Collection[str]) -> None:
    """Refuse a name under which Python or a recording has something else."""
    name = card.name
    if name in limelight.__all__ and name not in members("analyses"):
        taken = f"limelight.{name} is something else"
    elif counts_rows(name):
        taken = "recordings count rows under such names"
    elif name == LARGEST_SCORE:
        taken = "recordings hold the largest score before the softmax under it"
    elif name + UNIFORM in cards:
        taken = f"recordings hold it for uniform attention as {name + UNIFORM}, an analysis as well"
    else:
        return
    raise CatalogueError(
        f"Got an analysis called {name!r} of {card.function.__module__}, but {taken}.",
        "Wanted one thing of a name.",
        "Rename the analysis, or uninstall the package that brings it.",
    )


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
    held = (getattr(module, "CASE", None) for module in modules("cases"))
    return {case.name: case for case in held if isinstance(case, Case)}


@cache  # what is installed does not change under a running process, and asking costs 10 ms
def modules(room: str) -> tuple[ModuleType, ...]:
    """Import the modules of a room, then those other packages register for it.

    Parameters
    ----------
    room : str
        Name of a folder of limelight: ``analyses``, ``cases``, …

    Returns
    -------
    tuple of module
        In alphabetical order; registered ones follow. One that cannot be imported is left out when
        it belongs to another package, and raises when it is ours.
    """
    ours = (importlib.import_module(f"limelight.{room}.{name}") for name in members(room))
    return (*ours, *registered(room))


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
        Without a word where something that it needs is not installed, else with a
        :class:`~limelight.errors.LimelightWarning`.
    """
    held = []
    for point in entry_points(group=f"limelight.{room}"):
        try:
            held.append(point.load())
        except ImportError:
            continue
        except Exception as cause:  # noqa: BLE001  # whatever another package does when imported
            warnings.warn(
                LimelightWarning(
                    f"limelight goes on without {point.value!r}, which another package registers "
                    f"under limelight.{room}. Importing it raised {type(cause).__name__}: {cause}. "
                    "Mend or uninstall that package."
                ),
                stacklevel=2,
            )
    return tuple(held)


class _Catalogue(ModuleType):
    """A module that can be called: ``limelight.catalogue()`` lists analyses and studies."""

    def __call__(self) -> dict[str, Analysis | Study]:
        return everything()


sys.modules[__name__].__class__ = _Catalogue
