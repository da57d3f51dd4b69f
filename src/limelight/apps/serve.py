"""Runs TensorBoard as a process of its own for as long as somebody wants it.

Room: apps. Comes in: a log directory and a port. Goes out: an address that answers. Knows
TensorBoard only as a program.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from limelight.errors import UnavailableError

HOST = "127.0.0.1"
FIRST_PORT = 6006
_PORTS_TRIED = 100
_START_SECONDS = 90.0
_STOP_SECONDS = 5.0

# TensorBoard imports TensorFlow when it is there, which takes seconds and half a gigabyte that
# nothing here needs. A module of this name is TensorBoard's own sign to do without.
# The thread ends the server when the process that wanted it is gone, however that came about.
_PROGRAM = """
import os, sys, threading, time, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("tensorboard.compat.notf")
parent = int(sys.argv.pop(1))
def watch():
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), 15)
if os.name == "posix":
    threading.Thread(target=watch, daemon=True).start()
sys.argv[0] = "tensorboard"
from tensorboard.main import run_main
run_main()
"""


@dataclass
class Server:
    """A running TensorBoard.

    Attributes
    ----------
    port : int
    process : Popen
    said : file
        What it wrote, for when it stops.
    """

    port: int
    process: subprocess.Popen[bytes]
    said: IO[bytes]

    @property
    def address(self) -> str:
        """Where the Limelight tab is."""
        return f"http://{HOST}:{self.port}/#limelight"

    def wait_until_up(self) -> None:
        """Wait until the server takes connections.

        Raises
        ------
        UnavailableError
            If it stops, or does not come up in time.
        """
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            with socket.socket() as probe:
                probe.settimeout(1.0)
                if probe.connect_ex((HOST, self.port)) == 0:
                    return
            time.sleep(0.1)
        raise UnavailableError(
            f"TensorBoard did not answer on port {self.port} within {_START_SECONDS:.0f} s.",
            "Wanted it to start.",
            "Try again, or train with --no-serve and start tensorboard yourself.",
        )

    def check(self) -> None:
        """Make sure that the server still runs.

        Raises
        ------
        UnavailableError
            If it has stopped.
        """
        if self.process.poll() is None:
            return
        self.said.seek(0)
        lines = self.said.read().decode("utf-8", "replace").strip().splitlines()
        raise UnavailableError(
            f"TensorBoard stopped: {lines[-1].strip() if lines else 'it said nothing'}.",
            "Wanted it to stay up.",
            "Run limelight doctor; or train with --no-serve and start tensorboard yourself.",
        )


@contextmanager
def serving(logdir: Path, port: int | None) -> Iterator[Server]:
    """Start TensorBoard on a log directory; stop it at the end, whatever happens.

    Parameters
    ----------
    logdir : Path
    port : int or None
        None takes 6006, or the next free one.

    Yields
    ------
    Server
        Started, perhaps not up yet.

    Raises
    ------
    UnavailableError
        If the wanted port is taken.
    """
    chosen = free_port() if port is None else _wanted_port(port)
    command = [
        *(sys.executable, "-c", _PROGRAM, str(os.getpid())),
        *("--logdir", str(logdir), "--host", HOST, "--port", str(chosen)),
        *("--reload_interval", "2"),
    ]
    with tempfile.TemporaryFile() as said:
        # In a session of its own, Ctrl-C reaches only us, and the server serves until we stop it.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Server(chosen, process, said)
        finally:
            _stop(process)


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """Let a polite end from outside stop what is served too, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: Any) -> None:  # noqa: ARG001  # a signal's handler is given it
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    # A shell script's background job starts with Ctrl-C switched off, and we stay up until then.
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, interrupt)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """Return the first free port from 6006 on.

    Returns
    -------
    int

    Raises
    ------
    UnavailableError
        If a hundred in a row are taken.
    """
    for port in range(FIRST_PORT, FIRST_PORT + _PORTS_TRIED):
        if _is_free(port):
            return port
    raise UnavailableError(
        f"Ports {FIRST_PORT} to {FIRST_PORT + _PORTS_TRIED - 1} are all taken.",
        "Wanted one for TensorBoard.",
        "Name another one with --port.",
    )


def _wanted_port(port: int) -> int:
    if not _is_free(port):
        raise UnavailableError(
            f"Port {port} is taken or not allowed.",
            "Wanted it for TensorBoard.",
            "Name another one with --port, or leave it out to take the next free one.",
        )
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        if os.name == "posix":  # else a port counts as taken for a minute after its last use
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
                return False
            raise
    return True
