"""Numbers of heads as a labelled dataset, and the sentence that says how they came about.

Room: studying. Comes in: numbers [head] in the order of sites. Goes out: dims [site, head].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import limelight


def by_site(
    heads: Mapping[str, int],
    columns: Mapping[str, NDArray[Any]],
    chosen: Sequence[tuple[str, int]],
    dim: str = "head",
) -> xr.Dataset:
    """Lay out a number for each head.

    Parameters
    ----------
    heads : mapping of str to int
        All sites and how many heads they have.
    columns : mapping of str to array [head, …]
        Of the chosen heads, in their order.
    chosen : sequence of (str, int)
    dim : str
        What they are: ``head``, or ``key_group``.

    Returns
    -------
    Dataset [site, head]
        NaN beyond a site's heads, and where a head was not chosen.
    """
    sites = list(heads)
    at = {site: number for number, site in enumerate(sites)}
    width = max(heads.values()) if dim == "head" else 1 + max(number for _, number in chosen)
    variables: dict[str, Any] = {}
    for name, values in columns.items():
        rest = np.shape(values)[1:]
        grid = np.full((len(sites), width, *rest), np.nan)
        for (site, head), value in zip(chosen, values, strict=True):
            grid[at[site], head] = value
        dims = ("site", dim, *(("example",) if rest else ()))
        variables[name] = (dims, grid)
    return xr.Dataset(variables, coords={"site": np.array(sites, np.str_), dim: np.arange(width)})


def attributes(
    *,
    study: str,
    tier: str,
    metric: str,
    units: str,
    better: str,
    n: int,
    of: str,
    baseline: float,
    seed: int,
    data_digest: str,
    model_digest: str,
    correction: str,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what a result says of itself, and a sentence of it for a paper.

    Parameters
    ----------
    study, tier, metric, units, better : str
    n : int
        Units that were drawn.
    of : str
        What a unit is.
    baseline : float
        The metric of the whole model.
    seed : int
    data_digest, model_digest, correction : str
    settings : mapping
        Of the study alone.

    Returns
    -------
    dict
    """
    said = ", ".join(f"{name}={value!r}" for name, value in settings.items() if value is not None)
    interval = (
        "95 % percentile bootstrap intervals" if n >= 30
        else "95 % t-intervals" if n >= 5 else "no intervals (n below 5)"
    )  # fmt: skip
    sentence = (
        f"{study} ({tier}) of {metric} over n = {n} {of}{': ' + said if said else ''}; baseline "
        f"{baseline:.6g} {units}; {interval} over {of}"
        f"{f', p-values corrected by {correction}' if correction else ''}; seed {seed}; "
        f"limelight {limelight.__version__}, data {data_digest[:8]}, model {model_digest[:8]}."
    )
    return {
        "study": study, "tier": tier, "metric": metric, "units": units, "better": better, "n": n,
        "of": of,
        "baseline": baseline, "seed": seed, "data_digest": data_digest,
        "model_digest": model_digest, "correction": correction,
        "limelight": limelight.__version__, "sentence": sentence,
        **{name: value for name, value in settings.items() if value is not None},
    }  # fmt: skip
