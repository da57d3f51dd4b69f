"""What a run holds, and finding one thing in it by name.

Room: the read path. Comes in: an open run. Goes out: its description, or the one step, site,
example asked for, or an error that says what there is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, cast

import numpy as np
import xarray as xr

from limelight import facts
from limelight.catalogue import analyses
from limelight.errors import NotRecordedError
from limelight.query import Query
from limelight.schema import SCHEMA_VERSION
from limelight.store import Example, Run, Site

#: A map of so many queries and keys comes whole if nothing else is asked, a larger one in so many
#: cells along each axis.
_WHOLE: Final = 1024
_CELLS: Final = 512


def run_facts(run: Run, _query: Query) -> xr.Dataset:
    """Describe a run: its steps, sites, examples, parameters, precision and problems.

    Parameters
    ----------
    run : Run
        An open run.

    Returns
    -------
    Dataset
        ``epoch`` [step] (NaN where none was given) and ``wall_time`` [step] in seconds since 1970;
        the rest as attributes.
    """
    forms, changes = _changes(run)
    said: facts.RunFacts = {
        "run": run.name,
        "schema": SCHEMA_VERSION,
        "precision": precision(run),
        "sites": [_site(site) for site in run.sites.values()],
        "forms": [_site(site) for site in forms],
        "changes": changes,
        "examples": [_example(example, run) for example in run.examples],
        "parameters": [_parameter(parameter) for parameter in run.parameter_facts],
        "kinds": list(run.tensor_kinds),
        "problems": [str(problem) for problem in run.problems],
    }
    return xr.Dataset(
        {
            "epoch": ("step", np.asarray(run.epochs, dtype=np.float64)),
            "wall_time": ("step", np.asarray(run.wall_times, np.float64), {"units": "s"}),
        },
        coords={"step": np.asarray(run.steps)},
        attrs=dict(said),
    )


def precision(run: Run, site: str | None = None, step: int = -1) -> facts.Precision:
    """Return the stored form of weights, a run's or a site's: name and largest error of one."""
    vectors = None if site is None else run.vectors(site, step)
    form = run.precision if vectors is None else vectors.precision
    return {"name": form.name, "max_error": form.max_error}


def parameter_facts(run: Run, kind: str, names: Sequence[str]) -> list[facts.Parameter]:
    """Return what is known of tensors of a kind, in the order of their names."""
    known = {each["name"]: each for each in run.tensor_facts(kind)}
    return [_parameter(known[name]) for name in names]


def step_of(run: Run, step: int) -> int:
    """Return the recorded step that ``step`` names; negative counts from the newest."""
    steps = [int(recorded) for recorded in run.steps]  # Python's, which no question overflows
    if -len(steps) <= step < 0:
        return steps[step]
    if step in steps:
        return step
    if not steps:
        raise NotRecordedError(
            f"Got step {step} of run {run.name!r}.",
            "Nothing has been recorded in it yet.",
            "Wait for the first step, then ask again.",
        )
    nearest = min(steps, key=lambda recorded: abs(recorded - step))
    raise NotRecordedError(
        f"Got step {step} of run {run.name!r}.",
        f"Recorded are {len(steps)} steps from {steps[0]} to {steps[-1]}.",
        f"Ask for a recorded step, such as {nearest}, or -1 for the newest.",
    )


def site_of(run: Run, name: str | None) -> Site:
    """Return the site of that path, or say which there are."""
    if name in run.sites:
        return run.sites[name]
    raise NotRecordedError(
        f"Got site {name!r}.",
        f"Run {run.name!r} holds {listed(list(run.sites))}.",
        "Ask for one of these, spelled the same.",
    )


def site_at(run: Run, name: str | None, step: int) -> Site:
    """Return the site of that path as a step has it: sites may come and go, and change lengths."""
    site = site_of(run, name)
    sites = run.sites_at(step)
    if site.name in sites or not sites:
        return sites.get(site.name, site)
    steps = run.steps_of(site.name).tolist()
    raise NotRecordedError(
        f"Got site {name!r} at step {step} of run {run.name!r}.",
        f"The model had none of that name then; {len(steps)} of its steps have it.",
        f"Ask for step {steps[-1]}, say." if steps else "Ask for another site.",
    )


def most_cells(site: Site, query: Query) -> int:
    """Return how many cells the answer to a question for a map has along an axis at most."""
    whole = max(site.queries, site.keys)
    if query.cells or query.rows or query.columns or whole > _WHOLE:
        return query.cells or _CELLS
    return whole


def example_of(run: Run, index: int) -> int:
    """Return ``index`` if the run's probe has an example of that index."""
    return _index("example", index, len(run.examples), f"Run {run.name!r}")


def head_of(site: Site, index: int | None) -> int:
    """Return ``index`` if the site has a head of that index."""
    return _index("head", index, site.heads, f"Site {site.name!r}")


def _index(what: str, index: int | None, count: int, whose: str) -> int:
    if index is not None and 0 <= index < count:
        return index
    raise NotRecordedError(
        f"Got {what} {index}.",
        f"{whose} has {count}, numbered from 0.",
        f"Ask for a {what} from 0 to {count - 1}." if count else f"Record a {what} first.",
    )


def thinned(steps: Any, most: int) -> np.ndarray[Any, Any]:
    """Return at most ``most`` of the steps, evenly chosen, first and newest included."""
    every: np.ndarray[Any, Any] = np.asarray(steps)
    if every.size <= most:
        return every
    return np.asarray(every[np.linspace(0, every.size - 1, most).round().astype(int)])


def cards(recorded: Collection[Any], kind: str | None = None) -> dict[str, dict[str, Any]]:
    """Return units, bounds and the question of each analysis recorded that suits a kind of site."""
    return {
        name: {"units": card.units, "bounds": list(card.bounds), "answers": card.answers}
        for name, card in analyses().items()
        if name in recorded and (kind is None or kind in card.kinds)
    }


def layout(shape: Sequence[int] | None) -> facts.Layout | None:
    """Return rows and columns as JSON holds them, which knows lists alone."""
    return None if shape is None else cast(facts.Layout, list(shape))


def listed(names: Sequence[str], most: int = 8) -> str:
    """List a few names: an error that lists hundreds says nothing."""
    if not names:
        return "none"
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + rest


def _changes(run: Run) -> tuple[list[Site], list[facts.SiteChange]]:
    """Return every size a site had, and which of them there were from which step on."""
    history = run.site_changes()
    if len(history) < 2:
        return [], []
    ordinals: dict[Site, int] = {}
    changes: list[facts.SiteChange] = []
    for step, sites in history.items():
        forms = [ordinals.setdefault(site, len(ordinals)) for site in sites.values()]
        changes.append({"step": step, "forms": forms})
    return list(ordinals), changes


def _site(site: Site) -> facts.Site:
    return {
        "name": site.name,
        "module": site.module,
        "kind": cast(facts.Kind, site.kind),
        "module_class": site.module_class,
        "reading": site.reading,
        "stage": site.stage,
        "heads": site.heads,
        "queries": site.queries,
        "keys": site.keys,
        "query_layout": layout(site.query_layout),
        "key_layout": layout(site.key_layout),
    }


def _example(example: Example, run: Run) -> facts.Example:
    return {
        "index": example.index,
        "title": example.title,
        "tokens": None if example.tokens is None else list(example.tokens),
        "label": example.label,
        "image": run.image(example.index) is not None,
    }


def _parameter(parameter: Mapping[str, Any]) -> facts.Parameter:
    return {
        "name": parameter["name"],
        "module": parameter["module"],
        "shape": parameter["shape"],
        "size": parameter["size"],
        "trainable": bool(parameter["trainable"]),
    }
