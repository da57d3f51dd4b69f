"""How much attention can pass from a word to another, if each weight is the width of a pipe.

Room: studies. Comes in: a model and inputs, or maps at hand. Goes out: flows [example, query, key].
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Final

import xarray as xr

from limelight.errors import StudyError
from limelight.maps.flowing import SCALE
from limelight.study import study
from limelight.studying.data import ROWS
from limelight.studying.looking import Settings, described, looked
from limelight.studying.paths import Flowing
from limelight.studying.units import Units

#: So many positions take seconds a position; each costs a maximum flow for each other.
_MOST: Final = 64


@study(
    title="attention flow",
    answers=("H5",),
    tier="observed",
    units="share",
    bounds=(0.0, 1.0),
    source="S. Abnar and W. Zuidema, ACL 2020",
    zh=("注意力流", "把注意力当作管道：从每个输入到每个输出最多能流过多少。"),
    home=False,
)
def flow(
    model: Any,
    data: Any = None,
    *,
    query: int | None = None,
    residual: float = 0.5,
    most: int = _MOST,
    partition: int = ROWS,
    collate: Callable[[list[Any]], Any] | None = None,
    call: Callable[[Any, Any], Any] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    run: Any = None,
) -> xr.Dataset:
    """Find the maximum flow from each input position to each output position.

    Tier: *observed*. The mean map of each layer, with what stays at its position, is a network of
    pipes; how much can flow between two positions is bounded by the narrowest cut between them.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, Recipe, Run, DataTree, or mapping of str to Dataset
        A model, with data; or maps at hand, as for :func:`limelight.roles`. The layers are the
        sites of self-attention, in the order they run.
    data : object, optional
        An array of inputs, or data as for :func:`limelight.ablation`, whose targets are not used.
    query : int, optional
        One position above the last layer, −1 for the last; all if not given.
    residual : float
        What stays at its position in each layer.
    most : int
        Positions that are not too many: each pair takes some milliseconds.
    partition : int
    collate, call, executor, workers, run : optional
        As for :func:`limelight.ablation`.

    Returns
    -------
    Dataset [example, query, key]
        ``flow``, 0 to 1, each pair by itself; ``share``, the same scaled so that rows sum to 1.
        Without dim ``query`` where one is asked for. ``attrs["bound"]`` is how far off a flow can
        be, from the rounding of capacities.

    Raises
    ------
    StudyError
        If there is no stack of layers over the same positions, or there are too many positions.

    Notes
    -----
    Observed: the flows of two pairs cannot happen at once, so they do not add up, also where they
    are scaled to.

    References
    ----------
    .. [1] S. Abnar and W. Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020.

    Examples
    --------
    >>> import numpy as np
    >>> even = np.full((1, 1, 2, 2), 0.5)
    >>> site = xr.Dataset({"weights": (("example", "head", "query", "key"), even)},
    ...                   attrs={"kind": "self"})
    >>> flow({"first": site, "second": site})["flow"].values.tolist()
    [[[1.0, 0.5], [0.5, 1.0]]]
    """
    if not 0 <= residual <= 1:
        raise StudyError(f"Got residual={residual}.", "Wanted a share from 0 to 1.", "Correct it.")
    settings = Settings(partition, collate, call, None, executor, workers, run)
    asked = {"study": "flow", "query": query, "residual": residual}
    came = looked(model, data, Flowing(residual, query, most), asked, settings)
    flows = came.numbers["flow"]
    dims = ("example", "query", "key") if query is None else ("example", "key")
    made = xr.Dataset(
        {"flow": (dims, flows), "share": (dims, flows / flows.sum(-1, keepdims=True))}
    )
    given = {name: value for name, value in asked.items() if name != "study" and value is not None}
    attrs = described("flow", came, Units(came.examples), "maximum flows of attention", 0, given)
    bound = flows.shape[-1] ** 2 / (2 * SCALE)
    return came.finish(made.assign_attrs(attrs | {"units": "share", "bound": bound}))
