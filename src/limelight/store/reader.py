"""A recording, opened: what was recorded, and lazy arrays of it.

Room: store. Comes in: a run's folder. Goes out: :class:`Run`. Reads while another process writes:
what the index does not list yet does not exist.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from limelight import schema
from limelight.catalogue import analyses
from limelight.errors import NotRecordedError, StoreError
from limelight.store import index
from limelight.store.arrays import Arrays
from limelight.store.description import Description, Example, Site, loads
from limelight.store.index import Line
from limelight.store.layout import (
    META,
    REDUCTIONS,
    STATISTICS,
    Place,
    group_specs,
    shared_specs,
)
from limelight.store.lazy import lazy
from limelight.store.precision import Precision
from limelight.store.published import Published, Steps

#: A longer description is none of ours.
_LONGEST = 1 << 28


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open a recording; reads what it describes, no arrays.

    Parameters
    ----------
    path : str or path
        The run's folder, such as ``logs/lstm``.

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


class Run:
    """One run's recording.

    It shows what was published when it was opened; :meth:`refresh` looks again.

    Parameters
    ----------
    path : str or path
        The run's folder.

    Attributes
    ----------
    path : Path
    name : str
        The folder's name.
    schema : int
        Version of the data model.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = self.path.resolve().name
        self.schema = schema.SCHEMA_VERSION
        self._place = Place.of(path)
        self.refresh()

    def __repr__(self) -> str:
        return (
            f"<Run {self.name!r}: {self.steps.size} steps, {len(self.sites)} sites, "
            f"{len(self.parameter_names)} parameters>"
        )

    def refresh(self) -> Run:
        """Look again at what is published, and return the run itself.

        Raises
        ------
        NotRecordedError
            If the recording is gone.
        StoreError
            If it is damaged.
        """
        description = self._describe()
        lines, problems = index.read(self._place.index)
        self._description = description
        self._published = Published(self.name, lines)
        self._images: np.ndarray[Any, Any] | None = None
        self._arrays = Arrays(self._place)
        self._problems = tuple(problems)
        self._sites = {site.name: site for site in description.sites}
        return self

    # ------------------------------------------------------------------ what was recorded

    @property
    def steps(self) -> np.ndarray[Any, Any]:
        """Recorded steps, ascending, int64."""
        return self._published.steps

    @property
    def epochs(self) -> np.ndarray[Any, Any]:
        """Each step's epoch, float64, NaN where none was given."""
        epochs = (line.epoch for line in self._published.lines)
        return np.array([np.nan if epoch is None else epoch for epoch in epochs], np.float64)

    @property
    def wall_times(self) -> np.ndarray[Any, Any]:
        """When each step was recorded, float64, seconds since 1970."""
        return np.array([line.time for line in self._published.lines], np.float64)

    @property
    def sites(self) -> dict[str, Site]:
        """Attention modules by name, in the order they run."""
        return self._sites

    @property
    def examples(self) -> tuple[Example, ...]:
        """The probe's examples."""
        return self._description.examples

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the model's own weights, in its order."""
        return tuple(parameter.name for parameter in self._description.parameters)

    @property
    def parameter_facts(self) -> tuple[dict[str, Any], ...]:
        """``name``, ``module``, ``shape`` and ``size`` of each of the model's own weights."""
        return tuple(vars(parameter).copy() for parameter in self._description.parameters)

    @property
    def precision(self) -> Precision:
        """How weights are stored: ``name`` and ``max_error``."""
        return self._description.precision

    @property
    def problems(self) -> tuple[str, ...]:
        """What of the recording could not be read, a sentence each."""
        return self._problems

    # ------------------------------------------------------------------------- attention

    def weights(self, site: str, step: int = -1) -> xr.DataArray:
        """Return one site's maps at one step; values are read when they are looked at.

        Parameters
        ----------
        site : str
            A name in :attr:`sites`.
        step : int
            A recorded step; negative counts from the newest.

        Returns
        -------
        DataArray [example, head, query, key]
            float32. Taking one example and head reads that head only.

        Raises
        ------
        NotRecordedError
            If there is no such site or step.
        StoreError
            When values are read from a damaged file.
        """
        facts, line = self._site(site), self._published.attended(step)
        number, place = self._description.location(site)
        spec = group_specs(self._description, self._description.groups[number], number)["weights"]
        arrays, form = self._arrays, self.precision

        def read(key: tuple[Any, ...]) -> np.ndarray[Any, Any]:
            return form.decode(arrays.read(spec, line.row, line.step, place, *key))

        variable = lazy(self._shape(facts), read)
        coords = {"step": line.step, "site": site}
        return xr.DataArray(variable, coords, name="weights", attrs=_attrs(facts))

    def site(self, site: str, step: int = -1) -> xr.Dataset:
        """Return one site at one step, as :mod:`limelight.schema` describes it.

        Parameters
        ----------
        site : str
            A name in :attr:`sites`.
        step : int
            A recorded step; negative counts from the newest.

        Returns
        -------
        Dataset
            ``weights`` and ``allowed`` lazy; ``query_valid``, ``key_valid``; tokens if recorded.

        Raises
        ------
        NotRecordedError
            If there is no such site or step.
        StoreError
            If a file is damaged.
        """
        facts, line = self._site(site), self._published.attended(step)
        number, place = self._description.location(site)
        specs = group_specs(self._description, self._description.groups[number], number)
        arrays = self._arrays
        valid = {
            name: arrays.read(specs[name], line.masks, line.step, place)
            for name in ("query_valid", "key_valid")
        }

        def read(key: tuple[Any, ...]) -> np.ndarray[Any, Any]:
            return arrays.read(specs["allowed"], line.masks, line.step, place, *key)

        allowed = lazy(self._shape(facts), read, bool)
        if site not in line.by_head:
            allowed = allowed.isel(head=0)
        variables: dict[str, Any] = {
            "weights": self.weights(site, line.step).variable,
            "allowed": allowed,
            "query_valid": ((schema.EXAMPLE, schema.QUERY), valid["query_valid"]),
            "key_valid": ((schema.EXAMPLE, schema.KEY), valid["key_valid"]),
        }
        for name, dim, table in (
            ("query_token", schema.QUERY, facts.query_text),
            ("key_token", schema.KEY, facts.key_text),
        ):
            if table is not None:
                texts = np.array(self._description.texts[table], dtype=np.str_)
                variables[name] = ((schema.EXAMPLE, dim), texts)
        coords = {"step": line.step, "site": site}
        return xr.Dataset(variables, coords, _attrs(facts))

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
        line, layer = self._published.attended(step), REDUCTIONS.index(reduce)
        if not 0 <= example < len(self.examples):
            raise NotRecordedError(
                f"Got example {example}.",
                f"Run {self.name!r} has {len(self.examples)}, numbered from 0.",
                "Ask for one of these.",
            )
        found = {}
        for number, group in enumerate(self._description.groups):
            specs = group_specs(self._description, group, number)
            part = (layer, slice(None), example)
            cells = self._arrays.read(specs["overview"], line.row, line.step, *part)
            nan = None
            if line.nan and self._arrays.holds(specs["nan"], line.row):
                nan = self._arrays.read(specs["nan"], line.row, line.step, *part)
            for place, name in enumerate(group.sites):
                broken = None if nan is None or not nan[place].any() else nan[place]
                found[name] = (cells[place], broken)
        return {name: found[name] for name in self.sites}

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
            where a site has no such head or measure, or the step no attention. ``<measure>_null``
            [step, site, example] is the same measure of uniform attention over the allowed keys.

        Raises
        ------
        NotRecordedError
            If a step was not recorded.
        StoreError
            If a file is damaged.
        """
        lines = self._published.some(step)
        shared = shared_specs(self._description)
        described = self._description
        variables: dict[str, Any] = {}
        for role, suffix in (("measures", ""), ("nulls", "_null")):
            if role not in shared:
                continue
            spec = shared[role]
            table = np.full((len(lines), *spec.tail), np.nan, np.float32)
            seen: dict[int, np.ndarray[Any, Any]] = {}
            for place, line in enumerate(lines):
                row = line.masks if suffix else line.row
                if line.attention:
                    if row not in seen:
                        seen[row] = self._arrays.read(spec, row, line.step)
                    table[place] = seen[row]
            dims = ("step", *spec.dims[1:-1])
            for number, name in enumerate(described.measures):
                card = analyses().get(name)
                attrs = {"units": card.units, "bounds": list(card.bounds)} if card else {}
                variables[name + suffix] = (dims, table[..., number], attrs)
        return xr.Dataset(variables, {**_coords(lines), "site": list(self.sites)})

    def image(self, example: int) -> np.ndarray[Any, Any] | None:
        """Return the picture whose pixels the positions are, float32 [row, column], or None."""
        spec = shared_specs(self._description).get("images")
        if spec is None or not 0 <= example < len(self.examples):
            return None
        if self._images is None:
            self._images = self._arrays.read(spec, 0, None)
        return np.asarray(self._images[example])

    # -------------------------------------------------------------------- the model's weights

    def parameters(
        self, names: str | Sequence[str] | None = None, step: Steps = slice(None)
    ) -> xr.Dataset:
        """Return histograms and statistics of the model's own weights.

        Parameters
        ----------
        names : str or sequence of str, optional
            Some of :attr:`parameter_names`; all if not given.
        step : slice, int, or sequence of int
            As in :meth:`measures`; NaN, and no counts, where a step has no parameters.

        Returns
        -------
        Dataset [step, parameter]
            ``count`` [step, parameter, bin] int64, edges ``linspace(low, high, 65)``; ``low``,
            ``high``, ``mean``, ``std``, ``min``, ``max``, ``norm``, ``near_zero``, ``nonfinite``
            float64.

        Raises
        ------
        NotRecordedError
            If there is no such parameter or step.
        StoreError
            If a file is damaged.
        """
        known = {name: place for place, name in enumerate(self.parameter_names)}
        chosen = [names] if isinstance(names, str) else list(known if names is None else names)
        for name in chosen:
            if name not in known:
                raise NotRecordedError(
                    f"Got parameter {name!r}.",
                    f"Run {self.name!r} holds {_some(list(known))}.",
                    "Ask for one of these, spelled the same.",
                )
        places = [known[name] for name in chosen]
        shared = shared_specs(self._description)
        lines = self._published.some(step)
        counts = np.zeros((len(lines), len(chosen), 64), np.int64)
        numbers = np.full((len(lines), len(chosen), len(STATISTICS)), np.nan)
        for place, line in enumerate(lines):
            if line.parameters and places:
                read = self._arrays.read
                counts[place] = read(shared["counts"], line.row, line.step)[places]
                numbers[place] = read(shared["statistics"], line.row, line.step)[places]
        variables: dict[str, Any] = {"count": (("step", "parameter", "bin"), counts)}
        for number, name in enumerate(STATISTICS):
            variables[name] = (("step", "parameter"), numbers[..., number])
        return xr.Dataset(variables, {**_coords(lines), "parameter": np.array(chosen, np.str_)})

    # ---------------------------------------------------------------------------- beginnings

    def _describe(self) -> Description:
        meta = self._place.meta
        try:
            if meta.stat().st_size > _LONGEST:
                raise StoreError(
                    f"{meta} is longer than {_LONGEST >> 20} MiB.",
                    "Wanted the text that limelight wrote there.",
                    "Restore the file from a copy, or record the run again.",
                )
            text = meta.read_text("utf-8", errors="replace")
        except FileNotFoundError as cause:
            if self._place.index.exists():
                raise StoreError(
                    f"{meta} is missing; the recording beside it says nothing without it.",
                    "Wanted the text that limelight wrote there.",
                    "Restore the file from a copy, or record the run again.",
                ) from cause
            raise NotRecordedError(
                f"{self.path} holds no limelight recording.",
                f"Wanted {META} in {self._place.root}.",
                "Correct the path, or record a run there; if it was deleted, open another.",
            ) from cause
        except OSError as cause:
            raise StoreError(
                f"{meta} cannot be read ({cause.strerror or cause}).",
                "Wanted a file that this user may read.",
                "Change its permissions, or read it as another user.",
            ) from cause
        return loads(text, str(meta))

    def _site(self, name: str) -> Site:
        if name not in self._sites:
            raise NotRecordedError(
                f"Got site {name!r}.",
                f"Run {self.name!r} holds {_some(list(self._sites))}.",
                "Ask for one of these, spelled the same.",
            )
        return self._sites[name]

    def _shape(self, site: Site) -> tuple[int, int, int, int]:
        return len(self.examples), site.heads, site.queries, site.keys


def _attrs(site: Site) -> dict[str, Any]:
    """Return what the schema wants a site to say of itself."""
    attrs: dict[str, Any] = {
        "module": site.module,
        "kind": site.kind,
        "module_class": site.module_class,
        "framework": site.framework,
        "dtype": site.dtype,
        "mode": "inference",
        "dropout": "before",
    }
    for name in ("query_layout", "key_layout"):
        if getattr(site, name) is not None:
            attrs[name] = getattr(site, name)
    return attrs


def _coords(lines: Sequence[Line]) -> dict[str, Any]:
    epochs = [np.nan if line.epoch is None else line.epoch for line in lines]
    steps = np.array([line.step for line in lines], np.int64)
    return {"step": steps, "epoch": ("step", np.array(epochs, np.float64))}


def _some(names: Sequence[str], most: int = 8) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(map(repr, names[:most])) or "none") + rest
