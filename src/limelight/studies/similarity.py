"""How alike heads attend: the distance of every pair, beside what chance would give.

Room: studies. Comes in: a model and data, or maps at hand. Goes out: distances [head_a, head_b].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Final

import numpy as np
import xarray as xr

import limelight
from limelight.errors import StudyError
from limelight.maps.divergence import square
from limelight.study import study
from limelight.studying.contributing import aligned_heads
from limelight.studying.data import ROWS
from limelight.studying.intervals import interval
from limelight.studying.looking import Settings, described, looked
from limelight.studying.pairs import Comparing, compared, coordinates
from limelight.studying.units import Units

#: With more pairs no intervals are drawn: each takes 2,000 numbers.
_MOST_PAIRS: Final = 50_000


@study(
    title="likeness of heads",
    answers=("H10",),
    tier="observed",
    units="nat",
    bounds=(0.0, float(np.log(2))),
    source="K. Clark et al., BlackboxNLP 2019, section 6",
    zh=("头的相似度", "每两个头的注意力有多不相像。"),
    home=False,
)
def similarity(
    model: Any,
    data: Any = None,
    *,
    method: str = "js",
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
    r"""Measure how unlike each pair of heads is, by where they attend or by what they write.

    Tier: *observed*. By default the Jensen-Shannon divergence of two heads' rows, mean over
    queries, then over examples.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, Recipe, Run, DataTree, or mapping of str to Dataset
        A model, with data; or maps at hand, as for :func:`limelight.roles`.
    data : object, optional
        An array of inputs, or data as for :func:`limelight.ablation`, whose targets are not used.
    method : ``js`` or ``cka``
        ``cka`` compares what heads write, one mean vector for each example, by debiased linear
        centred kernel alignment; it needs a model and data.
    aside : bool
        For ``js``: set the first key aside, and scale what is left up: else heads that rest on it
        look alike whatever they do beside. Rows with less than a twentieth left are left out.
    resample_by : sequence, optional
        Labels of examples that belong together and are one unit.
    seed : int
    partition : int
    collate, call, executor, workers, run : optional
        As for :func:`limelight.ablation`.

    Returns
    -------
    Dataset [head_a, head_b]
        ``distance`` in nat, 0 (alike) to log 2 (nothing in common), symmetric, with ``low`` and
        ``high`` (95 %); ``null``, the same where rows of both are permuted over what they may
        attend to. Coordinates name site and number of each head. Heads that have as many queries
        and keys are compared: those of self-attention, if there are any. NaN for a pair without a
        query that counts for both. By ``cka`` only ``distance``, 1 − CKA: 0 for the same up to
        rotation and scale, about 1 for nothing in common; NaN for a head whose output is always
        the same.

    Raises
    ------
    StudyError
        If there are no maps, or one head.

    Notes
    -----
    Observed: heads that attend alike may read other values. The divergence itself is reported, not
    its square root, as SciPy's ``jensenshannon`` is; and its mean, not the sum over words, in which
    long texts count most. About 12 bytes a pair and example are kept.

    References
    ----------
    .. [1] K. Clark et al., "What Does BERT Look At?", BlackboxNLP 2019, section 6.

    Examples
    --------
    >>> weights = np.stack([np.eye(4), np.eye(4), np.full((4, 4), 0.25)])[None]
    >>> site = xr.Dataset({"weights": (("example", "head", "query", "key"), weights)})
    >>> similarity({"a": site})["distance"].values.round(3)[0].tolist()
    [0.0, 0.0, 0.318]
    """
    if method not in ("js", "cka") or (method == "cka" and data is None):
        raise StudyError(
            f"Got method={method!r}{'' if data is not None else ' without data'}.",
            "Wanted 'js', or 'cka' of a model over data.", "Correct it.",
        )  # fmt: skip
    settings = Settings(partition, collate, call, None, executor, workers, run)
    if method == "cka":
        return _written(model, data, settings)
    asked = {"study": "similarity", "aside": aside, "seed": seed}
    came = looked(model, data, Comparing(aside, seed), asked, settings)
    heads = compared(came)
    units = Units(came.examples, resample_by)
    distance = units.means(came.numbers["distance"])
    columns = {"distance": distance.mean(0), "null": units.means(came.numbers["null"]).mean(0)}
    if distance.shape[1] <= _MOST_PAIRS:
        columns["low"], columns["high"] = interval(distance, seed)
    made = xr.Dataset(
        {name: (("head_a", "head_b"), square(values)) for name, values in columns.items()},
        coordinates(heads),
    )
    attrs = described("similarity", came, units, "divergence of heads' attention", seed,
                      {"method": "js", "aside": int(aside)})  # fmt: skip
    return came.finish(
        made.assign_attrs(attrs | {"units": "nat", "bounds": [0.0, float(np.log(2))]})
    )


def _written(model: Any, data: Any, settings: Settings) -> xr.Dataset:
    """Compare what heads write."""
    asked = {"study": "similarity", "method": "cka"}
    heads, alike, passes = aligned_heads(model, data, asked, settings)
    made = xr.Dataset({"distance": (("head_a", "head_b"), square(1 - alike))}, coordinates(heads))
    n = passes.scan.examples
    return passes.finish(made.assign_attrs({
        "study": "similarity", "tier": "observed", "n": n, "of": "examples", "method": "cka",
        "units": "1 − CKA", "data_digest": passes.scan.digest, "model_digest": passes.digest,
        "limelight": limelight.__version__,
        "sentence": (
            f"similarity (observed): 1 − debiased linear CKA of what heads write, one mean vector "
            f"for each of n = {n} examples; limelight {limelight.__version__}, data "
            f"{passes.scan.digest[:8]}, model {passes.digest[:8]}."
        ),
    }))  # fmt: skip
