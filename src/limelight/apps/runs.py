"""The runs of a log directory: where they lie, opened once, opened again when they have grown.

Room: apps. Comes in: names of runs and their folders. Goes out: open runs, and the cards the
catalogue lists. Knows nothing of HTTP, so that other hosts can serve the same runs.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from limelight import __version__
from limelight.catalogue import Analysis as Card
from limelight.catalogue import analyses
from limelight.errors import LimelightError, NotRecordedError
from limelight.facts import Analysis, Catalogue, Kind, RunCard
from limelight.schema import SCHEMA_VERSION
from limelight.store import Run, open_run
from limelight.store.format.files import Files, sidecar

#: Open runs kept at a time; each holds a few kilobytes.
_MOST_OPEN = 256

#: Which of a run's earlier histories, as its name says it.
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")

#: Size, time and identity of the two files that change when a run does.
_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class _Opened:
    """A run, or why it could not be opened."""

    stamp: _Stamp
    written: float
    content: Run | LimelightError
    #: Numbers of its earlier histories, which were set aside when training began anew.
    histories: tuple[int, ...] = ()


class Runs:
    """Open runs by folder, each opened again only when its index has changed.

    An open run is never changed, so a question that began before a new step was published ends on
    what it began with.
    """

    def __init__(self) -> None:
        self._opened: dict[str, _Opened] = {}
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
        opened = self._current(folder)
        if opened is None:
            raise NotRecordedError(
                f"Run {name!r} has no limelight recording on disk.",
                "Wanted one that is still there.",
                "If it was deleted, choose another run; if not, record it with limelight.",
            )
        if isinstance(opened.content, LimelightError):
            # The same error is raised at each question; its traceback must not grow with them.
            raise opened.content.with_traceback(None)
        return opened.content

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
        for order, (name, folder) in enumerate(folders.items()):
            newest = self._current(folder)
            if newest is None:
                continue
            cards.append(_card(name, newest, order))
            for number in newest.histories:
                earlier = history(name, number)
                opened = None if earlier in folders else self._current(history(folder, number))
                if opened is not None:
                    cards.append({**_card(earlier, opened, order), "set_aside": True})
        cards.sort(key=lambda card: (-card["written"], card["name"]))
        return {
            "version": __version__,
            "schema": SCHEMA_VERSION,
            "analyses": [_analysis(card) for card in analyses().values()],
            "runs": cards,
        }

    def _current(self, folder: str) -> _Opened | None:
        stamp = _stamp(folder)
        if stamp is None:
            with self._lock:
                self._opened.pop(folder, None)
            return None
        with self._lock:
            known = self._opened.get(folder)
        if known is not None and known.stamp == stamp:
            return known
        opened = _open(folder, stamp)
        with self._lock:
            while len(self._opened) >= _MOST_OPEN:
                self._opened.pop(next(iter(self._opened)))
            self._opened[folder] = opened
        return opened


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
    stats = []
    files = Files.of(folder)
    for path in (files.meta, files.index):
        try:
            stat = path.stat()
            stats.append((stat.st_size, stat.st_mtime_ns, stat.st_ino))
        except OSError:
            stats.append((-1, 0, 0))
    # A whole recording that was set aside lies beside the present one, in a folder of its own.
    if files.run_dir.name != os.path.basename(folder) and files.root.is_symlink():
        return None
    return None if all(size < 0 for size, _, _ in stats) else tuple(stats)


def _open(folder: str, stamp: _Stamp) -> _Opened:
    files = Files.of(folder)
    # What describes an earlier history goes on to be written by the later ones.
    written = (stamp[-1][1] if files.history else max(mtime for _, mtime, _ in stamp)) / 1e9
    histories = () if historical(folder) else (*sorted({*files.histories(), *files.moved()}),)
    try:
        return _Opened(stamp, written, open_run(folder), histories)
    except LimelightError as problem:
        return _Opened(stamp, written, problem, histories)


def _card(name: str, opened: _Opened, order: int) -> RunCard:
    run = opened.content if isinstance(opened.content, Run) else None
    steps = [] if run is None else run.steps.tolist()
    return {
        "name": name,
        "steps": len(steps),
        "first_step": steps[0] if steps else None,
        "last_step": steps[-1] if steps else None,
        "attention": bool(run and run.sites),
        "parameters": bool(run and len(run.parameter_names)),
        "written": opened.written,
        "order": order,
        "set_aside": False,
        "problem": opened.content.facts() if isinstance(opened.content, LimelightError) else None,
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
