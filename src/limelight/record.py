"""The write path: capture, measure, append, announce; and never in training's way.

Room: record. Comes in: a live model, a probe, a step. Goes out: a published step on disk, or one
warning. The only place where every error becomes a warning.
"""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Final, TypeVar

from limelight.alerting import Lookout, OnAlert
from limelight.analyses.blockwise.blas import one_thread_each
from limelight.capture import Probe, capture
from limelight.capture.metrics import Metrics
from limelight.capture.parameters import parameter_table, unread
from limelight.capture.settings import SETUP, Setting, settings_table
from limelight.capture.wanted import Wanted, settings_of, watched
from limelight.capture.watching import TRAINING, Schedule, Training
from limelight.distribution import TensorTable
from limelight.divided import undisturbed
from limelight.errors import (
    LimelightError,
    LimelightWarning,
    NoAttentionError,
    StoreError,
    UnbuiltModelError,
)
from limelight.first_step import FirstStep
from limelight.log_folder import log_folder
from limelight.measuring import Uniforms, measures_of
from limelight.processes import Processes, folder, unwrapped
from limelight.renamed import arguments
from limelight.selection import patterns, selected
from limelight.store import Step, Writer
from limelight.store.format.files import sidecar
from limelight.store.format.precision import Form
from limelight.store.write.claim import claim, release
from limelight.store.write.step import sites_of

Result = TypeVar("Result")


class Recorder:
    """Records a model's attention and parameters, one step at a time, in any training loop.

    Parameters
    ----------
    log_dir : str or path
        The run's folder, such as ``logs/lstm``.
    model : keras.Model or torch.nn.Module
        The live model, wrapped for several processes or not.
    probe : Probe or array, optional
        The fixed examples the model is run on; without them, no attention is recorded.
    precision : str
        How attention weights are stored: ``float16``, exact to half precision, or ``compact``, one
        byte each.
    parameters : bool
        Also record the model's own parameters: histograms and statistics.
    processes : str
        Where several processes train one model: ``first``, only the first records; ``all``, each
        into a folder of its own, ``rank-1`` and so on below the first one's.
    sites : str or sequence of str, optional
        Names of the sites to record, ``*`` matches anything, such as ``encoder/layer/11/*``; all
        if not given. What one step costs is told once, after the first.
    tensors : str or sequence of str, optional
        Names of the parameters, gradients and so on to record, ``*`` matches anything; all if not
        given.
    gradients, updates : bool
        Also record the gradients that the optimizer gets, and the change its step makes, of the
        step before each record. They are seen in the training step itself; nothing is computed for
        them. What is known of it before the first call of :meth:`record` is not seen.
    activations : bool
        Also record what activation and normalisation layers give for the probe.
    spectra : int, optional
        Also record the singular values of matrices, at each so many-th record: dear.
    every : int, optional
        If given, :meth:`record` may be called at each step and records each so many-th one; then
        gradients are looked at in these only. Else each step's are, since nobody knows which will
        be recorded.
    on_alert : callable, optional
        Called with each alert that begins, as :meth:`limelight.Run.alerts` returns them, beside the
        one warning that tells of it: to send a message, to save, to stop. What it raises becomes
        one warning.

    Raises
    ------
    LimelightError
        If ``processes`` or ``precision`` is unknown, ``sites`` or ``tensors`` are no names, or
        ``on_alert`` cannot be called.
    ProbeError
        If ``probe`` is no good in itself.

    Notes
    -----
    Whatever goes wrong inside becomes one :class:`~limelight.errors.LimelightWarning`, and what
    failed is not tried again: without attention, parameters go on; without a disk, nothing does.

    Examples
    --------
    >>> import tempfile, torch
    >>> layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> optimizer, x = torch.optim.SGD(layer.parameters(), 0.1), torch.ones(4, 5, 8)
    >>> with Recorder(tempfile.mkdtemp(), layer, x[:2]) as recorder:
    ...     for step in range(3):
    ...         layer(x).square().mean().backward()
    ...         optimizer.step()
    ...         recorder.record(step)
    True
    True
    True
    """

    @arguments(weights="parameters", ranks="processes")
    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        model: Any,
        probe: Probe | Any | None = None,
        *,
        precision: Form = "float16",
        parameters: bool = True,
        processes: Processes = "first",
        sites: Sequence[str] | str | None = None,
        tensors: Sequence[str] | str | None = None,
        gradients: bool = False,
        updates: bool = False,
        activations: bool = False,
        spectra: int | None = None,
        every: int | None = None,
        on_alert: OnAlert | None = None,
    ) -> None:
        self._lookout: Lookout | None = Lookout(on_alert)
        self.settings: list[Setting] = []
        self._wanted = Wanted(tensors, gradients, updates, activations, spectra)
        self.schedule = Schedule(every)
        self.metrics = Metrics()
        self._every = every
        self._last: int | None = None
        self._training: Training | None = None
        self._records = 0
        self._latest: Step | None = None  # what was published last, if that is not large
        self._set_up = False  # whether settings were looked at
        recorded = folder(log_dir, processes)  # None: another process records
        self._log_dir = log_folder(log_dir) if recorded is None else recorded
        self._model = model
        self._probe = probe if probe is None or isinstance(probe, Probe) else Probe(probe)
        writer = Writer(self._log_dir, precision=precision)
        self._writer = None if recorded is None else writer
        self._unwrapped = False
        self._noted = False  # of parameters without values
        self._refused = False  # whether a warning told of a step that is none
        self._release: Callable[[], object] | None = None
        self._attention = self._probe is not None
        self._parameters = parameters
        self._sites = patterns(sites)
        self._alone = undisturbed if processes == "first" else nullcontext
        self._first = FirstStep(sidecar(self._log_dir))
        self._unbuilt: UnbuiltModelError | None = None
        self._uniforms = Uniforms()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(
        self,
        step: int,
        epoch: float | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> bool:
        """Record the model as it is now.

        Parameters
        ----------
        step : int
            The optimizer's iteration.
        epoch : float, optional
            How many epochs are done.
        metrics : mapping of str to float, optional
            What the loop measured of itself, such as ``{"loss": 0.3, "val_loss": 0.4}``. They are
            columns of the table ``training``, and the page of weights draws losses by these names.

        Returns
        -------
        bool
            Whether a step was published. Not if ``step`` is no whole number from 0: one warning
            says so, and later steps are recorded.
        """
        self.metrics.note(metrics, step)
        recorded = self._tried(lambda: self._recorded(step, epoch), "anything")
        if recorded is None:
            self.close()
        return bool(recorded)

    def _recorded(self, step: int, epoch: float | None) -> bool:
        """Do what :meth:`record` says; what is not caught here is caught there."""
        if self._writer is None or not self._prepared():
            return False
        if (begun := self._begun(step, epoch)) is None:
            return False
        made = begun
        self.schedule.done = made.number
        if self._every is not None and not self._is_due(made.number):
            return False
        self._last = made.number
        self._first.begin()
        if self._attention:
            attended = self._once_built(lambda: self._attend(made), "attention")
            self._attention = attended is not None or self._unbuilt is not None
            made = attended or made
        if self._parameters:
            numbers = self._once_built(self._summed_up, "parameters")
            self._parameters = numbers is not None or self._unbuilt is not None
            made = replace(made, parameters=numbers)
        made = replace(made, tensors=self._more())
        if made.tree is None and not made.tables:
            return False
        writer = self._writer

        def publish() -> bool:
            self._claim()
            writer.publish(made)
            return True

        published = self._tried(publish, "anything") is not None
        if not published:
            self._latest = None
            self.close()
            return False
        self._latest = made if _is_small(made) else None
        self._judge(made)
        numbers = made.tables.get("parameter")
        self._first.tell(len(made.sites), 0 if numbers is None else len(numbers))
        return True

    def close(self) -> None:
        """End recording; what was published stays."""
        if self._unbuilt is not None and self._writer is not None:
            never, self._unbuilt = self._unbuilt, None
            warnings.warn(LimelightWarning(self._excuse("anything", never)), stacklevel=2)
        self._amend()
        self._writer = None
        if self._training is not None:
            self._tried(self._training.close, "gradients")
            self._training = None
        if self._release is not None:
            self._tried(self._release, "anything")

    def _amend(self) -> None:
        """Add what the loop measured after the last record, such as its last validation loss."""
        latest, self._latest = self._latest, None
        writer = self._writer
        if latest is None or writer is None:
            return
        training = self.metrics.amended(latest.tables.get(TRAINING))
        if training is not None:
            whole = replace(latest, tensors={**latest.tensors, TRAINING: training})
            self._tried(lambda: writer.publish(whole), "anything")

    def _begun(self, step: int, epoch: float | None) -> Step | None:
        """Return a step without content; None, and one warning, for what is no step."""
        try:
            return Step(step, probe=self._probe, epoch=epoch)
        except StoreError as cause:
            if not self._refused:
                self._refused = True
                message = f"limelight records nothing of this step. {cause}"
                warnings.warn(LimelightWarning(message), stacklevel=3)
            return None

    def _prepared(self) -> bool:
        """Take the model out of what wraps it for several processes, once."""
        if not self._unwrapped:
            model = self._tried(lambda: unwrapped(self._model), "anything")
            if model is None:
                self.close()
                return False
            self._model, self._unwrapped = model, True
        return True

    def _claim(self) -> None:
        """Keep other processes out of the folder until this recorder is closed or forgotten."""
        if self._release is None:
            self._release = weakref.finalize(self, release, claim(self._log_dir))

    def _attend(self, step: Step) -> Step:
        """Add attention to a step, and its measures."""
        with self._alone():
            tree = capture(self._model, self._probe)
        sites = sites_of(tree)
        wanted = selected(sites, self._sites)
        if len(wanted) < len(sites):
            tree = tree.filter(lambda node: node.path.lstrip("/") in wanted)
            sites = {name: sites[name] for name in wanted}
        # NumPy lets others work meanwhile.
        with one_thread_each() if len(sites) > 1 else nullcontext(), ThreadPoolExecutor() as pool:
            measured = dict(zip(sites, pool.map(measures_of, sites.values()), strict=True))
            even = pool.map(self._uniforms.of, sites, sites.values())
            uniform = dict(zip(sites, even, strict=True))
        return replace(step, tree=tree, measures=measured, uniform=uniform)

    def _judge(self, made: Step) -> None:
        """Tell of what goes wrong in training; that must not go wrong itself."""
        lookout = self._lookout
        if lookout is not None:
            begun = self._tried(
                lambda: lookout.see(made.number, made.tables, made.measures, made.uniform), "alerts"
            )
            if begun is None:
                self._lookout = None

    def _summed_up(self) -> TensorTable:
        """Sum up the parameters, and tell once of those that have no values here."""
        numbers = self._wanted.chosen("parameter", parameter_table(self._model))
        absent = unread(numbers)
        if absent and not self._noted:
            self._noted = True
            warnings.warn(LimelightWarning(absent), stacklevel=5)
        return numbers

    def _is_due(self, step: int) -> bool:
        """Say whether a step is recorded, where only each so many-th one is."""
        every = self._every or 1
        return self.schedule.alarm or self._last is None or step // every > self._last // every

    def _more(self) -> dict[str, TensorTable]:
        """Return what else is recorded of tensors, and see to the steps that come."""
        wanted, tables = self._wanted, dict[str, Any]()
        self.schedule.alarm = False
        if self._training is not None:
            tables |= self._tried(self._training.tables, "gradients") or {}
        elif wanted.training and self._unbuilt is None:
            wanted.training = False  # tried once
            self._training = self._tried(
                lambda: watched(self._model, self.schedule, wanted), "gradients"
            )
        if not self._set_up and self._unbuilt is None:
            self._set_up = True
            looked_at = self._tried(lambda: settings_of(self._model), SETUP) or []
            if settings := [*self.settings, *looked_at]:
                tables[SETUP] = settings_table(settings)
        for kind, act in wanted.looks(self._model, self._probe, self._records):
            numbers = self._tried(act, f"{kind}s")
            if numbers is None:
                wanted.drop(kind)
            else:
                tables[kind] = numbers
        training = self.metrics.added(tables.get(TRAINING))
        if training is not None:
            tables[TRAINING] = training
        self._records += 1
        return {kind: wanted.chosen(kind, values) for kind, values in tables.items()}

    def _once_built(self, act: Callable[[], Result], what: str) -> Result | None:
        """Do something that may fail; a model without parameters as yet is asked again later."""

        def tried() -> Result | None:
            self._unbuilt = None
            try:
                return act()
            except UnbuiltModelError as cause:
                self._unbuilt = cause
                return None

        return self._tried(tried, what)

    def _tried(self, act: Callable[[], Result], what: str) -> Result | None:
        """Do something that may fail; training must not."""
        try:
            return act()
        except LimelightWarning:
            raise  # a person asked for warnings to be errors
        except Exception as cause:  # noqa: BLE001  # a promise: no error of ours stops training
            warnings.warn(LimelightWarning(self._excuse(what, cause)), stacklevel=3)
            return None

    def _excuse(self, what: str, cause: Exception) -> str:
        if isinstance(cause, NoAttentionError) and cause.plain and self._parameters:
            return "No attention here; parameters are recorded. probe=None says so."
        return excuse(what, cause, self._log_dir)


#: Bytes of maps up to which a step is held until the next one, to be amended at the end.
_HELD: Final = 1 << 26


def _is_small(step: Step) -> bool:
    """Say whether a step's maps may be held."""
    return sum(site.nbytes for site in step.sites.values()) <= _HELD


def excuse(what: str, cause: Exception, log_dir: object = "the log folder") -> str:
    """Say in a sentence or two what is not recorded from here on, and why.

    Parameters
    ----------
    what : str
        ``attention``, ``parameters``, or ``anything``.
    cause : Exception
    log_dir : path
        Named where the file system does not say which file it was.

    Returns
    -------
    str

    Examples
    --------
    >>> excuse("anything", ValueError("no"))
    'limelight records nothing of this run from here on. ValueError: no'
    """
    try:
        said = str(cause)
    except Exception:  # noqa: BLE001  # an error of somebody's that cannot say what it is
        said = "it does not say why"
    if isinstance(cause, LimelightError):
        reason = said
    elif isinstance(cause, OSError):
        reason = (
            f"{cause.strerror or said}: {cause.filename or log_dir}. Free some space, "
            "or choose a folder that can be written."
        )
    else:
        reason = f"{type(cause).__name__}: {said}"
    return f"limelight records no {what} of this run from here on. {reason}".replace(
        "no anything", "nothing"
    )
