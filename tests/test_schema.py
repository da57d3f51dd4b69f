"""The laws of one site's dataset: a lawful one passes untouched, each broken law is named."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from limelight.errors import DimensionError
from limelight.schema import SITE_DIMS, check


def lawful() -> xr.Dataset:
    """Two examples of causal attention; the second one's last position is padding."""
    allowed = np.tri(4, dtype=bool)[None] & (np.arange(4) < np.array([4, 3])[:, None])[:, None, :]
    weights = np.repeat((allowed / allowed.sum(-1, keepdims=True))[:, None], 3, axis=1)
    valid = np.arange(4) < np.array([4, 3])[:, None]
    return xr.Dataset(
        {
            "weights": (SITE_DIMS, weights.astype(np.float32)),
            "allowed": (("example", "query", "key"), allowed),
            "query_valid": (("example", "query"), valid),
            "key_valid": (("example", "key"), valid),
        },
        attrs={"module": "encoder/attention"},
    )


def test_a_lawful_site_is_returned_itself() -> None:
    site = lawful()
    assert check(site) is site


def test_a_leading_step_is_lawful() -> None:
    check(lawful().expand_dims(step=[0, 100]))


def test_nan_rows_pass_because_diverged_models_give_them() -> None:
    site = lawful()
    site["weights"][0, 0, 2, :] = np.nan
    check(site)


def test_rows_of_padding_may_sum_to_anything() -> None:
    site = lawful()
    site["weights"][1, :, 3, :] = 0.9
    check(site)
    with pytest.raises(DimensionError, match=r"sum to 1 only within 2\.6"):
        check(site.drop_vars("query_valid"))


def test_a_site_without_weights_says_what_it_has() -> None:
    with pytest.raises(DimensionError, match=r"Got a site with \('allowed', 'query_valid'"):
        check(lawful().drop_vars("weights"))


def test_a_missing_dim_is_named() -> None:
    with pytest.raises(
        DimensionError, match=r"Wanted a variable 'weights' with dims \('example', "
    ):
        check(lawful().isel(head=0))


def test_logits_are_told_from_weights() -> None:
    site = lawful()
    site["weights"][0, 0, 0, 0] = -0.25
    with pytest.raises(
        DimensionError, match=r"weights of encoder/attention down to -0\.25\..*after"
    ):
        check(site)


def test_rows_that_do_not_sum_to_one_are_refused() -> None:
    site = lawful()
    site["weights"] *= np.float32(1.25)  # what dropout at 0.2 does to the weights it keeps
    with pytest.raises(DimensionError, match=r"sum to 1 only within 0\.25\..*before dropout"):
        check(site)


def test_weight_where_not_allowed_is_counted() -> None:
    site = lawful()
    site["weights"][0, 0, 0] = [0.5, 0.5, 0.0, 0.0]
    with pytest.raises(DimensionError, match="Got weight on 1 cells of encoder/attention"):
        check(site)
