"""The only writer of recordings.

Room: store. Comes in: one step's labelled arrays. Goes out: files beside TensorBoard's, in this
order: the arrays' rows, then the index line that makes the step exist, then the event that tells
TensorBoard. A reader at any moment sees whole steps only. One way, and nothing comes back on it:
describe, settle, lay out, write, publish.
"""

from __future__ import annotations

import os
from dataclasses import replace

import xarray as xr

from limelight.log_folder import log_folder
from limelight.renamed import arguments
from limelight.store.format import index
from limelight.store.format.files import Files
from limelight.store.format.index import Line
from limelight.store.format.precision import Form
from limelight.store.format.precision import precision as form_of
from limelight.store.format.sizes import Sizes
from limelight.store.tensorboard import summaries
from limelight.store.tensorboard.events import EventFile
from limelight.store.write.describe import describe
from limelight.store.write.lay_out import lay_out
from limelight.store.write.line import begin
from limelight.store.write.patterns import pattern_of
from limelight.store.write.rows import write_rows
from limelight.store.write.settle import Settled, settle
from limelight.store.write.step import Measures, ProbeLike, Step


class Writer:
    """Appends steps to the recording of one run.

    A recording of the same structure is continued; a step recorded again replaces the earlier one.
    One of another structure is moved aside, to ``limelight.1`` and so on, with a warning.

    Parameters
    ----------
    run_dir : str or path
        The run's folder; made, with its parents, when the first step is written.
    precision : str
        ``float16``, exact to half precision, or ``compact``, one byte per weight.
    sizes : Sizes, optional
        How maps are cut and pooled. Those of a recording that is continued stay as they are.

    Raises
    ------
    StoreError
        If ``precision`` is unknown.

    Examples
    --------
    >>> import tempfile, numpy as np, xarray as xr
    >>> weights = xr.DataArray(np.full((1, 1, 2, 2), 0.5), dims=("example", "head", "query", "key"))
    >>> tree = xr.DataTree.from_dict({"attention": xr.Dataset({"weights": weights})})
    >>> with Writer(tempfile.mkdtemp()) as writer:
    ...     writer.append(0, tree=tree)
    """

    def __init__(
        self,
        run_dir: str | os.PathLike[str],
        *,
        precision: Form = "float16",
        sizes: Sizes | None = None,
    ) -> None:
        self._form = form_of(precision)
        self._sizes = Sizes() if sizes is None else sizes
        self._files = Files.of(log_folder(run_dir))
        self._events = EventFile(self._files.run_dir)
        self._settled: Settled | None = None
        self._lines: list[Line] = []
        self._size = -1  # of the index, when its lines were read
        self._room: dict[str, int] = {}  # for how many rows each array has room

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End writing. Every published step is on disk already; nothing is kept open."""

    @arguments(null="uniform")
    def append(
        self,
        step: int,
        *,
        tree: xr.DataTree | None = None,
        measures: Measures | None = None,
        uniform: Measures | None = None,
        parameters: xr.Dataset | None = None,
        probe: ProbeLike | None = None,
        epoch: float | None = None,
        time: float | None = None,
    ) -> None:
        """Write and publish one step.

        Parameters
        ----------
        step : int
            The optimizer's iteration.
        tree : DataTree, optional
            One node per site, as :mod:`limelight.schema` describes it.
        measures : mapping of str to Dataset, optional
            By site: one variable [example, head] per measure.
        uniform : mapping of str to Dataset, optional
            By site: the same measures of uniform attention over the allowed keys [example].
        parameters : Dataset, optional
            As :func:`limelight.capture.parameters` returns it.
        probe : ProbeLike, optional
            Gives examples their titles, tokens, labels and images.
        epoch : float, optional
        time : float, optional
            When it was recorded, seconds since 1970; now if not given.

        Raises
        ------
        OSError
            If the disk is full, read-only or gone. What was published before stays readable.
        """
        self.publish(
            Step(step, tree, measures or {}, uniform or {}, parameters, probe, epoch, time)
        )

    def publish(self, step: Step) -> None:
        """Write and publish one step.

        Parameters
        ----------
        step : Step

        Raises
        ------
        OSError
            If the disk is full, read-only or gone. What was published before stays readable.
        """
        described = describe(step, self._form, self._sizes)
        settled = settle(self._files, described, step.images, self._settled)
        if settled is not self._settled:
            self._settled = settled
            self._room.clear()
        with index.locked(self._files.index) as descriptor:
            size = os.fstat(descriptor).st_size
            if size != self._size:  # somebody else wrote to it
                self._lines, _ = index.read(self._files.index)
            pattern = pattern_of(step, settled) if step.sites else None
            line, new = begin(step, pattern, self._lines)
            rows = lay_out(step, settled, line, pattern if new else None)
            written = write_rows(self._files, rows, self._room)
            line = replace(line, nan="nan" in written, wide=written.get("query_wide", ()))
            index.append(descriptor, line)
            self._lines.append(line)
            self._size = os.fstat(descriptor).st_size
        self._events.write(
            line.step,
            line.time,
            summaries.scalars(step.sites, step.measures),
            summaries.histograms(step.parameters),
        )
