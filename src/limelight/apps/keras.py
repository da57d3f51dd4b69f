"""The callback that records a Keras model while ``fit`` trains it.

Room: apps. Comes in: what Keras tells its callbacks. Goes out: calls of
:class:`limelight.record.Recorder`, nothing else.
"""

from __future__ import annotations

import warnings
from numbers import Integral
from os import PathLike
from typing import Any, Final, Literal

import keras

from limelight.capture import Probe
from limelight.errors import LimelightError, LimelightWarning
from limelight.record import Recorder


class _Omitted:
    """Stands for an argument that was not given; ``None`` says "no probe, and I know it"."""


_OMITTED: Final = _Omitted()


class KerasCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Record a model's attention and weights while ``fit`` trains it.

    The untrained model is recorded first, then every epoch or every so many steps, and last the
    state training ended with. A failure becomes one warning; training is never stopped.

    Parameters
    ----------
    log_dir : str or path
        The run's directory, such as ``logs/lstm``; the one TensorBoard's own callback may share.
    probe : Probe, array, or None
        The fixed examples the model is run on. None records weights only.
    every : ``"epoch"`` or int
        When to record: after each epoch, or each time this many optimizer steps are done.
    precision : str
        How weights of attention are stored: ``"float16"``, or ``"compact"``.

    Raises
    ------
    LimelightError
        If ``every`` is neither ``"epoch"`` nor a whole number above 0.
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

    def __init__(
        self,
        log_dir: str | PathLike[str],
        probe: Probe | Any | None = _OMITTED,
        *,
        every: Literal["epoch"] | int = "epoch",
        precision: Literal["float16", "compact"] = "float16",
    ) -> None:
        super().__init__()
        if every != "epoch" and not (_is_whole(every) and every >= 1):
            raise LimelightError(
                f"Got every={every!r}.",
                "Wanted 'epoch', or a whole number of steps above 0.",
                "Write every='epoch' or, say, every=100.",
            )
        if probe is _OMITTED:
            warnings.warn(
                LimelightWarning(
                    "KerasCallback got no probe, so only weights are recorded, no attention. "
                    "Pass a few examples, such as limelight.Probe(x[:8]); or probe=None if "
                    "weights are all you want."
                ),
                stacklevel=2,
            )
            probe = None
        self._probe = probe if probe is None or isinstance(probe, Probe) else Probe(probe)
        self._log_dir = log_dir
        self._precision = precision
        self._every = every
        self._recorder: Recorder | None = None
        self._last: int | None = None  # newest recorded step
        self._batches = 0  # batches since the last recording
        self._epochs_done = 0.0
        self._epochs_before = 0.0  # done in earlier calls of fit
        self._epoch = 0
        self._new_fit = False
        if every != "epoch":
            # Only then: Keras waits for every batch when a callback has this method.
            self.on_train_batch_end = self._after_batch

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Record the untrained model.

        Parameters
        ----------
        logs : dict, optional
            Not used.
        """
        self._close()
        self._recorder = Recorder(self._log_dir, self.model, self._probe, precision=self._precision)
        self._new_fit = True
        step = self._step()
        resumed = self._last is None and step != 0
        self._record(step, None if resumed else self._epochs_done)

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
            Not used.
        """
        self._epochs_done = self._epochs_before + epoch + 1
        if self._every == "epoch":
            self._record(self._step(), self._epochs_done)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Record the last state, unless it is recorded already, and close the run.

        Parameters
        ----------
        logs : dict, optional
            Not used.
        """
        self._record(self._step(), self._epochs_done)
        self._close()

    def _after_batch(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Record once ``every`` steps are done since a multiple of it was passed."""
        step = self._step()
        every = int(self._every)
        if self._last is None or step // every > self._last // every:
            total = (self.params or {}).get("steps")
            part = (batch + 1) / total if total else 0.0
            epoch = self._epochs_before + self._epoch + part if total else None
            self._record(step, epoch)

    def _record(self, step: int, epoch: float | None) -> None:
        if self._recorder is None or step == self._last:
            return
        self._recorder.record(step, epoch)
        self._last = step

    def _step(self) -> int:
        """Return how many steps the optimizer has made; epochs where there is no optimizer."""
        iterations = getattr(getattr(self.model, "optimizer", None), "iterations", None)
        return int(self._epochs_done) if iterations is None else int(iterations)

    def _close(self) -> None:
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None


def _is_whole(value: Any) -> bool:
    """Say whether a value is a whole number, NumPy's included, and no truth value."""
    return isinstance(value, Integral) and not isinstance(value, bool)
