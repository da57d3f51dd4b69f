"""Shows a log directory until Ctrl-C.

Room: apps. Comes in: the options of the command line. Goes out: an address on the terminal, an exit
status.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import click

from limelight.apps.named import call_of
from limelight.apps.serve import ended_by_signal, free_port
from limelight.apps.show.serving import showing
from limelight.apps.show.typed import RETURNS


def show(logdir: Path, *, model: str | None, port: int | None) -> int:
    """Serve the screens until somebody ends it.

    Parameters
    ----------
    logdir : Path
    model : str, optional
        ``module:function`` of what may be run.
    port : int, optional
        6006, or the next free one, if not given.

    Returns
    -------
    int
        0.

    Raises
    ------
    LimelightError
        If there is no such folder or function, or the port is taken.
    """
    made = None if model is None else call_of(model, returns=RETURNS)
    with ended_by_signal(), showing(logdir, free_port() if port is None else port, made) as shown:
        click.echo(f"Limelight is at {shown.address}")
        if shown.typed is not None:
            click.echo("Who has this address may run the model: keep it to yourself.")
        click.echo("Ctrl-C ends it.")
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(0.5)
    return 0
