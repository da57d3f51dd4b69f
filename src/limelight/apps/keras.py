"""The callback that records a Keras model while ``fit`` trains it.

Room: apps. Comes in: what Keras tells its callbacks. Goes out: calls of
:class:`limelight.apps.pace.Pace`, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal

import keras

from limelight.alerting import OnAlert
from limelight.apps.net import InNet
from limelight.apps.pace import OMITTED, Pace
from limelight.capture import Probe
from limelight.capture.keras.backends.backend import backend
from limelight.capture.settings import stopping
from limelight.errors import LimelightError
from limelight.renamed import arguments


class KerasCallback(InNet, keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Record a model's attention and parameters while ``fit`` trains it.

    The untrained model is recorded first, then every epoch or every so many steps, and last the
    state training ended with. A failure becomes one warning; training is never stopped.

    Parameters
    ----------
    log_dir : str or path
        The run's directory, such as ``logs/lstm``; the one TensorBoard's own callback may share.
    probe : Probe, array, or None
        The fixed examples the model is run on. None records parameters only.
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
        Called with each alert that begins, such as
        ``lambda alert: setattr(model, "stop_training", True)``, which ends training; what it raises
        becomes one warning.
    watch : callback or sequence of callbacks, optional
        Callbacks that stop early: which number they watch becomes an alert where it is one of the
        training data.

    Raises
    ------
    LimelightError
        If ``every``, ``precision``, ``processes``, ``sites``, ``on_alert`` or ``watch`` makes no
        sense.
    ProbeError
        If ``probe`` is no good in itself.

    Examples
    --------
    >>> import tempfile, keras, numpy as np
    >>> x, y = np.ones((8, 5, 4), "float32"), np.ones((8, 5, 4), "float32")
    >>> i = keras.Input((5, 4))
    >>> model = keras.Model(i, keras.layers.Attention(name="attention")([i, i]))
    >>> model.compile("sgd", "mse")
    >>> log_dir = tempfile.mkdtemp()
    >>> _ = model.fit(x, y, verbose=0, callbacks=[KerasCallback(log_dir, Probe(x[:2]))])
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
        watch: Any = None,
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
            name="KerasCallback",
        )
        self._watched = _stopping(watch)
        self._begun = False
        self._epochs_done = 0.0
        self._epochs_before = 0.0  # done in earlier calls of fit
        self._epoch = 0
        self._new_fit = False
        if every != "epoch":
            # Only then: Keras waits for every batch when a callback has this method.
            self.on_train_batch_end = self._on_train_batch_end

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Record the untrained model.

        Parameters
        ----------
        logs : dict, optional
            Not used.
        """
        step = self._step()
        resumed = not self._begun and step != 0
        self._begun = self._new_fit = True
        steps = (self.params or {}).get("steps")
        settings = [stopping(callback, keras=True) for callback in self._watched]
        epoch = None if resumed else self._epochs_done
        self._pace.begin(self.model, step, epoch, steps, settings)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note which epoch it is.

        Parameters
        ----------
        epoch : int
            Counted from 0, by this call of ``fit``.
        logs : dict, optional
            Not used.
        """
        if self._new_fit:
            # A second ``fit`` counts from 0 again, unless it was told where to go on.
            self._epochs_before = max(self._epochs_done - epoch, 0.0)
            self._new_fit = False
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the model after an epoch, if so asked.

        Parameters
        ----------
        epoch : int
            Counted from 0, by this call of ``fit``.
        logs : dict, optional
            Losses and metrics, which are recorded too.
        """
        self._epochs_done = self._epochs_before + epoch + 1
        self._pace.note(logs, self._step())
        self._pace.after_epoch(self._step(), self._epochs_done)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Record the last state, unless it is recorded already, and close the run.

        Parameters
        ----------
        logs : dict, optional
            Not used.
        """
        self._pace.record(self._step(), self._epochs_done)
        self._pace.close()

    def _on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Record after so many steps."""
        step = self._step()
        self._pace.note(logs, step)
        total = (self.params or {}).get("steps")
        epoch = self._epochs_before + self._epoch + (batch + 1) / total if total else None
        self._pace.after_step(step, epoch)

    def _step(self) -> int:
        """Return how many steps the optimizer has made; epochs where there is no optimizer."""
        iterations = getattr(getattr(self.model, "optimizer", None), "iterations", None)
        if iterations is None:
            return int(self._epochs_done)
        return int(backend().read(iterations))  # of several copies, where a strategy keeps them


def _stopping(watch: Any) -> list[Any]:
    """Return callbacks that watch a number, or say that these are none."""
    callbacks = [] if watch is None else watch
    callbacks = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    for callback in callbacks:
        if not isinstance(getattr(callback, "monitor", None), str):
            raise LimelightError(
                f"Got watch={callback!r}, which watches no number.",
                "Wanted a callback that stops early, or a list of them.",
                "Write watch=early_stopping, the same that fit gets.",
            )
    return callbacks
