"""Trains worked cases on real data while TensorBoard shows them.

Room: apps. Comes in: names of cases and a log directory. Goes out: recorded runs, an address, a
table of what was measured. Finds the cases through the catalogue.
"""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from limelight.apps import demo_screen as screen
from limelight.apps.serve import Server, ended_by_signal, serving
from limelight.catalogue import Case
from limelight.errors import LimelightError, LimelightWarning, StoreError


def demo(
    cases: Sequence[Case], logdir: Path, *, port: int | None, serve: bool, size: float,
    seeds: int = 1,
) -> int:  # fmt: skip
    """Train cases one after another, and serve them until Ctrl-C.

    Parameters
    ----------
    cases : sequence of Case
    logdir : Path
        Each case gets a folder of its own there, never one that holds something already.
    port : int or None
        Port of TensorBoard; None takes 6006, or the next free one.
    serve : bool
        Whether to start TensorBoard.
    size : float
        Share of the training steps to do.
    seeds : int
        How often each run is trained, of the cases that can be.

    Returns
    -------
    int
        0, or 1 if something could not be recorded.

    Raises
    ------
    LimelightError
        If something needed is missing or cannot be written.
    """
    with ExitStack() as stack:
        stack.enter_context(ended_by_signal())
        complaints = stack.enter_context(_complaints())
        console = stack.enter_context(screen.terminal())
        # Started first: it comes up while data arrives.
        server = stack.enter_context(serving(logdir, port)) if serve else None
        with screen.busy(console, f"fetching the data of {cases[0].name}, unless it is here"):
            cases[0].prepare()
        folders = [_new_folder(logdir, case.name) for case in cases]
        threading.Thread(target=_prepare, args=(cases[1:],), daemon=True).start()
        if server is not None:
            with screen.busy(console, "starting TensorBoard"):
                server.wait_until_up()
            click.echo(f"Limelight is at {server.address}")
        address = None if server is None else server.address
        _train_all(console, cases, folders, size, seeds, address)
        if server is not None:
            _stay(server)
        return 1 if complaints else 0


def _train_all(
    console: Console, cases: Sequence[Case], folders: Sequence[Path], size: float,
    seeds: int, address: str | None,
) -> None:  # fmt: skip
    """Train each case into its folder, and show the table of what was measured, also of a part."""
    outcomes: list[screen.Outcome] = []
    try:
        for case, folder in zip(cases, folders, strict=True):
            outcomes.append(screen.train(console, case, folder, size, seeds if case.seeded else 1))
            screen.tell(outcomes[-1], address)
    except KeyboardInterrupt:
        # What was recorded stays, and so does its table; the caller says that we stopped.
        recorded = ", ".join(str(folder) for folder in folders if any(folder.iterdir()))
        click.echo(f"Stopped. What was recorded stays in {recorded or 'no folder'}", err=True)
        raise
    finally:
        _remove_empty(folders)
        if any(outcome.results for outcome in outcomes):
            screen.show(outcomes)


def _prepare(cases: Sequence[Case]) -> None:
    """Fetch what later cases need while the first one trains."""
    for case in cases:
        with suppress(LimelightError):  # the case itself says it again when its turn comes
            case.prepare()


def _new_folder(logdir: Path, name: str) -> Path:
    """Make ``logs/lstm``, or ``logs/lstm-2`` if there is one, and so on."""
    number = 1
    while True:
        folder = logdir / (name if number == 1 else f"{name}-{number}")
        try:
            logdir.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        except FileExistsError:
            if not logdir.is_dir():
                raise _unwritable(logdir, "it is not a folder") from None
            number += 1
        except OSError as error:
            raise _unwritable(folder, error.strerror or str(error)) from error
        else:
            return folder


def _unwritable(folder: Path, reason: str) -> StoreError:
    return StoreError(
        f"Could not make {folder}: {reason}.",
        "Wanted a folder to record in.",
        "Name another one with --logdir.",
    )


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # not empty, as it should be
            folder.rmdir()


def _stay(server: Server) -> None:
    click.echo(f"Look at {server.address}; Ctrl-C ends it.")
    with suppress(KeyboardInterrupt):
        while True:
            server.check()
            time.sleep(0.5)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Write the recorder's warnings as one plain line each, and keep them; no line of its log."""
    messages: list[str] = []
    log = logging.getLogger("limelight")
    level = log.level
    with warnings.catch_warnings(), ExitStack() as undo:
        undo.callback(log.setLevel, level)
        log.setLevel(logging.WARNING)  # what a step costs is told of a user's own runs
        show = warnings.showwarning

        def tell(message: Any, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, LimelightWarning):
                messages.append(str(message))
                click.echo(f"limelight: {message}", err=True)
            else:
                show(message, category, *rest, **more)

        warnings.showwarning = tell
        warnings.simplefilter("always", LimelightWarning)
        yield messages
