"""What studies look at that need no more than maps: a model's over data, or those at hand.

Room: studying. Comes in: a model and data, a run, or captured maps; and what is asked of each
example's maps. Goes out: numbers [example, …] in order, and what a result says of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import limelight
from limelight.capture import Probe
from limelight.capture.adapter import adapter_for
from limelight.errors import StudyError
from limelight.maps.reading import Maps, examples
from limelight.store import Run
from limelight.studying.data import ROWS, Data, Partition
from limelight.studying.passes import Numbers, Passes, live
from limelight.studying.units import Units

#: The maps of all sites on one example, by site.
Sites = dict[str, Maps]


@dataclass(frozen=True)
class Settings:
    """How data is read, and who does the tasks; as for :func:`limelight.ablation`.

    Attributes
    ----------
    partition : int
    collate, call : callable, optional
    tokens : object, optional
        What turns ids into text, as a :class:`limelight.Probe` takes it.
    executor, workers, run : optional
    """

    partition: int = ROWS
    collate: Callable[[list[Any]], Any] | None = None
    call: Callable[[Any, Any], Any] | None = None
    tokens: Any = None
    executor: Executor | None = None
    workers: int | None = None
    run: Any = None


@dataclass(frozen=True)
class Looked:
    """What came of it.

    Attributes
    ----------
    numbers : dict of str to array [example, …]
    heads : dict of str to int
        Sites, in the order they run, and how many heads each has.
    layers : tuple of str
        Those of self-attention.
    data_digest, model_digest : str
        Empty for maps at hand.
    finish : callable
        Keeps the result in the run, if there is one, and returns it.
    """

    numbers: Numbers
    heads: dict[str, int]
    layers: tuple[str, ...]
    data_digest: str
    model_digest: str
    finish: Callable[[xr.Dataset], xr.Dataset]

    @property
    def examples(self) -> int:
        """How many there are."""
        return len(next(iter(self.numbers.values())))


@dataclass(frozen=True)
class Watching:
    """Does one partition: takes the maps of the model on it, and looks at them.

    Attributes
    ----------
    look : callable
        Takes the maps of all sites on one example, gives numbers; it must travel where another
        process does it.
    tokens : object, optional
    """

    look: Callable[[Sites], Mapping[str, NDArray[Any]]]
    tokens: Any = None

    def __call__(self, model: Any, task: Partition) -> Numbers:
        """Return what is seen, each [example, …]."""
        probe = task.probe
        if self.tokens is not None:
            probe = probe.changed(tokens=self.tokens)
        tree = adapter_for(model).watch(model, probe, None)
        return seen(datasets_of(tree), self.look, ids_of(probe))


def looked(
    model: Any,
    data: Any,
    look: Callable[[Sites], Mapping[str, NDArray[Any]]],
    asked: Mapping[str, Any],
    settings: Settings,
) -> Looked:
    """Look at the maps of a model over data, or at those at hand.

    Parameters
    ----------
    model : model, Recipe, Run, DataTree, or mapping of str to Dataset
        Without data: maps that were captured or recorded; of a run, its newest.
    data : object, optional
    look : callable
    asked : mapping
        ``study``, and all else that decides the numbers.
    settings : Settings

    Returns
    -------
    Looked

    Raises
    ------
    StudyError
        If there are no maps, or a model comes without data.
    """
    if data is None:
        datasets = _at_hand(model)
        numbers = seen(datasets, look, None)
        return Looked(numbers, _heads(datasets), _layers(datasets), "", "", lambda made: made)
    if hasattr(data, "ndim") and hasattr(data, "shape"):  # inputs alone
        data = Probe(data, call=settings.call)
    read = Data(data, settings.partition, settings.collate, settings.call)
    here = live(model)
    first = next(iter(read.partitions())).probe.some(range(1))
    datasets = datasets_of(adapter_for(here).watch(here, first, None))
    passes = Passes(
        model, read, dict(asked), settings.executor, settings.workers, settings.run, "observed"
    )
    numbers = passes.numbers(Watching(look, settings.tokens))
    return Looked(numbers, _heads(datasets), _layers(datasets), passes.scan.digest, passes.digest,
                  passes.finish)  # fmt: skip


def seen(
    datasets: Mapping[str, xr.Dataset],
    look: Callable[[Sites], Mapping[str, NDArray[Any]]],
    ids: NDArray[Any] | None,
) -> Numbers:
    """Look at the maps of each example.

    Parameters
    ----------
    datasets : mapping of str to Dataset
    look : callable
    ids : array [example, position], optional
        Whole numbers that stand for tokens.

    Returns
    -------
    dict of str to array [example, …]
    """
    streams = {
        site: examples(dataset, ids if is_of(ids, dataset) else None)
        for site, dataset in datasets.items()
    }
    rows = [dict(look(dict(zip(streams, maps, strict=True))))
            for maps in zip(*streams.values(), strict=True)]  # fmt: skip
    return {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}


def described(
    study: str, looked: Looked, units: Units, of: str, seed: int, settings: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Return what the result of such a study says of itself.

    Parameters
    ----------
    study : str
    looked : Looked
    units : Units
    of : str
        What its numbers are, as in "roles of heads".
    seed : int
    settings : mapping

    Returns
    -------
    dict
    """
    n = units.count
    said = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    interval = (
        "95 % percentile bootstrap intervals" if n >= 30
        else "95 % t-intervals" if n >= 5 else "no intervals (n below 5)"
    )  # fmt: skip
    made = f", data {looked.data_digest[:8]}, model {looked.model_digest[:8]}"
    return {
        "study": study, "tier": "observed", "n": n, "of": "units", "seed": seed,
        "data_digest": looked.data_digest, "model_digest": looked.model_digest,
        "limelight": limelight.__version__, **settings,
        "sentence": (
            f"{study} (observed): {of}, over n = {n}{': ' + said if said else ''}; {interval}; "
            f"seed {seed}; limelight {limelight.__version__}{made if looked.model_digest else ''}."
        ),
    }  # fmt: skip


def _at_hand(maps: Any) -> dict[str, xr.Dataset]:
    """Return maps that were captured or recorded, by site."""
    if isinstance(maps, Run):
        datasets = {site: maps.site(site) for site in maps.sites_at(-1)}
    elif isinstance(maps, xr.DataTree):
        datasets = datasets_of(maps)
    elif isinstance(maps, Mapping):
        datasets = {
            str(site): node if isinstance(node, xr.Dataset) else node.to_dataset()
            for site, node in maps.items()
        }
    else:
        raise StudyError(
            f"Got a {type(maps).__name__} and no data.",
            "Wanted a model and data, or maps: what ll.capture returns, or a run.",
            "Give data, such as ll.roles(model, x), or ll.roles(ll.capture(model, x)).",
        )
    if not datasets:
        raise StudyError(
            "Got no attention maps.", "Wanted those of at least one site.",
            "Record with a probe, or capture a model that attends.",
        )  # fmt: skip
    counts = {site: dataset.sizes["example"] for site, dataset in datasets.items()}
    if len(set(counts.values())) > 1:
        raise StudyError(
            f"Got maps of different numbers of examples: {counts}.",
            "Wanted the same examples at every site.", "Capture them in one call.",
        )  # fmt: skip
    return datasets


def datasets_of(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """Return the sites of a tree in the order they run.

    Parameters
    ----------
    tree : DataTree

    Returns
    -------
    dict of str to Dataset
    """
    nodes = [node for node in tree.subtree if "weights" in node.data_vars]
    nodes.sort(key=lambda node: int(node.attrs.get("order", 0)))
    return {node.path.strip("/"): node.to_dataset() for node in nodes}


def _heads(datasets: Mapping[str, xr.Dataset]) -> dict[str, int]:
    return {site: int(dataset.sizes["head"]) for site, dataset in datasets.items()}


def _layers(datasets: Mapping[str, xr.Dataset]) -> tuple[str, ...]:
    return tuple(site for site, dataset in datasets.items() if dataset.attrs.get("kind") == "self")


def ids_of(probe: Any) -> NDArray[Any] | None:
    """Return the whole numbers that stand for tokens: ``input_ids``, else the only such input.

    Parameters
    ----------
    probe : Probe

    Returns
    -------
    array [example, position], optional
    """
    whole = [array for array in probe.by_example if array.ndim == 2 and array.dtype.kind in "iu"]
    if isinstance(probe.inputs, Mapping) and "input_ids" in probe.inputs:
        return np.asarray(probe.inputs["input_ids"])
    return whole[0] if len(whole) == 1 else None


def is_of(ids: NDArray[Any] | None, dataset: xr.Dataset) -> bool:
    """Say whether ids stand for the positions of a site.

    Parameters
    ----------
    ids : array [example, position], optional
    dataset : Dataset

    Returns
    -------
    bool
    """
    return (
        ids is not None
        and dataset.attrs.get("kind") == "self"
        and ids.shape == (dataset.sizes["example"], dataset.sizes["key"])
    )
