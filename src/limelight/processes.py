"""Which of several processes this is, and what each of them records.

Room: beside record. Comes in: a model, a log folder, nothing else. Goes out: a rank, the model
itself, a folder. Asks only frameworks that are loaded already, so it loads none.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final, Literal

from limelight.divided import refuse_divided
from limelight.errors import LimelightError
from limelight.log_folder import log_folder

Processes = Literal["first", "all"]

#: What launchers tell a process, the world's count before a machine's own.
_VARIABLES: Final = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "LOCAL_RANK")

#: Wrappers whose own forward talks to the other processes; inside is the same model.
_WRAPPERS: Final = {"DistributedDataParallel", "DataParallel"}


def rank() -> int:
    """Return this process's number among those that train together.

    Returns
    -------
    int
        As torch.distributed or JAX says, if either is initialised; else as TensorFlow's
        ``TF_CONFIG`` says, the chief before the workers; else as the launcher says in ``RANK``,
        ``SLURM_PROCID``, ``OMPI_COMM_WORLD_RANK`` or ``LOCAL_RANK``; else 0.

    Examples
    --------
    >>> rank()
    0
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    jax = sys.modules.get("jax")
    initialized = getattr(getattr(jax, "distributed", None), "is_initialized", None)
    if jax is not None and initialized is not None and initialized():
        return int(jax.process_index())
    number = _configured(os.environ.get("TF_CONFIG", ""))
    if number is not None:
        return number
    texts = (os.environ.get(name, "") for name in _VARIABLES)
    return next((int(text) for text in texts if text.isdecimal()), 0)


def _configured(config: str) -> int | None:
    """Return the number of a task of TensorFlow's among those that train; None if it tells none."""
    try:
        settings = json.loads(config)
        cluster, task = settings["cluster"], settings["task"]
        kind, index = task["type"], int(task["index"])
    except (KeyError, TypeError, ValueError):
        return None
    training = ("chief", "worker")
    if kind not in training:  # such as a parameter server, which runs no callback
        return None
    before = training[: training.index(kind)]
    return index + sum(len(cluster.get(role, ())) for role in before)


def folder(log_dir: str | os.PathLike[str], processes: Processes) -> Path | None:
    """Return where this process records.

    Parameters
    ----------
    log_dir : str or path
        The run's folder.
    processes : str
        ``first`` or ``all``.

    Returns
    -------
    Path or None
        Rank 0 records into the run's folder, others below it, into ``rank-1`` and so on, or, with
        ``first``, not at all.

    Raises
    ------
    LimelightError
        If ``processes`` is neither, or ``log_dir`` is no folder of this machine.

    Examples
    --------
    >>> folder("logs/bert", "all").name
    'bert'
    """
    if processes not in ("first", "all"):
        raise LimelightError(
            f"Got processes={processes!r}.",
            "Wanted 'first', only rank 0 records, or 'all', each into a folder of its own.",
            "Leave it out, or write processes='all'.",
        )
    number, run_dir = rank(), log_folder(log_dir)
    if number == 0:
        return run_dir
    return run_dir / f"rank-{number}" if processes == "all" else None


def unwrapped(model: Any) -> Any:
    """Return the model inside what wraps it for several processes.

    Parameters
    ----------
    model : object

    Returns
    -------
    object
        The wrapper's forward would wait for processes that record nothing; the model's does not.

    Raises
    ------
    UnsupportedModelError
        If one process cannot run it alone: it holds a part of the parameters only, or the model
        talks to the others.

    Examples
    --------
    >>> unwrapped("a model without a wrapper")
    'a model without a wrapper'
    """
    while type(model).__name__ in _WRAPPERS:
        model = model.module
    refuse_divided(model)
    return model
