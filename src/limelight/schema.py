"""The labelled arrays every room speaks: dims, variables, units, laws.

Room: lowest. Comes in: an :class:`xarray.Dataset` of one site. Goes out: nothing, or one error
that names the broken law. May import NumPy and xarray only.

One **site** is one attention module in one role. Its dataset holds

=================  ==============================  =================================================
variable           dims                            law
=================  ==============================  =================================================
``weights``        example, head, query, key       at least 0; each valid query's row sums to 1 over
                                                   ``key``; exactly 0 where not allowed
``allowed``        example, [head,] query, key     bool, True = this query may attend to this key
``query_valid``    example, query                  bool, False = padding, or no key allowed in any
                                                   head; a head that allows none has an empty row
``key_valid``      example, key                    bool, False = padding; a key that nobody may
                                                   attend to need not be
``sink_weight``    example, head, query            share of the row that a learned sink logit,
                                                   which belongs to no key, takes; optional
``largest_score``  example, head                   greatest score before the softmax, over valid
                                                   queries and what they may attend to; optional
``query_token``    example, query                  text; optional
``key_token``      example, key                    text; optional
=================  ==============================  =================================================

``query_valid``, ``key_valid`` and tokens are coordinates, so that ``weights`` and what is computed
from them say which queries count: measures are NaN for the others, and means leave them out. What
``capture`` returns holds in those rows what the model computed; what is read from a run, NaN.

and the attributes ``module`` (path of the module in its model), ``kind`` (``self``, ``cross`` or
``pooling``: a softmax over positions with a single query), ``module_class``, ``framework``,
``passed`` (always ``inference``) and ``dropout`` (always ``before``: weights are taken before
dropout). ``query_layout`` / ``key_layout``, a pair of ints, say that positions form an image of
that many rows and columns. ``stage`` says what is shown where it is not the plain softmax, such as
``after mask and renormalisation``: what a model multiplies with the values need not sum to 1, nor
be positive, and there the first two laws do not hold. A leading ``step`` dim is allowed everywhere.
"""

from __future__ import annotations

from typing import Final, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from limelight.errors import DimensionError
from limelight.facts import Kind

#: Version of the data model, in every store and on the wire. Readers refuse a newer one.
SCHEMA_VERSION: Final = 1

STEP: Final = "step"
EXAMPLE: Final = "example"
LAYER: Final = "layer"
HEAD: Final = "head"
QUERY: Final = "query"
KEY: Final = "key"

#: Dims of a site's weights, in storage order.
SITE_DIMS: Final = (EXAMPLE, HEAD, QUERY, KEY)

KINDS: Final[tuple[str, ...]] = get_args(Kind)

#: How far a row of float32 weights may be from 1: the softmax of 100,000 keys stays inside it.
ROW_SUM_TOLERANCE: Final = 1e-4

#: The same where the model itself computed the softmax in half precision (``attrs["dtype"]``): its
#: weights are kept as they are. Up to 4096 keys 0.0016 and 0.003 were seen.
HALF_TOLERANCES: Final = {"float16": 4e-3, "bfloat16": 1e-2}


#: What says of a site's positions whether they count and what they are: coordinates of its weights.
POSITIONS: Final = ("query_valid", "key_valid", "query_token", "key_token")


def valid_rows(site: xr.Dataset) -> NDArray[np.bool_] | None:
    """Tell which rows of a site's weights count.

    Parameters
    ----------
    site : Dataset

    Returns
    -------
    array [example, head or 1, query], optional
        bool; False where the query is not valid, or its head allows it no key. None if nothing says
        so: all count.

    Examples
    --------
    >>> weights = xr.DataArray(np.full((1, 2, 1, 4), 0.25), dims=SITE_DIMS)
    >>> site = xr.Dataset({"weights": weights, "query_valid": ((EXAMPLE, QUERY), [[False]])})
    >>> valid_rows(site)
    array([[[False]]])
    """
    rows = None
    if "allowed" in site and HEAD in site["allowed"].dims:
        rows = np.asarray(site["allowed"].any(KEY).transpose(EXAMPLE, HEAD, QUERY).values)
    if "query_valid" in site:
        valid = np.asarray(site["query_valid"].transpose(EXAMPLE, QUERY).values, np.bool_)[:, None]
        rows = valid if rows is None else rows & valid
    return rows


def check(site: xr.Dataset) -> xr.Dataset:
    """Check one site's dataset against the laws of this module and return it unchanged.

    Parameters
    ----------
    site : Dataset
        ``weights`` [..., example, head, query, key] and, optionally, the other variables.

    Returns
    -------
    Dataset
        ``site`` itself.

    Raises
    ------
    DimensionError
        If a dim is missing, a weight is negative, a row of a valid query does not sum to 1, or a
        key that is not allowed has weight. NaN rows are let through: they are what a diverged
        model gives, and screens mark them.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> weights = xr.DataArray(np.full((1, 1, 2, 4), 0.25), dims=SITE_DIMS)
    >>> check(xr.Dataset({"weights": weights})).sizes["key"]
    4
    """
    if "weights" not in site or not set(SITE_DIMS) <= set(site["weights"].dims):
        came = tuple(site["weights"].dims) if "weights" in site else tuple(site.data_vars)
        raise DimensionError(
            f"Got a site with {came}.",
            f"Wanted a variable 'weights' with dims {SITE_DIMS}.",
            "Name the dims of the captured array before handing it on.",
        )
    name = str(site.attrs.get("module", "this site"))
    weights = site["weights"]
    if not weights.variable._in_memory:
        return site  # computed from vectors, by the laws themselves
    staged = bool(site.attrs.get("stage"))
    values = np.asarray(weights.values)
    if not staged and bool((values < 0).any()):
        raise DimensionError(
            f"Got weights of {name} down to {np.nanmin(values):.3g}.",
            "Attention weights are at least 0.",
            "Capture them after the softmax, not before it.",
        )
    sums = weights.sum(KEY, skipna=False)
    if "sink_weight" in site:
        sums = sums + site["sink_weight"]
    tolerance = HALF_TOLERANCES.get(str(site.attrs.get("dtype")), ROW_SUM_TOLERANCE)
    wrong = (abs(sums - 1.0) > tolerance) & sums.notnull()
    if "query_valid" in site:
        wrong = wrong & site["query_valid"]
    if "allowed" in site and HEAD in site["allowed"].dims:
        wrong = wrong & site["allowed"].any(KEY)
    if not staged and bool(wrong.any()):
        worst = float(abs(sums - 1.0).where(wrong).max())
        raise DimensionError(
            f"Got rows of {name} that sum to 1 only within {worst:.3g}.",
            "Each valid query's weights sum to 1 over its keys.",
            "Mark padded queries in 'query_valid', and capture before dropout.",
        )
    if "allowed" in site:
        leaked = (weights != 0) & weights.notnull() & ~site["allowed"]
        if "query_valid" in site:
            leaked = leaked & site["query_valid"]
        if bool(leaked.any()):
            raise DimensionError(
                f"Got weight on {int(leaked.sum())} cells of {name} that are not allowed.",
                "A key that may not be attended has weight exactly 0.",
                "Check that 'allowed' is True where attention may go.",
            )
    return site
