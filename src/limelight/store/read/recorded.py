"""What a recording says of itself, without a look at its arrays.

Room: store. Comes in: a run's folder. Goes out: :class:`Recorded`, its steps, sites, examples,
parameters. Looks while another process writes: what the index does not list yet does not exist.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from limelight import schema
from limelight.log_folder import log_folder
from limelight.store.format.description import Example, Site
from limelight.store.format.index import PARAMETER
from limelight.store.format.precision import Precision
from limelight.store.format.sizes import Sizes
from limelight.store.read.opening import opened

#: How many sites a run's own line names.
_SITES_SHOWN = 12


def counted(number: int, noun: str) -> str:
    """Return a number of things in words.

    Parameters
    ----------
    number : int
    noun : str

    Returns
    -------
    str
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


class Recorded:
    """What one run recorded, as it was when it was looked at.

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

    def __init__(self, path: str | os.PathLike[str], within: Sequence[str] = ()) -> None:
        self._within = tuple(within)
        self.path = log_folder(path)
        self.name = self.path.resolve().name
        self.schema = schema.SCHEMA_VERSION
        self.refresh()

    def __repr__(self) -> str:
        steps = self.steps
        counts = [
            counted(steps.size, "step")
            + (f" from {steps[0]} to {steps[-1]}" if steps.size else ""),
            counted(len(self.sites), "site"),
            counted(len(self.parameter_names), "parameter"),
        ]
        lines = [f"<Run {self.name!r}: {', '.join(counts)}>"]
        for site in list(self.sites.values())[:_SITES_SHOWN]:
            size = f"{site.heads} × {site.queries} × {site.keys}"
            lines.append(f"  {site.name}  {site.kind}, head × query × key: {size}")
        if len(self.sites) > _SITES_SHOWN:
            lines.append(f"  … and {len(self.sites) - _SITES_SHOWN} more: run.sites")
        return "\n".join(lines)

    def refresh(self) -> Self:
        """Look again at what is published, and return the run itself.

        Raises
        ------
        NotRecordedError
            If the recording is gone.
        StoreError
            If it is damaged.
        """
        self._opened = opened(self.path, self.name, self._within)
        return self

    @property
    def steps(self) -> np.ndarray[Any, Any]:
        """Recorded steps, ascending, int64."""
        return self._opened.published.steps

    @property
    def epochs(self) -> np.ndarray[Any, Any]:
        """Each step's epoch, float64, NaN where none was given."""
        epochs = (line.epoch for line in self._opened.published.lines)
        return np.array([np.nan if epoch is None else epoch for epoch in epochs], np.float64)

    @property
    def wall_times(self) -> np.ndarray[Any, Any]:
        """When each step was recorded, float64, seconds since 1970."""
        return np.array([line.time for line in self._opened.published.lines], np.float64)

    @property
    def sites(self) -> dict[str, Site]:
        """Attention modules by name, in the order they run; each as the newest step has it.

        They may come and go: :meth:`~limelight.store.Run.sites_at` says which a step has.
        """
        return self._opened.sites

    def site_changes(self) -> dict[int, dict[str, Site]]:
        """Return the sites by the step from which on the model had them, ascending.

        Returns
        -------
        dict of int to dict of str to Site
            A step is a key where its sites differ, by name or size, from those of the step before;
            the first step always is.
        """
        changes: dict[int, dict[str, Site]] = {}
        known: dict[tuple[int, bool], list[Site]] = {}
        before: list[Site] | None = None
        for line in self._opened.published.lines:
            key = line.layout, line.attention
            if key not in known:
                sites = self._opened.layout(line).description.sites if line.attention else ()
                # That other texts name its positions makes no other site of it.
                known[key] = [replace(site, query_text=None, key_text=None) for site in sites]
            if known[key] != before:
                before = known[key]
                changes[line.step] = {site.name: site for site in before}
        return changes

    @property
    def examples(self) -> tuple[Example, ...]:
        """The probe's examples."""
        return self._opened.newest(lambda known: known.examples).examples

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the model's own parameters, in its order."""
        return tuple(self._opened.members(PARAMETER))

    @property
    def tensor_kinds(self) -> tuple[str, ...]:
        """Of what there are histograms and numbers, such as ``parameter`` and ``gradient``."""
        kinds = (table.kind for layout in self._opened.shown for table in layout.description.tables)
        return tuple(dict.fromkeys(kinds))

    def tensor_steps(self, kind: str) -> NDArray[np.int64]:
        """Return the steps at which tensors of a kind were recorded, ascending."""
        lines = self._opened.published.lines
        return np.array([line.step for line in lines if kind in line.tables], np.int64)

    def tensor_facts(self, kind: str) -> tuple[dict[str, Any], ...]:
        """Return what is said of each tensor of a kind, as :attr:`parameter_facts` does."""
        return tuple(vars(member).copy() for member in self._opened.members(kind).values())

    @property
    def parameter_facts(self) -> tuple[dict[str, Any], ...]:
        """What is said of each of the model's own parameters, as the newest step has it.

        ``name``, ``module``, ``shape``, ``size``; ``trainable``, False where it is frozen;
        ``note``, what its numbers are of where that is not its values.
        """
        return tuple(vars(member).copy() for member in self._opened.members(PARAMETER).values())

    @property
    def precision(self) -> Precision:
        """How weights are stored at the newest step: ``name`` and ``max_error``."""
        return self._opened.newest(lambda known: known.sites).precision

    @property
    def sizes(self) -> Sizes:
        """How big its parts are: ``bins`` of histograms, ``overview``, ``statistics`` and so on."""
        return self._opened.newest(lambda known: known.tables).sizes

    @property
    def problems(self) -> tuple[str, ...]:
        """What of the recording could not be read, a sentence each."""
        return self._opened.problems
