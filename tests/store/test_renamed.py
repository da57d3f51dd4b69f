"""Names of the release before still work, and say what they are called now."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from factored import site_of, vectors
from recordings import site

from limelight.factors import factored
from limelight.measuring import uniform_of
from limelight.rule import Rule
from limelight.store import Writer, open_run
from limelight.store.format.sizes import Sizes


def test_uniform_was_null(tmp_path):
    made = site(0, (1, 1, 4, 4), causal=True)
    with pytest.warns(
        DeprecationWarning, match=r"append\(null=…\) is called .*append\(uniform=…\)"
    ):
        Writer(tmp_path).append(0, tree=xr.DataTree.from_dict({"a": made}),
                                measures={"a": uniform_of(made).expand_dims(head=1, axis=1)},
                                null={"a": uniform_of(made)})  # fmt: skip
    measures = open_run(tmp_path).measures()
    np.testing.assert_allclose(measures["entropy_uniform"], measures["entropy"][..., 0])


def test_overview_allowed_was_barred_and_pooled_was_shrunk(tmp_path):
    made = site_of(vectors(positions=75))
    with Writer(tmp_path, sizes=Sizes(large=1000, sides=(4, 16))) as writer:
        writer.append(0, tree=xr.DataTree.from_dict({"a": made}))
    run = open_run(tmp_path)
    with pytest.warns(DeprecationWarning, match=r"run\.overview_allowed\(\)"):
        barred = run.barred(0, 0)["a"]
    np.testing.assert_array_equal(barred, ~run.overview_allowed(0, 0)["a"])
    with pytest.warns(DeprecationWarning, match=r"run\.pooled\(\)"):
        before = run.shrunk("a", 0, 0, 0)
    assert before.strides == run.pooled("a", 0, 0, 0).strides == (32, 32)


def test_sink_logit_was_sink():
    q = np.ones((1, 1, 2, 1), np.float32)
    with pytest.warns(DeprecationWarning, match=r"factored\(sink_logit=…\)"):
        before = factored(q, q, Rule.everything(2, 2), 1.0, sink=np.float32([1.0]))
    now = factored(q, q, Rule.everything(2, 2), 1.0, sink_logit=np.float32([1.0]))
    np.testing.assert_array_equal(before.dense(), now.dense())
