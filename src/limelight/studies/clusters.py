"""Which heads repeat each other: groups that come out again on other examples; none is an answer.

Room: studies. Comes in: a model and data, or maps at hand. Goes out: a group for each head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Final

import numpy as np
import xarray as xr

from limelight.errors import StudyError
from limelight.maps.grouping import grouped
from limelight.study import study
from limelight.studying.data import ROWS
from limelight.studying.looking import Settings, described, looked
from limelight.studying.pairs import Comparing, compared
from limelight.studying.results import by_site
from limelight.studying.units import Units

#: Fewer units cannot be divided into halves that say anything.
_FEWEST: Final = 4


@study(
    title="groups of heads",
    answers=("H10",),
    tier="observed",
    units="nat",
    bounds=(0.0, float(np.log(2))),
    source="K. Clark et al., BlackboxNLP 2019; R. Tibshirani and G. Walther, JCGS 2005",
    zh=("头的分组", "哪些头在重复彼此：按注意力的相似度分组。"),
)
def clusters(
    model: Any,
    data: Any = None,
    *,
    aside: bool = True,
    resample_by: Sequence[Any] | None = None,
    seed: int = 0,
    partition: int = ROWS,
    collate: Callable[[list[Any]], Any] | None = None,
    call: Callable[[Any, Any], Any] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    run: Any = None,
) -> xr.Dataset:
    """Group heads that attend alike, into as many groups as hold on other examples.

    Tier: *observed*. Distances are those of :func:`limelight.similarity`; groups come of average
    linkage.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, Recipe, Run, DataTree, or mapping of str to Dataset
        A model, with data; or maps at hand, as for :func:`limelight.roles`.
    data : object, optional
        An array of inputs, or data as for :func:`limelight.ablation`, whose targets are not used.
    aside : bool
        Set the first key aside, as :func:`limelight.similarity` does.
    resample_by : sequence, optional
        Labels of examples that belong together and are one unit.
    seed : int
        For the halves that units are divided into, and the null.
    partition : int
    collate, call, executor, workers, run : optional
        As for :func:`limelight.ablation`.

    Returns
    -------
    Dataset
        ``cluster`` [site, head], from 0 on, the largest first; ``silhouette`` [site, head];
        ``prediction_strength`` [count]; ``merges`` [merge, part], the tree as SciPy's ``linkage``
        gives it, and ``order`` [leaf]. ``attrs["clusters"]`` is how many there are: the largest
        number whose prediction strength is at least 0.8, where distances within groups are below
        0.9 of what chance gives, and those of a head that is alone at least 0.8 of it. 1 says that
        no groups hold.

    Raises
    ------
    StudyError
        If there are no maps, or fewer than two heads or four units.

    Notes
    -----
    Observed: before heads are merged, let the loss decide: ``ll.ablation`` of all of a group but
    one. Prediction strength alone finds groups among heads that have nothing to do with each other,
    as their distances can be repeated too: sharp heads are further from all others than even ones.
    So chance is looked at as well.

    References
    ----------
    .. [1] R. Tibshirani and G. Walther, "Cluster Validation by Prediction Strength", Journal of
       Computational and Graphical Statistics 14(3), 2005.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> first, second = random.dirichlet(np.full(9, 0.2), size=(2, 6, 9))
    >>> weights = np.stack([first, first, second, second], 1)
    >>> site = xr.Dataset({"weights": (("example", "head", "query", "key"), weights)})
    >>> clusters({"a": site})["cluster"].values.tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """
    settings = Settings(partition, collate, call, None, executor, workers, run)
    asked = {"study": "clusters", "aside": aside, "seed": seed}
    came = looked(model, data, Comparing(aside, seed), asked, settings)
    heads = compared(came)
    units = Units(came.examples, resample_by)
    if units.count < _FEWEST:
        raise StudyError(
            f"Got {units.count} units.", f"Wanted at least {_FEWEST}: groups must come out again.",
            "Give more examples, or look at ll.similarity alone.",
        )  # fmt: skip
    distance, null = (
        np.nan_to_num(units.means(came.numbers[name]), nan=np.log(2))
        for name in ("distance", "null")
    )
    groups = grouped(distance, null, seed)
    made = by_site(
        came.heads, {"cluster": groups.cluster, "silhouette": groups.silhouette}, heads
    ).assign(
        prediction_strength=("count", groups.strength), merges=(("merge", "part"), groups.merges),
        order=("leaf", groups.order),
    ).assign_coords(count=np.arange(1, len(groups.strength) + 1))  # fmt: skip
    attrs = described("clusters", came, units, "groups of heads that attend alike", seed,
                      {"method": "js", "linkage": "average", "aside": int(aside)})  # fmt: skip
    count = int(groups.cluster.max()) + 1
    return came.finish(made.assign_attrs(attrs | {"clusters": count, "units": "group"}))
