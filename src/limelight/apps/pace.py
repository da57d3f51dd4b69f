"""When a training run is recorded; the same in every framework's own loop.

Room: apps. Comes in: what a framework tells its callbacks, as plain numbers. Goes out: calls of
:class:`limelight.record.Recorder`. Knows no framework.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from numbers import Integral
from os import PathLike
from typing import Any, Final, Literal

from limelight.alerting import Lookout, OnAlert
from limelight.capture import Probe
from limelight.capture.settings import Setting
from limelight.capture.wanted import Wanted
from limelight.errors import LimelightError, LimelightWarning
from limelight.log_folder import log_folder
from limelight.processes import Processes, folder
from limelight.record import Recorder
from limelight.selection import patterns
from limelight.store.format.precision import Form
from limelight.store.format.precision import precision as form_of

Every = Literal["epoch"] | int
Tensors = Mapping[str, Any]


class _Omitted:
    """Stands for an argument that was not given; ``None`` says "no probe, and I know it"."""


OMITTED: Final = _Omitted()


class Pace:
    """Records the untrained model, then every epoch or so many steps, and the last state.

    Parameters
    ----------
    log_dir : str or path
        The run's folder.
    probe : Probe, array, None or OMITTED
    every : ``"epoch"`` or int
    precision, processes, sites : str
        As in :class:`~limelight.record.Recorder`.
    tensors : mapping, optional
        What else is recorded of tensors, by the names of :class:`~limelight.record.Recorder`'s
        arguments.
    on_alert : callable, optional
        As in :class:`~limelight.record.Recorder`.
    name : str
        Of the callback, for its messages.

    Raises
    ------
    LimelightError
        If ``every``, ``precision``, ``processes`` or ``sites`` makes no sense.
    ProbeError
        If ``probe`` is no good in itself.
    """

    def __init__(
        self,
        log_dir: str | PathLike[str],
        probe: Probe | Any | None,
        *,
        every: Every,
        precision: Form,
        processes: Processes,
        sites: Sequence[str] | str | None = None,
        tensors: Tensors | None = None,
        on_alert: OnAlert | None = None,
        name: str,
    ) -> None:
        if every != "epoch" and not (_is_whole(every) and every >= 1):
            raise LimelightError(
                f"Got every={every!r}.",
                "Wanted 'epoch', or a whole number of steps above 0.",
                "Write every='epoch' or, say, every=100.",
            )
        form_of(precision)  # now, not in the middle of a training run
        folder(log_dir, processes)  # raises if it is neither
        log_dir = log_folder(log_dir)  # now: a script may change its folder before it trains
        if probe is OMITTED:
            warnings.warn(
                LimelightWarning(
                    f"{name} got no probe, so only parameters are recorded, no attention. "
                    "Pass a few examples, such as limelight.Probe(x[:8]); or probe=None if "
                    "parameters are all you want."
                ),
                stacklevel=4,  # past the callback and what takes its old names
            )
            probe = None
        self._probe = probe if probe is None or isinstance(probe, Probe) else Probe(probe)
        self._log_dir = log_dir
        self._every = every
        self._precision = precision
        self._processes = processes
        self._sites = patterns(sites)
        self._tensors = dict(tensors or {})
        Wanted(**self._tensors)  # raises if it makes no sense
        Lookout(on_alert)  # and so does this
        self._on_alert = on_alert
        self._recorder: Recorder | None = None
        self._last: int | None = None  # newest recorded step
        self._alarmed = False  # one recording out of turn is enough

    def begin(
        self,
        model: Any,
        step: int,
        epoch: float | None,
        steps: int | None = None,
        settings: Iterable[Setting | None] = (),
    ) -> None:
        """Record the model before its first step, unless it ended with that step last time.

        Parameters
        ----------
        model : object
            The live model.
        step : int
            Optimizer steps done; more than 0 where training goes on from a checkpoint.
        epoch : float or None
            Epochs done, if known.
        steps : int, optional
            Of an epoch, if known: which gradients to look at.
        settings : iterable of (Setting or None)
            What the loop's own settings say, such as what early stopping watches.
        """
        self.close()
        self._recorder = Recorder(
            self._log_dir,
            model,
            self._probe,
            precision=self._precision,
            processes=self._processes,
            sites=self._sites,
            **self._tensors,
            on_alert=self._on_alert,
        )
        self._recorder.settings = [setting for setting in settings if setting is not None]
        schedule = self._recorder.schedule
        if self._every == "epoch":
            schedule.every, schedule.anchor = steps, step
        else:
            schedule.every = int(self._every)
        self.record(step, epoch)

    def note(self, metrics: Mapping[str, Any] | None, step: int) -> None:
        """Remember what the loop measured of itself, for the next record.

        A loss that is no finite number makes the next step one that is recorded, once.

        Parameters
        ----------
        metrics : mapping of str to number, optional
        step : int
            When it was measured.
        """
        if self._recorder is None:
            return
        self._recorder.metrics.note(metrics, step)
        if not self._alarmed and _diverged(metrics):
            self._alarmed = self._recorder.schedule.alarm = True

    def after_step(self, step: int, epoch: float | None) -> None:
        """Record once ``every`` steps are done since a multiple of it was passed.

        Parameters
        ----------
        step : int
        epoch : float or None
        """
        if self._recorder is not None:
            self._recorder.schedule.done = step
        if self.due(step):
            self.record(step, epoch)

    def due(self, step: int) -> bool:
        """Say whether so many steps done are to be recorded at once, not after the epoch only.

        Parameters
        ----------
        step : int

        Returns
        -------
        bool
        """
        if self._recorder is not None and self._recorder.schedule.alarm:
            return True
        if self._every == "epoch":
            return False
        every = int(self._every)
        return self._last is None or step // every > self._last // every

    def after_epoch(self, step: int, epoch: float | None) -> None:
        """Record after an epoch, if so asked.

        Parameters
        ----------
        step : int
        epoch : float or None
        """
        if self._every == "epoch":
            self.record(step, epoch)

    def record(self, step: int, epoch: float | None) -> None:
        """Record the model as it is now, unless this step is recorded.

        Parameters
        ----------
        step : int
        epoch : float or None
        """
        if self._recorder is None or step == self._last:
            return
        self._alarmed |= self._recorder.schedule.alarm
        self._recorder.record(step, epoch)
        self._last = step

    def close(self) -> None:
        """End recording."""
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None


def _diverged(metrics: Mapping[str, Any] | None) -> bool:
    """Say whether a loss is no finite number."""
    losses = [value for name, value in (metrics or {}).items() if name in ("loss", "train_loss")]
    with suppress(TypeError, ValueError, OverflowError):  # whatever a loop calls so
        return not all(math.isfinite(float(loss)) for loss in losses)
    return False


def _is_whole(value: Any) -> bool:
    """Say whether a value is a whole number, NumPy's included, and no truth value."""
    return isinstance(value, Integral) and not isinstance(value, bool)
