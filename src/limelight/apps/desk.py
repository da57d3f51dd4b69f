"""Answers what the tab asks, over the runs that a host lists.

Room: apps. Comes in: names of runs and where they are said to lie, the fields of a question. Goes
out: the catalogue, answers as bytes. Knows nothing of HTTP. The plugin loads it, and all that it
imports, when it is first asked for: what cannot be loaded then is told in the tab.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from limelight.answer import answer, extent
from limelight.apps.answer_pool import AnswerPool
from limelight.apps.runs import Runs, allowed_folder, historical, history
from limelight.errors import LimelightError, NotRecordedError, QueryError
from limelight.facts import Catalogue
from limelight.query import Query
from limelight.wire import encode

logger = logging.getLogger(__name__)

#: No answer is larger: what a browser draws is far smaller, and a server must not be drained.
MOST_BYTES: Final = 128 * 2**20


class Desk:
    """Answers questions about the runs below some folders.

    Parameters
    ----------
    roots : sequence of str
        Log directories; nothing outside them is opened.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots = tuple(roots)
        self._runs = Runs(roots)
        self._answers = AnswerPool()

    def catalogue(self, listed: Mapping[str, str]) -> Catalogue:
        """Return what there is to look at.

        Parameters
        ----------
        listed : mapping of str to str
            The runs a host lists, by name, and where each is said to lie.
        """
        folders = {name: self._folder(name, path) for name, path in listed.items()}
        return self._runs.catalogue({name: at for name, at in folders.items() if at is not None})

    def answer(
        self,
        fields: Mapping[str, list[str]],
        listed: Mapping[str, str],
        *,
        wanted: Callable[[], bool],
        pack: Callable[[bytes], Any],
    ) -> Any:
        """Answer one question.

        Parameters
        ----------
        fields : mapping of str to list of str
            Of a :class:`~limelight.query.Query`.
        listed : mapping of str to str
            As in :meth:`catalogue`.
        wanted : callable
            Says whether anybody still waits for the answer.
        pack : callable
            Takes the answer's bytes, and makes of them what is returned.

        Raises
        ------
        QueryError, NotRecordedError, StoreError, UnavailableError
            What a host tells who asked.
        Unwanted
            If nobody waits any more.
        """
        query = Query.parse(dict(fields))
        folder = self._run(query.run, listed)
        if folder is None:
            raise NotRecordedError(
                f"Got run {query.run!r}.",
                "Wanted one that TensorBoard lists and that lies under its log directory.",
                "Choose a listed run; a new one is listed after TensorBoard's next reload.",
            )
        run = self._runs.open(query.run, folder)
        _within(extent(run, query))

        def compute() -> Any:
            answered = answer(run, query)
            if query.what == "run":
                answered.attrs["run"] = query.run
            data = encode(answered)
            _within(len(data))
            return pack(data)

        try:
            return self._answers.do(compute, wanted)
        except (LimelightError, OSError):
            self._runs.open(query.run, folder)  # says so if the run was deleted meanwhile
            raise

    def _run(self, name: str, listed: Mapping[str, str]) -> str | None:
        """Return the allowed folder of a listed run, or of an earlier history of one."""
        earlier = None if name in listed else historical(name)
        run = name if earlier is None else earlier[0]
        folder = self._folder(run, listed[run]) if run in listed else None
        return folder if folder is None or earlier is None else history(folder, earlier[1])

    def _folder(self, name: str, path: str) -> str | None:
        try:
            return allowed_folder(path, self._roots)
        except (OSError, ValueError):  # a name no file system takes: NUL, too long, a loop of links
            logger.warning("limelight cannot look at run %r", name)
            return None


def _within(size: int) -> None:
    if size > MOST_BYTES:
        raise QueryError(
            f"Got a question whose answer takes {size / 2**20:.0f} MiB.",
            f"At most {MOST_BYTES // 2**20} MiB are sent.",
            "Ask for one example, fewer parameters, or fewer steps.",
        )
