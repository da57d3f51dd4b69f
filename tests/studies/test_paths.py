"""Rollout and flow against closed forms, plain products of maps, and an exact maximum flow."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import limelight as ll
from limelight.errors import StudyError

networkx = pytest.importorskip("networkx")  # torch brings it

DIMS = ("example", "head", "query", "key")


def site(weights, kind="self", **coordinates):
    return xr.Dataset({"weights": (DIMS, weights)}, coordinates, attrs={"kind": kind})


def drawn(layers, heads, length, examples=2, seed=0, causal=False):
    random = np.random.default_rng(seed)
    scores = random.normal(size=(layers, examples, heads, length, length)) * 2
    if causal:
        scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
    weights = np.exp(scores)
    weights /= weights.sum(-1, keepdims=True)
    return {f"layer {number}": site(layer) for number, layer in enumerate(weights)}


def whole(maps, residual=0.5):
    """Multiply whole maps, the newest on the left."""
    made = None
    for dataset in maps.values():
        step = dataset["weights"].values.mean(1) * (1 - residual)
        step += residual * np.eye(step.shape[-1])
        made = step if made is None else step @ made
    return made


def test_rollout_is_the_product_of_maps_the_newest_on_the_left():
    maps = drawn(3, 4, 9, causal=True)
    share = ll.rollout(maps)["share"]
    np.testing.assert_allclose(share, whole(maps), atol=1e-6)
    np.testing.assert_allclose(share.sum("key"), 1, atol=1e-6)
    turned = ll.rollout(dict(reversed(maps.items())))["share"]
    assert np.abs(turned - share).max() > 0.01
    other = ll.rollout(maps, residual=0.2)["share"]
    np.testing.assert_allclose(other, whole(maps, 0.2), atol=1e-6)


def test_identity_stays_identity():
    eye = np.broadcast_to(np.eye(5), (1, 2, 5, 5))
    maps = {"a": site(eye), "b": site(eye)}
    np.testing.assert_allclose(ll.rollout(maps)["share"][0], np.eye(5))
    np.testing.assert_allclose(ll.flow(maps)["flow"][0], np.eye(5))


def test_a_chosen_word_has_its_row_of_the_whole():
    maps = drawn(4, 3, 11)
    result = ll.rollout(maps, query=-2)
    np.testing.assert_allclose(result["share"], whole(maps)[:, 9], atol=1e-6)
    np.testing.assert_allclose(result["node"].sum("position"), 1, atol=1e-6)
    np.testing.assert_allclose(result["node"].isel(level=0), result["share"])
    assert result["node"].isel(level=-1, position=9).values.tolist() == [1, 1]


def test_what_heads_carried_and_what_stayed_is_the_share():
    maps = drawn(3, 4, 8)
    maps["layer 1"] = maps["layer 1"].isel(head=[0, 2])
    result = ll.rollout(maps, query=5, key=2)
    total = result["carried"].sum("head") + result["stayed"]
    expected = np.repeat(result["share"].isel(key=2).values[:, None], 3, 1)
    np.testing.assert_allclose(total, expected, atol=1e-6)
    assert result["layer"].values.tolist() == list(maps)
    assert result["carried"].sel(layer="layer 1").isnull().sum() == 4
    # One head alone links them: it carries what is not held already.
    weights = np.stack([np.eye(4), np.eye(4)])[None].copy()
    weights[0, 1, 3] = [0, 1, 0, 0]
    alone = ll.rollout({"a": site(weights)}, query=3, key=1)
    assert alone["carried"].values.tolist() == [[[0, 0.25]]]


def test_padded_rows_keep_what_they_hold():
    maps = drawn(2, 2, 6, examples=1)
    valid = np.array([[True] * 4 + [False] * 2])
    padded = {
        name: site(np.where(valid[:, None, :, None], dataset["weights"], 0),
                   query_valid=(("example", "query"), valid))
        for name, dataset in maps.items()
    }  # fmt: skip
    share = ll.rollout(padded)["share"][0]
    np.testing.assert_allclose(share[4:], np.eye(6)[4:], atol=1e-6)
    np.testing.assert_allclose(ll.rollout(padded, query=5)["share"][0], np.eye(6)[5], atol=1e-6)


@pytest.mark.parametrize(("layers", "length"), [(2, 6), (5, 14)])
def test_flow_is_the_exact_maximum_flow(layers, length):
    maps = drawn(layers, 3, length, examples=1, seed=length)
    graph = networkx.DiGraph()
    for number, dataset in enumerate(maps.values()):
        step = 0.5 * dataset["weights"].values[0].mean(0) + 0.5 * np.eye(length)
        for query in range(length):
            for key in range(length):
                graph.add_edge((number + 1, query), (number, key), capacity=float(step[query, key]))
    result = ll.flow(maps, query=3)
    exact = [networkx.maximum_flow_value(graph, (layers, 3), (0, key)) for key in range(length)]
    np.testing.assert_allclose(result["flow"][0], exact, atol=1e-6)
    assert result.attrs["bound"] < 1e-6
    np.testing.assert_allclose(result["share"].sum("key"), 1)


def test_even_layers_have_their_closed_forms():
    even = site(np.full((1, 1, 2, 2), 0.5))
    maps = {"a": even, "b": even}
    assert ll.rollout(maps)["share"].values[0].tolist() == [[0.625, 0.375], [0.375, 0.625]]
    assert ll.flow(maps)["flow"].values[0].tolist() == [[1, 0.5], [0.5, 1]]
    np.testing.assert_allclose(ll.flow(maps)["share"][0, 0], [2 / 3, 1 / 3])


def test_one_word_forms_no_map():
    import tracemalloc

    maps = drawn(3, 2, 200, examples=1)
    from limelight.maps import reading
    from limelight.maps.layers import layers_of, rolled

    sites = {name: next(reading.examples(dataset)) for name, dataset in maps.items()}
    layers = list(layers_of(sites, 0.5).values())
    tracemalloc.start()
    rolled(layers, 7)
    alone = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    rolled(layers)
    every = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert alone < 200 * 200 * 4 / 4
    assert every < 3 * 200 * 200 * 4  # two maps, and some columns


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda maps: ll.rollout(maps, key=1), "without a query"),
        (lambda maps: ll.rollout(maps, query=6), "query=6 for 6 positions"),
        (lambda maps: ll.rollout(maps, residual=2), "residual=2"),
        (lambda maps: ll.flow(maps, most=5), "6 positions"),
        (lambda maps: ll.rollout({**maps, "z": site(np.full((2, 1, 7, 7), 1 / 7))}), r"\[6, 7\]"),
        (lambda maps: ll.flow({"x": site(np.full((2, 1, 3, 7), 1 / 7), "cross")}), "over no"),
    ],
)
def test_what_cannot_be_followed_says_so(act, message):
    with pytest.raises(StudyError, match=message):
        act(drawn(2, 2, 6))
