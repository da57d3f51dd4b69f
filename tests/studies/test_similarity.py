"""Distances of heads and their groups: what is planted comes out, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.spatial.distance import pdist, squareform

import limelight as ll
from limelight.errors import StudyError
from limelight.maps import divergence
from limelight.maps.reading import Maps

DIMS = ("example", "head", "query", "key")


def site(weights, causal=False, **coordinates):
    variables = {"weights": (DIMS, np.asarray(weights, np.float32))}
    if causal:
        length = np.shape(weights)[-1]
        cells = np.repeat(np.tri(length, dtype=bool)[None], len(weights), 0)
        variables["allowed"] = (("example", "query", "key"), cells)
    return xr.Dataset(variables, coordinates, attrs={"kind": "self"})


def softmax(scores, causal=False):
    if causal:
        scores = np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def planted(sizes, length, causal, examples=8, noise=0.5, seed=0):
    random = np.random.default_rng(seed)
    family = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    shared = random.normal(size=(examples, len(sizes), length, length)) * 2
    alone = random.normal(size=(examples, len(family), length, length)) * noise
    return softmax(shared[:, family] + alone, causal), family


def test_distances_are_those_of_scipy_squared():
    weights = softmax(np.random.default_rng(0).normal(size=(3, 5, 7, 9)) * 2)
    result = ll.similarity({"a": site(weights)}, aside=False)
    expected = [pdist(example.reshape(5, -1), "jensenshannon") ** 2 for example in weights]
    np.testing.assert_allclose(result["distance"], squareform(np.mean(expected, 0)), atol=1e-6)
    assert result["site_b"].values.tolist() == ["a"] * 5


def test_disjoint_heads_are_log_2_apart_and_equal_ones_0():
    maps = np.stack([np.eye(6), np.eye(6), np.roll(np.eye(6), 1, 1)])[None]
    distance = ll.similarity({"a": site(maps)}, aside=False)["distance"].values
    np.testing.assert_allclose(distance[0], [0, 0, np.log(2)], atol=1e-6)


def test_rows_that_count_for_one_head_only_are_left_out():
    random = np.random.default_rng(1)
    weights = softmax(random.normal(size=(1, 3, 8, 8)) * 2)
    sunk = random.random((3, 8)) < 0.4
    weights[0, sunk] = np.eye(8)[0]  # all on the first key
    maps = Maps(weights[0].astype("f4"), np.ones((1, 8, 8), bool), np.ones((1, 8), bool))
    result = divergence.divergences(divergence.rows_of([maps], aside=True))
    expected = []
    for a, b in ((0, 1), (0, 2), (1, 2)):
        rows = ~sunk[a] & ~sunk[b]
        pair = [weights[0, head, rows, 1:] / weights[0, head, rows, 1:].sum(-1, keepdims=True)
                for head in (a, b)]  # fmt: skip
        expected.append(pdist(np.reshape(pair, (2, -1)), "jensenshannon")[0] ** 2)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_the_first_key_does_not_hide_what_heads_do_beside():
    beside = softmax(np.random.default_rng(2).normal(size=(5, 2, 10, 10)) * 3)
    weights = 0.1 * beside
    weights[..., 0] += 0.9
    maps = {"a": site(weights)}
    raw, plain = (
        float(ll.similarity(maps, aside=aside)["distance"][0, 1]) for aside in (False, True)
    )
    assert raw < 0.1
    assert plain > 0.3


def test_heads_of_sites_that_cannot_be_compared_are_not():
    weights = softmax(np.random.default_rng(2).normal(size=(2, 2, 6, 6)))
    cross = site(weights[:, :, :3]).assign_attrs(kind="cross")
    result = ll.similarity({"x": cross, "a": site(weights), "b": site(weights)})
    assert result["head_a"].values.tolist() == ["a 0", "a 1", "b 0", "b 1"]
    with pytest.raises(StudyError, match="one head"):
        ll.similarity({"a": site(weights[:, :1])})


@pytest.mark.parametrize("sizes", [(4, 4, 4, 4), (5, 2, 9), (2, 2, 1, 1, 1), (7,)])
@pytest.mark.parametrize(("length", "causal"), [(10, False), (24, True)])
def test_planted_families_come_out(sizes, length, causal):
    weights, family = planted(sizes, length, causal, seed=length + len(sizes))
    result = ll.clusters({"a": site(weights, causal)})
    same = result["cluster"].values[0][:, None] == result["cluster"].values[0]
    np.testing.assert_array_equal(same, family[:, None] == family)
    assert result.attrs["clusters"] == len(sizes)


@pytest.mark.parametrize("examples", [6, 32])
def test_independent_heads_are_one_group_however_sharp_each_is(examples):
    for seed in range(3):
        random = np.random.default_rng(seed)
        sharpness = random.uniform(1, 4, size=14)[:, None, None]
        weights = softmax(random.normal(size=(examples, 14, 16, 16)) * sharpness)
        result = ll.clusters({"a": site(weights)})
        assert result.attrs["clusters"] == 1
        assert result["silhouette"].isnull().all()
    if examples == 32:  # what is repeated on other examples would have said otherwise
        assert (result["prediction_strength"][1:] > 0.8).any()


def test_groups_need_units():
    weights, _ = planted((2, 2), 8, causal=False, examples=6)
    with pytest.raises(StudyError, match="Got 3 units"):
        ll.clusters({"a": site(weights)}, resample_by=[0, 0, 1, 1, 2, 2])


def test_memory_beside_the_result_is_linear_in_heads():
    import tracemalloc

    peaks = []
    for heads in (40, 160):
        weights = softmax(np.random.default_rng(0).normal(size=(heads, 48, 48)).astype("f4"))
        maps = Maps(weights, np.ones((1, 48, 48), bool), np.ones((1, 48), bool))
        rows = divergence.rows_of([maps], aside=True)
        tracemalloc.start()
        divergence.divergences(rows)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 6 * peaks[0]  # pairs are 16 times as many
