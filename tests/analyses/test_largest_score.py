"""The largest score before the softmax, from maps and from vectors alike."""

from __future__ import annotations

import numpy as np
import pytest

import limelight as ll
from limelight.capture.probe import Probe
from limelight.capture.site import CapturedAttention, assemble, label
from limelight.factors import Factors, factors_of
from limelight.measuring import measures_of, uniform_of
from limelight.rule import Rule
from limelight.store import Writer, open_run

RNG = np.random.default_rng(0)
PADDED = 3


def vectors(positions, features=4, **more):
    query, key = (RNG.normal(size=(2, 3, positions, features)).astype(np.float32) for _ in "qk")
    rule = Rule.causal(positions, positions)
    valid = np.ones((2, positions), bool)
    valid[1, -PADDED:] = False  # and a query there counts no more than its key
    rule = Rule(np.repeat(rule.first, 2, 0), np.repeat(rule.stop, 2, 0), valid)
    query[1, :, -PADDED:] *= 100
    return Factors(query, key, rule, 0.7, **more)


def scores_of(factors):
    scores = factors.scale * np.einsum("ehqf,ehkf->ehqk", factors.query, factors.key)
    if factors.softcap is not None:
        scores = factors.softcap * np.tanh(scores / factors.softcap)
    return scores


def site(**values):
    captured = CapturedAttention("a", "A", "self", "none", "float32", masked_by="given", **values)
    size = captured.shape[2]
    tokens = [["x"] * size, ["x"] * (size - PADDED) + [""] * PADDED]
    return label(captured, Probe(np.ones((2, size)), tokens=tokens))


def truth(factors):
    size = factors.shape[2]
    may = np.tril(np.ones((size, size), bool)) & np.ones((2, 1, 1, 1), bool)
    may[1, ..., -PADDED:] = False
    may[1, :, -PADDED:] = False
    return np.where(may, scores_of(factors), -np.inf).max(axis=(2, 3))


@pytest.mark.parametrize("more", [{}, {"softcap": 0.5}, {"sink_logit": np.float32([9, 0, -9])}])
@pytest.mark.parametrize("positions", [6, 90])
def test_of_vectors_it_follows_without_a_map(positions, more):
    factors = vectors(positions, **more)
    made = site(factors=factors)
    assert (factors_of(made["weights"]) is not None) == (positions == 90)
    measured = measures_of(made, ["entropy"])
    assert "maximum" not in measured
    np.testing.assert_allclose(measured["largest_score"], truth(factors), rtol=1e-4, atol=1e-5)


def test_of_maps_it_is_what_went_into_the_softmax():
    factors = vectors(6)
    scores = scores_of(factors).astype(np.float32)
    scores = np.where(np.tril(np.ones((6, 6), bool)), scores, np.float32(-1e9))
    scores[1, ..., -PADDED:] = -1e9
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    made = site(weights=weights / weights.sum(-1, keepdims=True), logits=scores)
    measured = measures_of(made)
    np.testing.assert_allclose(measured["largest_score"], truth(factors), rtol=1e-5)
    np.testing.assert_allclose(made["largest_score"], truth(factors), rtol=1e-5)
    broken = scores.copy()
    broken[0, 0, 2, 1], broken[0, 1] = np.nan, np.nan
    made = site(weights=weights / weights.sum(-1, keepdims=True), logits=broken)
    assert np.isnan(made["largest_score"].values).tolist() == [[False, True, False], [False] * 3]


def test_it_is_recorded_beside_measures_and_no_measure_takes_its_name(tmp_path):
    factors = vectors(90)
    made = site(factors=factors)
    with Writer(tmp_path) as writer:
        writer.append(0, tree=assemble([made]), measures={"a": measures_of(made)},
                      uniform={"a": uniform_of(made)})  # fmt: skip
    recorded = open_run(tmp_path).measures(0)
    np.testing.assert_allclose(
        recorded["largest_score"].isel(site=0, step=0), truth(factors), rtol=1e-4
    )
    assert "largest_score_uniform" not in recorded
    assert "largest_score" not in ll.catalogue()
