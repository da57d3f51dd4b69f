"""Serves the screens on this machine, from start to Ctrl-C.

Room: apps. Comes in: a log directory, a port, perhaps a model. Goes out: an address that answers.
Only pages that it served itself may ask; it reads, and only where a model was given does it run
that, on demand, with a token made at start.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

from limelight.apps.desk import Desk
from limelight.apps.front import BUILT, static_files
from limelight.apps.listing import run_folders
from limelight.apps.runs import historical
from limelight.apps.serve import HOST
from limelight.apps.show.answering import Handler
from limelight.apps.show.typed import Typed
from limelight.errors import UnavailableError
from limelight.log_folder import log_folder

#: Seconds for which the list of folders holds; looking through a large tree takes a while.
_LOOK_AGAIN: Final = 1.5


@dataclass(frozen=True)
class Shown:
    """What a server shows.

    Attributes
    ----------
    folders : Folders
    desk : Desk
    files : dict of str to bytes
        The built front end.
    typed : Typed or None
        The model that may be run.
    token : str
        Who has it may run the model.
    port : int
    """

    folders: Folders
    desk: Desk
    files: dict[str, bytes]
    typed: Typed | None
    token: str
    port: int

    @property
    def address(self) -> str:
        """Where a person finds it."""
        token = f"?token={self.token}" if self.typed is not None else ""
        return f"http://{HOST}:{self.port}/{token}"

    @property
    def model(self) -> str:
        """What a page may ask of the model, as JSON; empty without one."""
        return "" if self.typed is None else json.dumps(self.typed.asks)

    def listed(self) -> dict[str, str]:
        """Return the runs there are now, by name, and where each lies."""
        runs = self.folders.known()
        return runs if self.typed is None else {**runs, **self.typed.runs}


class Folders:
    """The runs below a log directory, looked for again once they may have changed.

    Parameters
    ----------
    logdir : Path
    """

    def __init__(self, logdir: Path) -> None:
        self._logdir = logdir
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._runs: dict[str, str] = {}

    def known(self) -> dict[str, str]:
        """Return runs by name, and where each lies, as of the last second or two."""
        with self._lock:
            if time.monotonic() - self._looked > _LOOK_AGAIN:
                self._runs = {
                    name: str(folder)
                    for name, folder in run_folders(self._logdir)
                    if historical(name) is None  # the catalogue adds earlier histories itself
                }
                self._looked = time.monotonic()
            return dict(self._runs)


class _Server(ThreadingHTTPServer):
    """A server whose open connections end with it: a page keeps its own for as long as it can."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        self._open: set[Any] = set()
        super().__init__((HOST, port), Handler)

    def get_request(self) -> tuple[Any, Any]:
        """Take a connection, and remember it."""
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Let a connection go."""
        self._open.discard(request)
        super().shutdown_request(request)

    def end(self) -> None:
        """Stop taking connections, and end those there are."""
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def showing(logdir: Path, port: int, made: Any = None) -> Iterator[Shown]:
    """Serve a log directory while a context lasts.

    Parameters
    ----------
    logdir : Path
    port : int
        0 takes any that is free.
    made : object, optional
        What the function of ``--model`` returned.

    Yields
    ------
    Shown

    Raises
    ------
    UnavailableError
        If the port cannot be had.
    NotRecordedError
        If there is no such folder.
    """
    folder = log_folder(logdir)
    next(run_folders(folder), None)  # says so if there is no such folder
    try:
        server = _Server(port)
    except OSError as error:
        raise UnavailableError(
            f"Port {port} is taken or not allowed.",
            "Wanted it for the screens.",
            "Name another one with --port, or leave it out to take the next free one.",
        ) from error
    typed = None if made is None else Typed(made)
    roots = [str(folder), *([] if typed is None else [typed.root])]
    shown = Shown(
        Folders(folder), Desk(roots), static_files(BUILT), typed, secrets.token_urlsafe(24),
        server.server_port,
    )  # fmt: skip
    server.shown = shown  # type: ignore[attr-defined]  # a handler knows its server only
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
    thread.start()
    try:
        yield shown
    finally:
        server.end()
        thread.join()
        if typed is not None:
            typed.close()
