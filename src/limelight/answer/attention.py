"""One head's map in full, and one site's measures over steps.

Room: the read path. Comes in: an open run and a query. Goes out: a labelled dataset.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from limelight.answer.bootstrap import interval
from limelight.answer.facts import (
    cards,
    example_of,
    head_of,
    layout,
    precision,
    site_of,
    step_of,
    thinned,
)
from limelight.query import Query
from limelight.store import Run


def chosen_map(run: Run, query: Query) -> xr.Dataset:
    """Return one head's weights, and what is needed to draw them truly.

    Parameters
    ----------
    run : Run
        An open run.
    query : Query
        ``site`` and ``head``; ``step``; ``example``, or None for all of them.

    Returns
    -------
    Dataset
        ``weights`` [query, key], float16 where the store holds float16, else float32; ``allowed``;
        ``query_valid``, ``key_valid``; ``image`` [row, column] for one example that has one. All
        but the image have a leading ``example`` if the query names none. Tokens, layouts and the
        largest error of a stored weight are attributes.

    Raises
    ------
    NotRecordedError
        If the run holds no such step, site, head or example.
    """
    site, step = site_of(run, query.site), step_of(run, query.step)
    choice: dict[str, Any] = {"head": head_of(site, query.head)}
    if query.example is not None:
        choice["example"] = example_of(run, query.example)
    recorded = run.site(site.name, step)
    chosen = recorded.isel({key: at for key, at in choice.items() if key in recorded.dims}).load()
    weights = chosen["weights"]
    stored = precision(run)
    # What was float16 on disk loses nothing by travelling as float16.
    variables = {
        "weights": weights.astype(np.float16 if stored["name"] == "float16" else np.float32)
    }
    variables |= {name: chosen[name] for name in ("allowed", "query_valid", "key_valid")}
    if query.example is not None and (image := run.image(query.example)) is not None:
        variables["image"] = xr.DataArray(np.asarray(image, np.float32), dims=("row", "column"))
    facts = {
        "site": site.name,
        "module": site.module,
        "kind": site.kind,
        "head": query.head,
        "step": step,
        "example": query.example,
        "query_token": _tokens(chosen, "query_token"),
        "key_token": _tokens(chosen, "key_token"),
        "query_layout": layout(site.query_layout),
        "key_layout": layout(site.key_layout),
        "stored": stored,
    }
    bare = {name: (array.dims, array.values) for name, array in variables.items()}
    return xr.Dataset(bare, attrs=facts)


def measures(run: Run, query: Query) -> xr.Dataset:
    """Return one site's measures over steps, with intervals over examples and a null.

    Parameters
    ----------
    run : Run
        An open run.
    query : Query
        ``site``; ``example``, or None for the mean over all; at most ``steps`` steps.

    Returns
    -------
    Dataset
        For each measure that suits the site: its mean over examples [step, head], ``_low`` and
        ``_high`` of the mean's 95 % bootstrap interval (NaN for fewer than two examples) and
        ``_null`` [step], the same measure of uniform attention over the allowed keys.

    Raises
    ------
    NotRecordedError
        If the run holds no such site or example.
    """
    site = site_of(run, query.site)
    chosen = slice(None)
    if query.example is not None:
        chosen = slice(example_of(run, query.example), query.example + 1)
    recorded = run.measures(thinned(run.steps, query.steps)).sel(site=site.name)
    recorded = recorded.isel(example=chosen, head=slice(site.heads))
    variables: dict[str, xr.Variable] = {}
    described = cards(site.kind)
    for name, card in described.items():
        if name not in recorded:
            continue
        values = recorded[name].transpose("step", "head", "example").values
        low, high = interval(values)
        null = recorded[f"{name}_null"].transpose("step", "example").values
        parts = {
            name: (("step", "head"), _mean(values)),
            f"{name}_low": (("step", "head"), low),
            f"{name}_high": (("step", "head"), high),
            f"{name}_null": (("step",), _mean(null)),
        }
        for part, (dims, numbers) in parts.items():
            units = {"units": card["units"]}
            variables[part] = xr.Variable(dims, numbers.astype(np.float32), units)
    facts = {
        "site": site.name,
        "example": query.example,
        "examples": recorded.sizes["example"],
        "measures": described,
    }
    return xr.Dataset(variables, coords={"step": recorded["step"].values}, attrs=facts)


def _mean(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Mean over examples; one that is NaN makes it NaN, because leaving it out would hide it."""
    return np.asarray(values.mean(-1))


def _tokens(site: xr.Dataset, name: str) -> Any:
    return site[name].values.tolist() if name in site else None
