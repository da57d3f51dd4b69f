"""A recording, read: lazy arrays of what was published.

Room: store. Comes in: a run's folder. Goes out: :class:`Run`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from limelight import renamed, schema
from limelight.alerts.judging.alert import Alert
from limelight.alerts.judging.report import Report
from limelight.errors import NotRecordedError
from limelight.selection import expanded
from limelight.store.format.description import Example, Site
from limelight.store.format.files import Files
from limelight.store.format.index import PARAMETER, Line
from limelight.store.format.published import Steps
from limelight.store.format.studies import Progress, Study
from limelight.store.read import history, maps, studies, tables
from limelight.store.read.opening import Located, Opened, absent
from limelight.store.read.pooled import Pooled
from limelight.store.read.recorded import Recorded
from limelight.store.read.tensors import tensors
from limelight.store.read.vectors import Vectors


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open a recording; reads what it describes, no arrays.

    Parameters
    ----------
    path : str or path
        The run's folder, such as ``logs/lstm``; ``logs/lstm@1`` for its first history that was set
        aside, when training began anew.

    Returns
    -------
    Run

    Raises
    ------
    NotRecordedError
        If limelight recorded nothing there.
    StoreError
        If the recording is damaged, or newer than this limelight.

    Examples
    --------
    >>> run = open_run("logs/lstm")  # doctest: +SKIP
    >>> run.weights("attention").isel(example=0, head=0)  # doctest: +SKIP
    """
    return Run(path)


class Run(Recorded):
    """One run's recording.

    It shows what was published when it was opened; :meth:`refresh` looks again.

    Parameters
    ----------
    path : str or path
        The run's folder.
    within : sequence of str
        Folders that its files must really lie in, such as the log folders that are served; if none
        is given, the run's own.

    Attributes
    ----------
    path : Path
    name : str
        The folder's name.
    schema : int
        Version of the data model.
    """

    def weights(self, site: str, step: Steps = -1) -> xr.DataArray:
        """Return one site's maps at one step; values are read when they are looked at.

        Parameters
        ----------
        site : str
            A name in :attr:`sites`.
        step : int, slice, or sequence of int
            A recorded step; negative counts from the newest. Of several, as in :meth:`measures`,
            the maps are read at once; a slice takes the steps that have the site.

        Returns
        -------
        DataArray [example, head, query, key]
            float32; with a leading ``step`` where several were asked for. Rows that do not count
            are NaN: of padding, or of a head that allows a query no key; so
            ``ll.entropy(weights).mean("query")`` is what the tab shows. Coordinates say which
            queries and keys are valid, and their tokens, if recorded. Taking one example and head
            of one step reads that head only; where vectors are stored, a part of it is computed
            from the part of them it needs, and ``attrs["max_error"]`` says how far a weight may be
            off.

        Raises
        ------
        NotRecordedError
            If there is no such site or step, or the site has other sizes at some of several.
        StoreError
            When values are read from a damaged file.
        """
        if np.ndim(step) == 0 and not isinstance(step, slice):  # type: ignore[arg-type]
            return maps.weights(self._opened, *self._attended(site, step))
        weights: xr.DataArray = self._beside(site, step, maps.weights)
        return weights

    def site(self, site: str, step: Steps = -1) -> xr.Dataset:
        """Return one site at one step, as :mod:`limelight.schema` describes it.

        Parameters
        ----------
        site : str
            A name in :attr:`sites`.
        step : int, slice, or sequence of int
            As in :meth:`weights`.

        Returns
        -------
        Dataset
            ``weights`` and ``allowed`` lazy, rows that do not count NaN; ``query_valid``,
            ``key_valid`` and, if recorded, tokens are coordinates. Of several steps, with a leading
            ``step``, and read.

        Raises
        ------
        NotRecordedError
            If there is no such site or step, or the site has other sizes at some of several.
        StoreError
            If a file is damaged.
        """
        if np.ndim(step) == 0 and not isinstance(step, slice):  # type: ignore[arg-type]
            return maps.site(self._opened, *self._attended(site, step))
        several: xr.Dataset = self._beside(site, step, maps.site)
        return several

    def stored(self, site: str, step: int = -1) -> xr.Dataset:
        """Return one site as it lies on disk: rows that do not count hold what the model computed.

        Parameters
        ----------
        site : str
            A name in :attr:`sites`.
        step : int
            A recorded step; negative counts from the newest.

        Returns
        -------
        Dataset
            As :meth:`site`, for screens, which draw padding apart; measures want :meth:`site`.

        Raises
        ------
        NotRecordedError
            If there is no such site or step.
        StoreError
            If a file is damaged.
        """
        return maps.whole_site(self._opened, *self._attended(site, step))

    def valid(self, site: str, step: int = -1) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return which queries and which keys of a site are valid, bool [example, position].

        Parameters
        ----------
        site : str
            A name in :attr:`sites`.
        step : int
            A recorded step; negative counts from the newest.

        Raises
        ------
        NotRecordedError
            If there is no such site or step.
        StoreError
            If a file is damaged.
        """
        return maps.valid(self._opened, *self._attended(site, step))

    def sites_at(self, step: int) -> dict[str, Site]:
        """Return the sites of one step by name: they may come and go while a model is trained.

        Parameters
        ----------
        step : int
            A recorded step; negative counts from the newest.

        Returns
        -------
        dict of str to Site
            Empty where no attention was recorded.

        Raises
        ------
        NotRecordedError
            If there is no such step.
        """
        line = self._opened.published.line(step)
        sites = self._opened.layout(line).description.sites if line.attention else ()
        return {site.name: site for site in sites}

    def examples_at(self, step: int) -> tuple[Example, ...]:
        """Return the probe's examples of one step.

        Parameters
        ----------
        step : int
            A recorded step; negative counts from the newest.

        Returns
        -------
        tuple of Example

        Raises
        ------
        NotRecordedError
            If there is no such step.
        """
        return self._opened.layout(self._opened.published.line(step)).description.examples

    def steps_of(self, site: str) -> np.ndarray[Any, Any]:
        """Return the steps that have a site, ascending, int64.

        Parameters
        ----------
        site : str
            A name in :attr:`sites`.
        """
        return np.array([line.step for line in self._opened.having(site)], np.int64)

    def tokens(
        self, site: str, example: int, step: int | None = None
    ) -> dict[str, tuple[str, ...] | None]:
        """Return the text of a site's queries and keys, by ``query`` and ``key``.

        Parameters
        ----------
        site : str
            A name in :attr:`sites`.
        example : int
        step : int, optional
            A recorded step; the newest that has the site, if not given.

        Returns
        -------
        dict of str to (tuple of str or None)
            None where none was recorded.
        """
        if step is None:
            description = self._opened.newest(
                lambda known: site in {known_site.name for known_site in known.sites}
            )
        else:
            description = self._attended(site, step)[0].description
        described = {known.name: known for known in description.sites}[site]
        named = {schema.QUERY: described.query_text, schema.KEY: described.key_text}
        return {
            dim: None if at is None else description.texts[at][example] for dim, at in named.items()
        }

    def vectors(self, site: str, step: int = -1) -> Vectors | None:
        """Return what a site's maps are computed from at one step, if they are stored as vectors.

        Parameters
        ----------
        site : str
            A name in :attr:`sites`.
        step : int
            A recorded step; negative counts from the newest.

        Returns
        -------
        Vectors or None
            Reads nothing yet. None where maps are stored whole.

        Raises
        ------
        NotRecordedError
            If there is no such site or step.
        """
        return maps.vectors(self._opened, *self._attended(site, step))

    def pooled(self, site: str, step: int, example: int, head: int) -> Pooled | None:
        """Return one large map as it was pooled when it was recorded.

        Parameters
        ----------
        site : str
            A name in :attr:`sites`.
        step : int
            A recorded step; negative counts from the newest.
        example, head : int

        Returns
        -------
        Pooled or None
            Reads nothing yet. None where the map is small, or stored whole.

        Raises
        ------
        NotRecordedError
            If there is no such site or step.
        """
        return maps.pooled(self._opened, *self._attended(site, step), example, head)

    def shrunk(self, site: str, step: int, example: int, head: int) -> Pooled | None:
        """Return :meth:`pooled`, which was called so."""
        renamed.warn("run.shrunk()", "run.pooled()")
        return self.pooled(site, step, example, head)

    def overview(
        self, step: int, example: int, reduce: str = "max"
    ) -> dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]]:
        """Return a small picture of every head of every site, for one example.

        Parameters
        ----------
        step : int
            A recorded step; negative counts from the newest.
        example : int
        reduce : str
            How a cell sums up what it covers: ``max`` or ``mean``.

        Returns
        -------
        dict of str to (array, array or None)
            By site: ``round(255 * sqrt(weight))`` [head, row, column], uint8; and where a cell
            covers a NaN, bool, or None if none does.

        Raises
        ------
        NotRecordedError
            If there is no such step or example.
        StoreError
            If a file is damaged.
        """
        line = self._opened.published.attended(step)
        return maps.overview(self._opened, line, example, reduce)

    def overview_allowed(self, step: int, example: int) -> dict[str, np.ndarray[Any, Any] | None]:
        """Return which cells of :meth:`overview` cover anything that may be attended to.

        Parameters
        ----------
        step : int
            A recorded step; negative counts from the newest.
        example : int

        Returns
        -------
        dict of str to (array or None)
            By site: bool [head, row, column], with one head where all may attend alike; None where
            every cell covers something allowed.

        Raises
        ------
        NotRecordedError
            If there is no such step.
        StoreError
            If a file is damaged.
        """
        line = self._opened.published.attended(step)
        return maps.overview_allowed(self._opened, line, example)

    def barred(self, step: int, example: int) -> dict[str, np.ndarray[Any, Any] | None]:
        """Return the opposite of :meth:`overview_allowed`, which took its name."""
        renamed.warn("run.barred()", "run.overview_allowed(), with True where allowed,")
        allowed = self.overview_allowed(step, example)
        return {name: None if cells is None else ~cells for name, cells in allowed.items()}

    def measures(self, step: Steps = slice(None)) -> xr.Dataset:
        """Return the measures recorded with the maps.

        Parameters
        ----------
        step : slice, int, or sequence of int
            Steps; a slice is by step, both ends included. Negative ints count from the newest.

        Returns
        -------
        Dataset [step, site, example, head]
            One variable per measure, each an example's mean over its valid queries, float32; NaN
            where a site has no such head or measure, or the step no attention.
            ``<measure>_uniform`` [step, site, example] is the same measure of uniform attention
            over the allowed keys. Beside them ``largest_score``, the greatest score before the
            softmax of an example's valid queries, and how many rows were left out of means.

        Raises
        ------
        NotRecordedError
            If a step was not recorded.
        StoreError
            If a file is damaged.
        """
        return tables.measures(self._opened, self._opened.published.several(step))

    def image(self, example: int) -> np.ndarray[Any, Any] | None:
        """Return the picture whose pixels the positions are, or None.

        Parameters
        ----------
        example : int

        Returns
        -------
        array [row, column] or [row, column, channel], or None
            float32, at its own resolution.

        Raises
        ------
        StoreError
            If its file is damaged.
        """
        if not 0 <= example < len(self.examples):
            return None
        images = maps.images(self._opened)
        return None if images is None else np.array(images[example])

    # -------------------------------------------------------------------- the model's parameters

    def parameters(
        self, names: str | Sequence[str] | None = None, step: Steps = slice(None)
    ) -> xr.Dataset:
        """Return histograms and statistics of the model's own parameters.

        Parameters
        ----------
        names : str or sequence of str, optional
            Some of :attr:`parameter_names`; all if not given.
        step : slice, int, or sequence of int
            As in :meth:`measures`; NaN, and no counts, where a step has no parameters.

        Returns
        -------
        Dataset [step, parameter]
            As :meth:`tensors` of the kind ``parameter``. Of a run that was recorded by limelight
            0.1.0, ``count`` has edges ``linspace(low, high, bins + 1)`` of its own for each.

        Raises
        ------
        NotRecordedError
            If there is no such parameter or step.
        StoreError
            If a file is damaged.
        """
        return self.tensors(PARAMETER, names, step)

    def tensors(
        self,
        kind: str,
        names: str | Sequence[str] | None = None,
        step: Steps = slice(None),
        *,
        counts: bool = True,
    ) -> xr.Dataset:
        """Return histograms and numbers of the tensors of a kind.

        Parameters
        ----------
        kind : str
            One of :attr:`tensor_kinds`.
        names : str or sequence of str, optional
            Some of them, ``*`` matches anything; all if not given.
        step : slice, int, or sequence of int
            As in :meth:`measures`; NaN, and no counts, where a step has none.
        counts : bool
            Whether histograms are read too, which takes most of the time.

        Returns
        -------
        Dataset [step, parameter]
            ``count`` [step, parameter, bin] int64, with coordinates ``left`` and ``right`` [bin]:
            bins are the same for all tensors, steps and runs, so counts can be added up; those
            in which nothing lies are left out. Numbers
            float64 [step, parameter], as far as recorded: ``mean``, ``std``, ``skew``,
            ``kurtosis``, ``min``, ``max``, ``norm``, ``zeros``, ``near_zero``, ``near_start``,
            ``w1_from_start``, ``headroom``, ``nonfinite``, ``nan``, quantiles ``q001`` to ``q999``,
            and what only that kind has, such as ``ratio`` of an ``update``. The kind ``time`` has
            ``norm`` [step, parameter, time] instead: of the gradient of what a recurrent layer was
            handed at each time step, of ``length`` in all; of more than 64, each is the root mean
            square of several. ``first``, ``last``, ``least`` and ``most`` are those of all.

        Raises
        ------
        NotRecordedError
            If there is no such kind, tensor or step.
        StoreError
            If a file is damaged.
        """
        known = list(self._opened.members(kind))
        if kind != PARAMETER and not known:
            raise absent("tensors of kind", kind, self._opened.run, list(self.tensor_kinds))
        asked = [names] if isinstance(names, str) else names
        chosen = known if asked is None else expanded(asked, known)
        lines = self._opened.published.several(step)
        return tensors(self._opened, chosen, lines, kind, counts=counts)

    # --------------------------------------------------------------------------- what was studied

    @property
    def studies(self) -> tuple[Study, ...]:
        """What was studied, oldest first; also what is not finished."""
        return tuple(study for study, _ in self.studied())

    def studied(self) -> tuple[tuple[Study, Progress], ...]:
        """Return what was studied, oldest first, and how far each study is.

        Returns
        -------
        tuple of (Study, Progress)
            As it is on disk now, for a study may be running.
        """
        return studies.studies(self._files)

    def study(self, name: str, **settings: Any) -> xr.Dataset:
        """Return the result of a study.

        Parameters
        ----------
        name : str
            Such as ``ablation``, or its key.
        **settings : object
            What it was asked with, such as ``replace="mean"``; the newest of those that fit.

        Returns
        -------
        Dataset
            As the study returned it.

        Raises
        ------
        NotRecordedError
            If there is none.
        StoreError
            If it is not finished.
        """
        return studies.result(self._files, self._opened.run, name, settings)

    def study_so_far(self, key: str | None) -> tuple[Study, Progress, xr.Dataset]:
        """Return a study as far as it is, also while it runs.

        Parameters
        ----------
        key : str
            Of the study; its name will do, for the newest of that name.

        Returns
        -------
        Study, Progress, Dataset
            The numbers rest on ``progress.n`` units.

        Raises
        ------
        NotRecordedError
            If there is none.
        StoreError
            If there is no number of it yet.
        """
        return studies.so_far(self._files, self._opened.run, key)

    @property
    def _files(self) -> Files:
        return Files.of(self.path, self._within)

    # --------------------------------------------------------------------------- what goes wrong

    def alerts(self) -> list[Alert]:
        """Return what goes wrong in the run, or went, most harm first.

        Returns
        -------
        list of Alert
            Each with its ``rule``, ``tensors`` (worst first), ``number`` and ``value``, the step
            ``since`` which and ``until`` which the rule is broken, and what people ``usually`` do;
            as text, one line. Rules look at what was recorded: :meth:`judged` says which ran.

        Raises
        ------
        NotRecordedError
            If the recording is gone.
        """
        return list(self.judged().alerts)

    def judged(self) -> Report:
        """Return what every rule made of the run.

        Returns
        -------
        Report
            ``alerts``; names of rules that found nothing (``quiet``), and of those that lack what
            they need (``lacking``).
        """
        return history.report(self._opened)

    def _beside(self, site: str, step: Steps, read: Callable[[Opened, Located, Line], Any]) -> Any:
        """Return what several steps hold of a site, one after the other."""
        lines = self._opened.published.several(step)
        if isinstance(step, slice):
            having = {line.step for line in self._opened.having(site)}
            lines = [line for line in lines if line.step in having]
        each = [read(self._opened, *self._attended(site, line.step)) for line in lines]
        sizes = {tuple(sorted(part.sizes.items())) for part in each}
        if len(sizes) != 1:
            raise NotRecordedError(
                f"Got {len(each)} steps of {site!r}, which has {len(sizes)} sizes there.",
                "Wanted steps at which it has one size.",
                f"Ask for others: run.steps_of({site!r}) lists them, run.site_changes() the sizes.",
            )
        steps = xr.Variable(("step",), np.array([line.step for line in lines], np.int64))
        return xr.concat([part.load() for part in each], steps, coords="minimal", compat="override",
                         join="override", combine_attrs="drop_conflicts")  # fmt: skip

    def _attended(self, site: str, step: Any) -> tuple[Located, Line]:
        """Return where a site lies, and a step's line; of two that are wrong, the site's name."""
        if site not in self._opened.sites:
            raise absent("site", site, self._opened.run, list(self._opened.sites))
        line = self._opened.published.attended(step)
        return self._opened.locate(site, line), line
