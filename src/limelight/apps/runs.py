"""The runs of a log directory: where they lie, opened once, opened again when they have grown.

Room: apps. Comes in: names of runs and their folders. Goes out: open runs, and the cards the
catalogue lists. Knows nothing of HTTP, so that other hosts can serve the same runs.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from limelight import __version__
from limelight.budget import BUDGET
from limelight.catalogue import Analysis as Card
from limelight.catalogue import analyses
from limelight.errors import LimelightError, NotRecordedError, StoreError
from limelight.facts import Analysis, Catalogue, Kind, RunCard
from limelight.schema import SCHEMA_VERSION
from limelight.store import Run
from limelight.store.format.files import Files, sidecar
from limelight.store.read.studies import changed

logger = logging.getLogger(__name__)

#: In place of a size: no file is there; something is that cannot be looked at.
_GONE, _UNSEEN = -1, -2

#: Bytes an open run takes in memory for each byte of its description and of its index.
_GROWN = 8

#: Which of a run's earlier histories, as its name says it.
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")

#: Size, time and identity of the two files that change when a run does.
_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class _Known:
    """What the catalogue says of a run; kept for every run, as long as its files do not change."""

    stamp: _Stamp
    #: Without its name and its rank.
    card: RunCard
    problem: LimelightError | None
    #: Numbers of its earlier histories, which were set aside when training began anew.
    histories: tuple[int, ...] = ()


class Runs:
    """Open runs by folder, each opened again only when its index has changed.

    An open run is never changed, so a question that began before a new step was published ends on
    what it began with. Cards of all runs are kept; open runs as far as the common budget goes.

    Parameters
    ----------
    roots : sequence of str
        Folders that all files must really lie in; if none are given, those of each run.
    """

    def __init__(self, roots: Sequence[str] = ()) -> None:
        self._roots = tuple(roots)
        self._known: dict[str, _Known] = {}
        self._owner = BUDGET.owner(self)
        self._lock = threading.Lock()

    def open(self, name: str, folder: str) -> Run:
        """Return the open run of a folder.

        Parameters
        ----------
        name : str
            The run's name, for messages.
        folder : str
            The run's folder, already found to be an allowed one.

        Returns
        -------
        Run

        Raises
        ------
        NotRecordedError
            If limelight has recorded nothing there, or it was deleted.
        StoreError
            If the store is damaged or newer than this limelight.
        """
        known, run = self._current(folder, open_it=True)
        if known is None:
            raise NotRecordedError(
                f"Run {name!r} has no limelight recording on disk.",
                "Wanted one that is still there.",
                "If it was deleted, choose another run; if not, record it with limelight.",
            )
        if run is None:
            assert known.problem is not None
            # The same error is raised at each question; its traceback must not grow with them.
            raise known.problem.with_traceback(None)
        return run

    def catalogue(self, folders: Mapping[str, str]) -> Catalogue:
        """Return what there is to look at: our version, the analyses, the runs.

        Parameters
        ----------
        folders : mapping of str to str
            Run name to folder, in TensorBoard's order; folders without a recording are left out.

        Returns
        -------
        Catalogue
            JSON-able: ``version``, ``schema``, ``analyses``, ``runs`` (newest-written first),
            histories that were set aside among them as ``<run>@<number>``. It costs two ``stat``
            calls for each that has not changed.
        """
        cards: list[RunCard] = []
        seen = set()

        def listed(name: str, folder: str, order: int, **more: bool) -> tuple[int, ...]:
            known, _ = self._current(folder)
            seen.add(folder)
            if known is None:
                return ()
            studied = changed(Files.of(folder).root)
            here = {"name": name, "order": order, "studied": studied}
            cards.append(cast(RunCard, {**known.card, **here, **more}))
            return known.histories

        for order, (name, folder) in enumerate(folders.items()):
            for number in listed(name, folder, order):
                earlier = history(name, number)
                if earlier not in folders:
                    listed(earlier, history(folder, number), order, set_aside=True)
        with self._lock:
            for folder in self._known.keys() - seen:  # not listed any more
                del self._known[folder]
        cards.sort(key=lambda card: (-card["written"], card["name"]))
        return {
            "version": __version__,
            "schema": SCHEMA_VERSION,
            "analyses": [_analysis(card) for card in analyses().values()],
            "runs": cards,
        }

    def _current(self, folder: str, *, open_it: bool = False) -> tuple[_Known | None, Run | None]:
        """Return what is known of a run as it is now, and the open run if that was asked for."""
        stamp = _stamp(folder)
        if stamp is None:
            with self._lock:
                self._known.pop(folder, None)
            BUDGET.drop(self._owner, folder)
            return None, None
        with self._lock:
            known = self._known.get(folder)
        if known is not None and known.stamp == stamp:
            if not open_it or known.problem is not None:
                return known, None
            held = BUDGET.get(self._owner, folder)
            if held is not None and held[0] == stamp:
                return known, held[1]
        known, run = _look(folder, stamp, self._roots)
        with self._lock:
            self._known[folder] = known
        if run is not None:
            size = _GROWN * sum(max(size, 0) for size, _, _ in stamp)
            BUDGET.put(self._owner, folder, (stamp, run), size)
        return known, run


def history(name: str, number: int) -> str:
    """Return what an earlier history of a run is called, and where the store finds it."""
    return f"{name}@{number}"


def historical(name: str) -> tuple[str, int] | None:
    """Return the run and the number in the name of an earlier history; None for another name."""
    run, mark, number = name.rpartition("@")
    return (run, int(number)) if mark and _NUMBER.fullmatch(number) else None


def allowed_folder(path: str, roots: Iterable[str]) -> str | None:
    """Return a run's real folder if it and its recording lie under one of the roots.

    Parameters
    ----------
    path : str
        Where the run is said to lie.
    roots : iterable of str
        Log directories.

    Returns
    -------
    str or None
        The folder with every link followed; None if it, or the recording in it, lies elsewhere.
    """
    folder = os.path.realpath(path)
    inside = os.path.realpath(sidecar(folder))
    for root in map(os.path.realpath, roots):
        if _under(folder, root) and _under(inside, root):
            return folder
    return None


def _under(path: str, root: str) -> bool:
    return os.path.commonpath([path, root]) == root


def _stamp(folder: str) -> _Stamp | None:
    """Return what changes when a run does; None where there is no recording."""
    stats = []
    try:
        files = Files.of(folder)
        # A whole recording that was set aside lies beside the present one, in a folder of its own.
        if files.run_dir.name != os.path.basename(folder) and files.root.is_symlink():
            return None
        paths = (files.meta, files.index)
    except (OSError, ValueError):
        return ((_UNSEEN, 0, 0),)
    for path in paths:
        try:
            stat = path.stat()
            stats.append((stat.st_size, stat.st_mtime_ns, stat.st_ino))
        except OSError as cause:
            # A link into nothing, or a folder nobody may enter, is a recording with a problem.
            gone = isinstance(cause, FileNotFoundError | NotADirectoryError)
            stats.append((_GONE if gone and not path.is_symlink() else _UNSEEN, 0, 0))
    if all(size == _GONE for size, _, _ in stats) and not changed(files.root):
        return None
    return tuple(stats)


def _look(folder: str, stamp: _Stamp, roots: Sequence[str]) -> tuple[_Known, Run | None]:
    """Open a run; whatever that leads to is its own problem, and no other's."""
    earlier = historical(folder) is not None
    # What describes an earlier history goes on to be written by the later ones.
    written = (stamp[-1][1] if earlier else max(mtime for _, mtime, _ in stamp)) / 1e9
    run, problem = None, None
    histories: tuple[int, ...] = ()
    try:
        if not earlier:
            files = Files.of(folder)
            histories = (*sorted({*files.histories(), *files.moved()}),)
        run = Run(folder, within=roots)
        card = _card(run, written)
    except LimelightError as cause:
        problem = cause
    except Exception as cause:
        logger.exception("limelight cannot open %r", folder)
        problem = StoreError(
            f"{folder} cannot be opened ({type(cause).__name__}: {str(cause)[:160]}).",
            "Wanted a recording as limelight wrote it.",
            "Restore its files from a copy, or record the run again.",
        )
    if problem is not None:
        run, card = None, _card(None, written)
        card["problem"] = problem.facts()
    return _Known(stamp, card, problem, histories), run


def _card(run: Run | None, written: float) -> RunCard:
    steps = [] if run is None else run.steps.tolist()
    return {
        "name": "",
        "steps": len(steps),
        "first_step": steps[0] if steps else None,
        "last_step": steps[-1] if steps else None,
        "attention": bool(run and run.sites),
        "parameters": bool(run and len(run.parameter_names)),
        "written": written,
        "studied": 0.0,
        "order": 0,
        "set_aside": False,
        "problem": None,
    }


def _analysis(card: Card) -> Analysis:
    return {
        "name": card.name,
        "title": card.title,
        "answers": card.answers,
        "zh": {"title": card.zh.title, "answers": card.zh.answers},
        "units": card.units,
        "bounds": card.bounds,
        "kinds": cast(list[Kind], list(card.kinds)),
        "tier": card.tier,
        "leaves_out": card.leaves_out,
    }
