"""The only writer of recordings.

Room: store. Comes in: one step's labelled arrays. Goes out: files beside TensorBoard's, in this
order: the arrays' rows, then the index line that makes the step exist, then the event that tells
TensorBoard. A reader at any moment sees whole steps only.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from limelight import schema
from limelight.errors import LimelightWarning, StoreError
from limelight.factors import Factors, factors_of
from limelight.store.format import index
from limelight.store.format.description import Description, merged
from limelight.store.format.index import Line
from limelight.store.format.layout import (
    STATISTICS,
    ArraySpec,
    Files,
    all_specs,
    group_specs,
    shared_specs,
)
from limelight.store.format.loading import loads
from limelight.store.format.overview import pictures
from limelight.store.format.packing import packed
from limelight.store.format.precision import Form, Precision
from limelight.store.format.precision import precision as form_of
from limelight.store.tensorboard import summaries
from limelight.store.tensorboard.events import EventFile, now
from limelight.store.write.rows import (
    Masks,
    OneByOne,
    Rows,
    digest_of,
    maps_of,
    masks_of,
    rule_rows,
    table_of,
    vector_rows,
)
from limelight.store.write.structure import ProbeLike, describe, sites_of
from limelight.store.zarr import shards

Measures = Mapping[str, xr.Dataset]

#: Bytes of maps in single precision that are made ahead while others are written.
_HELD: Final = 1 << 26


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

    def __init__(self, run_dir: str | os.PathLike[str], *, precision: Form = "float16") -> None:
        self._form = form_of(precision)
        self._run_dir = Path(run_dir)
        self._files = Files.of(run_dir)
        self._events = EventFile(self._run_dir)
        self._lines: list[Line] = []
        self._size = -1  # of the index, when its lines were read
        self._rows: dict[str, int] = {}  # how many rows each array says it has

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End writing. Every published step is on disk already; nothing is kept open."""

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
        sites = {} if tree is None else sites_of(tree)
        measures = measures or {}
        names = sorted({str(name) for measured in measures.values() for name in measured})
        new = describe(self._form, sites, names, parameters, probe)
        description = self._prepare(new, probe)
        line = Line(
            step=int(step),
            row=0,
            time=now() if time is None else float(time),
            epoch=None if epoch is None or not np.isfinite(epoch) else float(epoch),
            attention=bool(sites),
            parameters=parameters is not None,
        )
        with index.locked(self._files.index) as descriptor:
            self._follow(descriptor)
            line = changed(line, row=1 + max((known.row for known in self._lines), default=-1))
            if sites:
                line = self._write_sites(description, line, sites, measures, uniform or {})
            if parameters is not None:
                self._write_parameters(description, line.row, parameters)
            index.append(descriptor, line)
            self._lines.append(line)
            self._size = os.fstat(descriptor).st_size
        self._events.write(
            line.step,
            line.time,
            summaries.scalars(sites, measures),
            summaries.histograms(parameters),
        )

    # -------------------------------------------------------------- what is on disk already

    def _prepare(self, new: Description, probe: ProbeLike | None) -> Description:
        """Make the recording on disk one that new arrays fit, and return its description."""
        try:
            old = self._found()
            whole = new if old is None else merged(old, new)
        except StoreError:
            self._move_aside()
            self._rows.clear()
            old, whole = None, new
        if whole == old:
            return whole
        if old is None and self._files.index.exists() and index.read(self._files.index)[0]:
            self._move_aside()  # steps, and nothing says what they mean
        self._files.data.mkdir(parents=True, exist_ok=True)
        self._rows.clear()
        for spec in all_specs(whole):
            if old is None or not self._files.array(spec).exists():
                shards.create(self._files, spec)
        images = None if probe is None else probe.images
        if images is not None:
            self._row(shared_specs(whole)["images"], 0, np.asarray(images, "<f4"))
        shards.replace(self._files.meta, whole.dumps())
        return whole

    def _found(self) -> Description | None:
        try:
            text = self._files.meta.read_text("utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return None
        return loads(text, str(self._files.meta))

    def _move_aside(self) -> None:
        aside = self._files.aside()
        self._files.root.rename(aside)
        warnings.warn(
            LimelightWarning(
                f"{self._run_dir} already held a recording of another model or probe. It was "
                f"moved to {aside}; nothing is lost. Give each run a folder of its own."
            ),
            stacklevel=4,
        )

    def _follow(self, descriptor: int) -> None:
        """Read the index anew if it is not the one we left."""
        size = os.fstat(descriptor).st_size
        if size != self._size:
            self._lines, _ = index.read(self._files.index)
            self._size = size

    # ------------------------------------------------------------------------ one step's rows

    def _row(self, spec: ArraySpec, row: int, values: Any) -> None:
        shards.write(self._files, spec, row, values)
        if row >= self._rows.get(spec.name, 0):
            # Many at once: small recordings spent most of their time on rewriting this number. A
            # row is there when the index says so, not when its array could hold it.
            self._rows[spec.name] = shards.grow(self._files, spec, row + 1)

    def _write_sites(
        self,
        description: Description,
        line: Line,
        sites: Mapping[str, xr.Dataset],
        measures: Measures,
        uniform: Measures,
    ) -> Line:
        nan, wide = False, []
        for number, group in enumerate(description.groups):
            specs = group_specs(description, group, number)
            if group.features is not None:
                packs = [packed(_factors(sites[name]), self._form) for name in group.sites]
                wide += [name for name, one in zip(group.sites, packs, strict=True) if one.wide]
                rows = vector_rows(packs)
                self._rows_of(specs, line.row, rows)
                nan |= "nan" in rows
                continue
            chosen = [sites[name] for name in group.sites]
            drawn = self._write_maps(specs["weights"], line.row, chosen, description.precision)
            self._row(specs["overview"], line.row, np.stack([cells for cells, _ in drawn], 1))
            if any(broken.any() for _, broken in drawn):
                self._row(specs["nan"], line.row, np.stack([broken for _, broken in drawn], 1))
                nan = True
        shared = shared_specs(description)
        if "measures" in shared:
            table = table_of(shared["measures"], description, measures)
            self._row(shared["measures"], line.row, table)
        line = self._write_masks(description, line, sites, uniform)
        return changed(line, nan=nan, wide=tuple(wide))

    def _rows_of(
        self, specs: Mapping[str, ArraySpec], row: int, values: Mapping[str, Rows]
    ) -> None:
        for role, one in values.items():
            self._row(specs[role], row, one)

    def _write_maps(
        self, spec: ArraySpec, row: int, sites: list[xr.Dataset], form: Precision
    ) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        """Write a group's weights and return its small pictures.

        A site's maps may be computed only now, and take more than all else of a run: few of them
        are held at a time.
        """
        drawn: dict[int, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = {}

        def stored(place: int) -> np.ndarray[Any, Any]:
            maps = maps_of(sites[place])
            drawn[place] = pictures(maps)
            return form.encode(maps)

        cores = os.cpu_count() or 1
        ahead = max(1, min(cores, _HELD // max(4 * sites[0]["weights"].size, 1)))
        with ThreadPoolExecutor(min(cores, ahead)) as pool:  # NumPy lets others work meanwhile
            makers = [partial(stored, place) for place in range(len(sites))]
            self._row(spec, row, OneByOne(makers, pool, ahead))
        return [drawn[place] for place in range(len(sites))]

    def _write_masks(
        self,
        description: Description,
        line: Line,
        sites: Mapping[str, xr.Dataset],
        uniform: Measures,
    ) -> Line:
        """Write what may be attended to, unless an earlier step's is the same."""
        kept = {site.name for site in description.sites if site.features is not None}
        shared = shared_specs(description)
        table = None
        if "uniform" in shared:
            table = table_of(shared["uniform"], description, uniform)
        # A site's pattern may be computed only now, as its maps are: one at a time, twice if new.
        valid: dict[str, Any] = {}

        def masks() -> Iterator[Masks]:
            for name, site in sites.items():
                found = masks_of(site, _factors(site) if name in kept else None)
                valid[name] = found[-2:]
                yield found

        digest = digest_of(masks(), table)
        by_head = tuple(
            name
            for name, site in sites.items()
            if "allowed" in site and schema.HEAD in site["allowed"].dims
        )
        for known in self._lines:
            if known.digest == digest:
                return changed(line, masks=known.masks, digest=digest, by_head=by_head)
        row = 1 + max((known.masks for known in self._lines), default=-1)
        for number, group in enumerate(description.groups):
            specs = group_specs(description, group, number)
            shape = specs["allowed"].tail[1:]
            chosen = [sites[name] for name in group.sites]
            if group.features is not None:
                self._rows_of(specs, row, rule_rows([_factors(one) for one in chosen], specs))
            else:
                with ThreadPoolExecutor(1) as pool:
                    makers = [partial(_spread, site, shape) for site in chosen]
                    self._row(specs["allowed"], row, OneByOne(makers, pool))
            for place, which in enumerate(("query_valid", "key_valid")):
                self._row(specs[which], row, np.stack([valid[one][place] for one in group.sites]))
        if table is not None:
            self._row(shared["uniform"], row, table)
        return changed(line, masks=row, digest=digest, by_head=by_head)

    def _write_parameters(self, description: Description, row: int, parameters: xr.Dataset) -> None:
        specs = shared_specs(description)
        counts = parameters["count"].transpose("parameter", "bin").values
        numbers = [parameters[name].values for name in STATISTICS]
        self._row(specs["counts"], row, counts.astype("<i8"))
        self._row(specs["statistics"], row, np.stack(numbers, axis=-1).astype("<f8"))


def _factors(site: xr.Dataset) -> Factors:
    found = factors_of(site["weights"])
    if found is None:
        raise TypeError("a site described by vectors came without them")
    return found


def _spread(site: xr.Dataset, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Return what may be attended to in each head of a site."""
    return np.broadcast_to(masks_of(site, None)[0], shape)
