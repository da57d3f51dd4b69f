"""The callback that records a model while Lightning's ``Trainer`` trains it.

Room: apps. Comes in: what the Trainer tells its callbacks. Goes out: calls of
:class:`limelight.apps.pace.Pace`, nothing else.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Sequence
from functools import reduce
from os import PathLike
from typing import Any, Final, Literal

from limelight.alerting import OnAlert
from limelight.apps.net import InNet
from limelight.apps.pace import OMITTED, Pace
from limelight.capture import Probe
from limelight.capture.settings import stopping
from limelight.errors import LimelightError
from limelight.renamed import arguments

#: Two packages of the same code; a program uses one, and its classes are not the other's.
_PACKAGES: Final = ("lightning.pytorch", "pytorch_lightning")


def _bases() -> tuple[type, ...]:
    """Return the class of callbacks of the package in use, or of both."""
    loaded = [sys.modules[name] for name in _PACKAGES if name in sys.modules]
    if not loaded:
        try:
            loaded = [importlib.import_module(_PACKAGES[0])]
        except ImportError:
            loaded = [importlib.import_module(_PACKAGES[1])]
    return tuple(package.Callback for package in loaded)


class LightningCallback(InNet, *_bases()):  # type: ignore[misc]  # known when it runs
    """Record a model's attention and parameters while Lightning's ``Trainer`` trains it.

    The untrained model is recorded first (or the one a checkpoint held), then every epoch or every
    so many optimizer steps, and last the state training ended with. A failure becomes one warning;
    training is never stopped.

    Parameters
    ----------
    log_dir : str or path
        The run's folder, such as ``logs/vit``.
    probe : Probe, tuple, mapping, array, or None
        The fixed examples, as the watched model's ``forward`` takes them. None records
        parameters only.
    every : ``"epoch"`` or int
        When to record: after each epoch, or each time this many optimizer steps are done.
    precision : str
        How weights of attention are stored: ``"float16"``, or ``"compact"``.
    processes : str
        On several processes: ``"first"``, only the first records; ``"all"``, each into a folder of
        its own, ``rank-1`` and so on below ``log_dir``.
    sites : str or sequence of str, optional
        Names of the sites to record, ``*`` matches anything; all if not given.
    tensors : str or sequence of str, optional
        Names of the parameters, gradients and updates to record; all if not given.
    gradients, updates : bool
        Also record gradients as the optimizer gets them, and the change its step makes, at the
        recorded steps; seen in the training step itself.
    activations : bool
        Also record what activation and normalisation layers give for the probe.
    spectra : int, optional
        Also record singular values of matrices, at each so many-th record.
    on_alert : callable, optional
        Called with each alert that begins, such as one that sets ``trainer.should_stop = True``,
        which ends training; what it raises becomes one warning.
    model : str, optional
        What to watch within the LightningModule, such as ``"net.encoder"``; all of it if not given.

    Raises
    ------
    LimelightError
        If ``every``, ``precision``, ``processes`` or ``sites`` makes no sense. When training
        starts, a LightningModule that has no such ``model`` is a warning.
    ProbeError
        If ``probe`` is no good in itself.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> callback = LightningCallback(tempfile.mkdtemp(), np.ones((2, 5, 8), "float32"))

    and then ``lightning.Trainer(callbacks=[callback]).fit(module, data)``.
    """

    @arguments(ranks="processes")
    def __init__(
        self,
        log_dir: str | PathLike[str],
        probe: Probe | Any | None = OMITTED,
        *,
        every: Literal["epoch"] | int = "epoch",
        precision: Literal["float16", "compact"] = "float16",
        processes: Literal["first", "all"] = "first",
        sites: Sequence[str] | str | None = None,
        tensors: Sequence[str] | str | None = None,
        gradients: bool = False,
        updates: bool = False,
        activations: bool = False,
        spectra: int | None = None,
        on_alert: OnAlert | None = None,
        model: str | None = None,
    ) -> None:
        super().__init__()
        self._pace = Pace(
            log_dir,
            probe,
            every=every,
            precision=precision,
            processes=processes,
            sites=sites,
            tensors={
                "tensors": tensors,
                "gradients": gradients,
                "updates": updates,
                "activations": activations,
                "spectra": spectra,
            },
            on_alert=on_alert,
            name="LightningCallback",
        )
        self._path = model
        self._epoch = 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Record the model before its first step; by then a checkpoint has been read.

        Parameters
        ----------
        trainer : Trainer
        pl_module : LightningModule
        """
        self._epoch = float(trainer.current_epoch)
        stops = getattr(trainer, "early_stopping_callbacks", None) or ()
        self._pace.begin(
            _watched(pl_module, self._path),
            int(trainer.global_step),
            self._epoch,
            _steps(trainer),
            [stopping(callback) for callback in stops if callback.monitor],
        )

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record after so many optimizer steps, if so asked.

        Parameters
        ----------
        trainer : Trainer
        pl_module : LightningModule
        outputs, batch : object
            Not used.
        batch_idx : int
            Counted from 0, within the epoch.
        """
        batches = float(trainer.num_training_batches)
        part = (batch_idx + 1) / batches if math.isfinite(batches) else 0.0
        self._epoch = trainer.current_epoch + part
        step = int(trainer.global_step)
        if self._pace.due(step):  # else nobody wants them: they may have to be worked out first
            self._pace.note(trainer.callback_metrics, step)
        self._pace.after_step(step, self._epoch)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Record after an epoch, if so asked.

        Parameters
        ----------
        trainer : Trainer
        pl_module : LightningModule
        """
        if not math.isfinite(trainer.num_training_batches):
            self._epoch = trainer.current_epoch + 1.0
        self._pace.note(trainer.callback_metrics, int(trainer.global_step))
        self._pace.after_epoch(int(trainer.global_step), self._epoch)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Record the last state, unless it is recorded already, and close the run.

        Parameters
        ----------
        trainer : Trainer
        pl_module : LightningModule
        """
        self._pace.record(int(trainer.global_step), self._epoch)
        self._pace.close()


def _steps(trainer: Any) -> int | None:
    """Return how many optimizer steps an epoch has, if that is known."""
    batches = float(trainer.num_training_batches)
    if not math.isfinite(batches) or batches < 1:
        return None
    return -(-int(batches) // int(getattr(trainer, "accumulate_grad_batches", 1) or 1))


def _watched(module: Any, path: str | None) -> Any:
    """Return the model at a dotted path within a LightningModule."""
    try:
        return reduce(getattr, path.split("."), module) if path else module
    except AttributeError:
        names = [name for name, _ in module.named_children()]
        raise LimelightError(
            f"Got model={path!r}, which {type(module).__name__} does not have.",
            f"Wanted one of {', '.join(names) or 'its modules, of which it has none'}, or a path "
            "below one, with dots.",
            "Correct the name, or leave it out to watch the whole LightningModule.",
        ) from None
