"""The only writer of recordings.

Room: store. Comes in: one step's labelled arrays. Goes out: files beside TensorBoard's, in this
order: the arrays' rows, then the index line that makes the step exist, then the event that tells
TensorBoard. A reader at any moment sees whole steps only. One way, and nothing comes back on it:
describe, settle, lay out, write, publish.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import xarray as xr

from limelight.distribution import TensorTable
from limelight.log_folder import log_folder
from limelight.renamed import arguments
from limelight.store.format import index
from limelight.store.format.files import Files
from limelight.store.format.index import PARAMETER, Line
from limelight.store.format.precision import Form
from limelight.store.format.precision import precision as form_of
from limelight.store.format.sizes import Sizes
from limelight.store.tensorboard import summaries
from limelight.store.tensorboard.events import EventFile
from limelight.store.write.describe import describe
from limelight.store.write.from_start import FromStart
from limelight.store.write.history import begun_anew, mended
from limelight.store.write.lay_out import lay_out
from limelight.store.write.line import begin
from limelight.store.write.patterns import Pattern, pattern_of
from limelight.store.write.rows import Written, write_rows
from limelight.store.write.sealing import MANY, seal
from limelight.store.write.settle import Settled, settle
from limelight.store.write.step import Measures, ProbeLike, Step
from limelight.store.zarr import bundles
from limelight.store.zarr.unlisted import listed_rows


class Writer:
    """Appends steps to the recording of one run.

    A recording is continued, also by a model of other sites or parameters. Where a writer's first
    step is none after all that are recorded, a new history begins with it: the earlier one is set
    aside with a warning, and opens as ``<run>@1``. Later, a step recorded again replaces the
    earlier one.

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
        self._rows: set[int] = set()  # that any index lists
        self._size = -1  # of the index, when its lines were read
        self._begun = False  # whether a step of this writer was written
        self._room: dict[str, int] = {}  # for how many rows each array has room
        self._start = FromStart()
        self._tails = 0  # rows written and not yet looked at for sealing
        self._last: tuple[Line, TensorTable] | None = None  # whose histograms nobody else has

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End writing: put what is small of the last steps together. Nothing is kept open."""
        if not self._begun or self._settled is None:
            return
        self._begun = False
        if self._last is not None:  # how training ended is shown everywhere
            (line, parameters), self._last = self._last, None
            with suppress(OSError):
                histograms = summaries.histograms(parameters)
                self._events.write(line.step, line.time, {}, histograms, pointer=False)
        with suppress(OSError), index.locked(self._files.index):
            self._seal(self._settled, least=1)

    @arguments(null="uniform")
    def append(
        self,
        step: int,
        *,
        tree: xr.DataTree | None = None,
        measures: Measures | None = None,
        uniform: Measures | None = None,
        parameters: xr.Dataset | None = None,
        tensors: Mapping[str, xr.Dataset] | None = None,
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
        tensors : mapping of str to Dataset, optional
            More tables of that form, by what they are of: ``gradient``, ``update`` and so on.
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
            Step(
                step,
                tree,
                measures or {},
                uniform or {},
                parameters,
                probe,
                epoch,
                time,
                tensors or {},
            )
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
        settled = settle(self._files, described, self._settled)
        if settled is not self._settled:
            self._settled = settled
            self._room.clear()
        with index.locked(self._files.index) as descriptor:
            row = self._prepared(step, settled, descriptor)
            step = self._start.compared(step, self._files, settled, self._lines)
            pattern = pattern_of(step, settled) if step.sites else None
            line = begin(step, pattern, self._lines, settled.number, row)
            line = self._written(step, settled, line, pattern)
            try:
                index.append(descriptor, line.dumps(settled.run))
            except BaseException:
                bundles.tail(self._files, row).unlink(missing_ok=True)
                raise
            self._lines.append(line)
            self._rows.add(row)
            self._size, self._begun = os.fstat(descriptor).st_size, True
            with suppress(OSError):  # the step is there; it can be sealed later
                self._seal(settled)
        self._announce(step, line)

    def _announce(self, step: Step, line: Line) -> None:
        """Tell TensorBoard of a step, and give its own dashboards some of them."""
        number, parameters = len(self._lines) - 1, step.tables.get(PARAMETER)
        scalars: dict[str, float] = {}
        if summaries.due(number, summaries.SCALARS):
            scalars = summaries.scalars(step.sites, step.measures)
            scalars |= summaries.training(step.tables)
        shown = parameters if summaries.due(number, summaries.HISTOGRAMS) else None
        self._last = (line, parameters) if shown is None and parameters is not None else None
        self._events.write(line.step, line.time, scalars, summaries.histograms(shown))

    def _prepared(self, step: Step, settled: Settled, descriptor: int) -> int:
        """Bring the index up to date, and return the row of a step to come."""
        files, run = self._files, settled.run
        if os.fstat(descriptor).st_size != self._size:  # somebody else wrote to it
            lines, _ = index.read(files, run)
            if not self._begun:
                lines = mended(files, run, descriptor, lines)
            self._rows = set(listed_rows(files, run, lines))
            self._lines = lines
        if not self._begun:
            self._lines = begun_anew(files, settled, descriptor, self._lines, step)
        # Above every row that is there, also one that no index lists: nothing is overwritten.
        there: set[int] = set()
        if not self._begun:
            every = bundles.listed(files)
            there = {bundle.last for bundle in every}
            self._tails = sum(not bundle.sealed for bundle in every)
        return 1 + max(self._rows | there, default=-1)

    def _written(self, step: Step, settled: Settled, line: Line, pattern: Pattern | None) -> Line:
        """Write all of a step but its line, and return that."""
        new = pattern if line.masks == line.row else None
        written = Written()
        path = bundles.tail(self._files, line.row)
        try:
            rows = lay_out(step, settled, line, new)
            write_rows(self._files, rows, self._room, settled.run, written)
            wide = written.sites.get("query_wide", ())
            line = replace(line, nan="nan" in written.sites, wide=wide)
            written.members.append((bundles.line_name(line.row), line.dumps(settled.run)))
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(bundles.packed(written.members, settled.run))
        except BaseException:
            for left in (path, *written.files):
                left.unlink(missing_ok=True)
            raise
        return line

    def _seal(self, settled: Settled, least: int = MANY) -> None:
        self._tails += 1
        if self._tails >= least:
            seal(self._files, settled.run, settled.layouts, self._rows, least)
            self._tails = 0
