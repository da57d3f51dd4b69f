"""The callback that records a model while Hugging Face's ``Trainer`` trains it.

Room: apps. Comes in: what the Trainer tells its callbacks. Goes out: calls of
:class:`limelight.apps.pace.Pace`, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Literal

import transformers

from limelight.alerting import OnAlert
from limelight.apps.net import InNet
from limelight.apps.pace import OMITTED, Pace
from limelight.capture import Probe
from limelight.capture.settings import EARLY_STOPPING, Setting
from limelight.renamed import arguments


class TrainerCallback(InNet, transformers.TrainerCallback):  # type: ignore[misc]  # of no type here
    """Record a model's attention and parameters while ``Trainer`` trains it.

    The untrained model is recorded first (or the one a checkpoint held), then every epoch or every
    so many optimizer steps, and last the state training ended with. A failure becomes one warning;
    training is never stopped.

    Parameters
    ----------
    log_dir : str or path
        The run's folder, such as ``logs/bert``.
    probe : Probe, mapping, array, or None
        The fixed examples the model is run on, such as what a tokenizer returns. None records
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
        Called with each alert that begins, such as one that sets
        ``trainer.control.should_training_stop = True``, which ends training; what it raises becomes
        one warning.

    Raises
    ------
    LimelightError
        If ``every``, ``precision``, ``processes`` or ``sites`` makes no sense.
    ProbeError
        If ``probe`` is no good in itself.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> callback = TrainerCallback(tempfile.mkdtemp(), Probe({"input_ids": np.ones((2, 8), int)}))

    and then ``Trainer(model, args, train_dataset=data, callbacks=[callback]).train()``.
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
    ) -> None:
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
            name="TrainerCallback",
        )

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record the model before its first step.

        Parameters
        ----------
        args, state, control : object
            The Trainer's own.
        **kwargs : object
            Among them ``model``.
        """
        steps = _steps(args, kwargs.get("train_dataloader"))
        epoch = float(state.epoch or 0)
        settings = [_stopping(args)]
        self._pace.begin(kwargs["model"], int(state.global_step), epoch, steps, settings)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record after so many optimizer steps, if so asked.

        Parameters
        ----------
        args, state, control : object
            The Trainer's own.
        **kwargs : object
            Not used.
        """
        self._pace.after_step(int(state.global_step), state.epoch)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Note losses and metrics, of evaluation too, for the next record.

        Parameters
        ----------
        args, state, control : object
            The Trainer's own.
        logs : dict, optional
        **kwargs : object
            Not used.
        """
        self._pace.note(logs, int(state.global_step))

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record after an epoch, if so asked, and when training stops here.

        Parameters
        ----------
        args, state, control : object
            The Trainer's own.
        **kwargs : object
            Not used.
        """
        if control.should_training_stop:
            self._pace.record(int(state.global_step), state.epoch)
        self._pace.after_epoch(int(state.global_step), state.epoch)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record the last state if an evaluation has just ended training.

        Better parameters of an earlier step may replace it before the Trainer says that it is over.

        Parameters
        ----------
        args, state, control : object
            The Trainer's own.
        **kwargs : object
            Not used.
        """
        if control.should_training_stop:
            self._pace.record(int(state.global_step), state.epoch)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record the last state, unless it is recorded already, and close the run.

        Parameters
        ----------
        args, state, control : object
            The Trainer's own.
        **kwargs : object
            Not used.
        """
        if not args.load_best_model_at_end:  # else these are the parameters of an earlier step
            self._pace.record(int(state.global_step), state.epoch)
        self._pace.close()


def _steps(args: Any, loader: Any) -> int | None:
    """Return how many optimizer steps an epoch has, if that is known."""
    try:
        return max(-(-len(loader) // int(args.gradient_accumulation_steps)), 1)
    except (TypeError, NotImplementedError, AttributeError):  # a stream has no length
        return None


def _stopping(args: Any) -> Setting | None:
    """Say whether the number that chooses the best model is of the data that is trained on.

    Of several data sets that are evaluated, it has the name of one: ``eval_train_loss``.
    """
    metric = getattr(args, "metric_for_best_model", None)
    if not metric:
        return None
    trained = str(metric).removeprefix("eval_").startswith("train")
    return Setting(EARLY_STOPPING, f"metric_for_best_model={metric!r}", trained)
