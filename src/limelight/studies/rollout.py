"""How attention passes words on from layer to layer, if heads of a layer count alike.

Room: studies. Comes in: a model and inputs, or maps at hand. Goes out: shares
[example, query, key].
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import numpy as np
import xarray as xr

from limelight.errors import StudyError
from limelight.study import study
from limelight.studying.data import ROWS
from limelight.studying.looking import Settings, described, looked
from limelight.studying.paths import Rolling
from limelight.studying.units import Units


@study(
    title="attention rollout",
    answers=("H5",),
    tier="observed",
    units="share",
    bounds=(0.0, 1.0),
    source="S. Abnar and W. Zuidema, ACL 2020",
    zh=("注意力展开", "把各层的注意力相乘：每个输出位置里会留下哪些输入。"),
)
def rollout(
    model: Any,
    data: Any = None,
    *,
    query: int | None = None,
    key: int | None = None,
    residual: float = 0.5,
    partition: int = ROWS,
    collate: Callable[[list[Any]], Any] | None = None,
    call: Callable[[Any, Any], Any] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    run: Any = None,
) -> xr.Dataset:
    r"""Multiply the attention of all layers: which input each output position would hold.

    .. math:: R = \tilde A_L \cdots \tilde A_1, \quad
              \tilde A = \rho I + (1 - \rho) \frac{1}{H} \sum_h A_h

    Tier: *observed*.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, Recipe, Run, DataTree, or mapping of str to Dataset
        A model, with data; or maps at hand, as for :func:`limelight.roles`. The layers are the
        sites of self-attention, in the order they run.
    data : object, optional
        An array of inputs, or data as for :func:`limelight.ablation`, whose targets are not used.
    query : int, optional
        One position above the last layer, −1 for the last: far cheaper than all, as no map is
        multiplied by a map.
    key : int, optional
        With ``query``, one position below the first layer: then heads are told apart.
    residual : float
        ρ, what stays at its position in each layer.
    partition : int
    collate, call, executor, workers, run : optional
        As for :func:`limelight.ablation`.

    Returns
    -------
    Dataset
        ``share`` [example, query, key], whose rows sum to 1. With ``query``: ``share``
        [example, key] and ``node`` [example, level, position], what is held at each level from the
        input (0) to the output. With ``key`` too: ``carried`` [example, layer, head], the part of
        their share that passed each head, and ``stayed`` [example, layer], which did not; for each
        layer these sum to the share.

    Raises
    ------
    StudyError
        If there is no stack of layers over the same positions, or a position is not there.

    Notes
    -----
    Observed: values, projections and everything between the layers are left out, and heads of a
    layer count alike, whatever they write. Ask ``ll.masking`` what happens without a word.

    References
    ----------
    .. [1] S. Abnar and W. Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020.

    Examples
    --------
    >>> even = np.full((1, 1, 2, 2), 0.5)
    >>> site = xr.Dataset({"weights": (("example", "head", "query", "key"), even)},
    ...                   attrs={"kind": "self"})
    >>> rollout({"first": site, "second": site})["share"].values.tolist()
    [[[0.625, 0.375], [0.375, 0.625]]]
    """
    if key is not None and query is None:
        raise StudyError(
            f"Got key={key} without a query.", "Wanted both: heads carry from one to the other.",
            "Add query=, or leave key out.",
        )  # fmt: skip
    if not 0 <= residual <= 1:
        raise StudyError(f"Got residual={residual}.", "Wanted a share from 0 to 1.", "Correct it.")
    settings = Settings(partition, collate, call, None, executor, workers, run)
    asked = {"study": "rollout", "query": query, "key": key, "residual": residual}
    came = looked(model, data, Rolling(residual, query, key), asked, settings)
    dims = {
        "share": ("example", "query", "key") if query is None else ("example", "key"),
        "node": ("example", "level", "position"), "carried": ("example", "layer", "head"),
        "stayed": ("example", "layer"),
    }  # fmt: skip
    made = xr.Dataset({name: (dims[name], values) for name, values in came.numbers.items()})
    if "layer" in made.dims:
        made = made.assign_coords(layer=np.array(came.layers, np.str_))
    given = {name: value for name, value in asked.items() if name != "study" and value is not None}
    attrs = described("rollout", came, Units(came.examples), "attention rolled out", 0, given)
    return came.finish(made.assign_attrs(attrs | {"units": "share"}))
