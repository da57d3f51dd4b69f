"""Roles of heads: what is planted is told, and where nothing is there nothing is told."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import limelight as ll
from limelight.errors import StudyError
from limelight.maps import picking, reading, scoring

DIMS = ("example", "head", "query", "key")


def site(weights, causal=False, tokens=None, kind="self"):
    weights = np.asarray(weights, np.float32)
    examples, _, queries, keys = weights.shape
    variables = {"weights": (DIMS, weights)}
    if causal:
        cells = np.tri(queries, keys, dtype=bool)
        variables["allowed"] = (("example", "query", "key"), np.repeat(cells[None], examples, 0))
    coordinates = {}
    if tokens is not None:
        coordinates["key_token"] = (("example", "key"), np.array(tokens, np.str_))
    return xr.Dataset(variables, coordinates, attrs={"kind": kind})


def drawn(examples, heads, length, sharpness, causal=False, seed=0):
    random = np.random.default_rng(seed)
    scores = random.normal(size=(examples, heads, length, length)) * sharpness
    if causal:
        scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def resting(cells, share=1.0):
    """Return rows that put a share on their cells, evenly, and the rest everywhere."""
    count = cells.sum(-1, keepdims=True)
    even = np.full(cells.shape, 1 / cells.shape[-1])
    return np.where(count > 0, share * cells / np.maximum(count, 1) + (1 - share) * even, even)


@pytest.mark.parametrize("length", [8, 16, 64])
@pytest.mark.parametrize("causal", [False, True])
def test_sharp_rows_without_structure_have_no_role(length, causal):
    named = 0
    for examples in (5, 12):
        weights = drawn(examples, 20 if length > 20 else 40, length, 5.0, causal, seed=examples)
        words = np.random.default_rng(0).integers(0, length, (examples, length)).astype(str)
        words[:, -2:] = ["[SEP]", "."]
        result = ll.roles({"a": site(weights, causal, words)})
        named += int((result["main_role"] != "unclassified").sum())
    assert named <= 2  # of 40 to 80: one in twenty


def test_uniform_attention_has_no_role_and_its_null_is_the_closed_form():
    length = 16
    weights = np.tri(length) / np.arange(1, length + 1)[:, None]
    result = ll.roles({"a": site(np.broadcast_to(weights, (6, 2, length, length)), causal=True)})
    assert (result["main_role"] == "unclassified").all()
    previous = result.sel(role="previous").isel(site=0, head=0)
    expected = np.mean(1 / np.arange(2, length))  # the first key is set aside
    assert float(previous["null"]) == pytest.approx(expected, abs=1e-6)
    assert float(previous["score"]) == pytest.approx(expected, abs=1e-6)
    assert float(result["first_key_share"][0, 0]) == pytest.approx(
        np.mean(1 / np.arange(1, length + 1)), abs=1e-6
    )


def test_what_the_best_key_and_offset_give_by_chance_is_what_permuted_rows_give():
    weights = drawn(1, 3, 24, 3.0, seed=4)[0]
    maps = reading.Maps(weights.astype("f4"), np.ones((1, 24, 24), bool), np.ones((1, 24), bool))
    each = scoring.scored(maps, (), None)
    aside = reading.set_aside(maps)
    random = np.random.default_rng(0)
    keys, offsets = [], []
    moments = np.moveaxis(each["offsets"].astype(float), -1, 0)
    _, null = picking.picked(*moments[:3], scoring.skewness(*moments[2:]))
    for _ in range(300):
        rows = random.permuted(aside.weights[..., 1:], axis=-1)
        keys.append(rows.mean(1).max(-1))
        held = np.zeros((3, 47))
        for offset in range(-23, 24):
            line = np.diagonal(np.pad(rows, ((0, 0), (0, 0), (1, 0))), offset, axis1=1, axis2=2)
            eligible = line.shape[-1] - (offset <= 0)  # without the first key's
            held[:, offset + 23] = line.sum(-1) / max(eligible, 12)
            chance = eligible / 23 / max(eligible, 12)
            held[:, offset + 23] = (held[:, offset + 23] - chance) / (1 - chance)
        offsets.append(held.max(-1))
    np.testing.assert_allclose(each["key"][:, 1], np.mean(keys, 0), atol=0.01)
    np.testing.assert_allclose(null, np.mean(offsets, 0), atol=0.015)


def test_small_maps_are_permuted_themselves():
    weights = drawn(1, 2, 6, 6.0, seed=1)[0]
    maps = reading.Maps(weights.astype("f4"), np.ones((1, 6, 6), bool), np.ones((1, 6), bool))
    aside = reading.set_aside(maps)
    random = np.random.default_rng(0)
    rows = [random.permuted(aside.weights[..., 1:], axis=-1).sum(1).max(-1) for _ in range(1500)]
    expected = np.mean(rows, 0) / aside.rows.sum(-1)
    np.testing.assert_allclose(scoring.scored(maps, (), None)["key"][:, 1], expected, atol=0.03)


def test_of_nested_roles_the_narrowest_that_explains_enough_is_told():
    length, examples = 20, 8
    words = np.tile([f"w{number}" for number in range(length)], (examples, 1))
    words[:, 9], words[:, 15] = words[:, 3], words[:, 4]
    same = words[:, :, None] == words[:, None]
    eye = np.broadcast_to(np.eye(length, dtype=bool), same.shape)
    near = np.abs(np.subtract.outer(np.arange(length), np.arange(length))) <= 2
    heads = {
        "self": resting(eye),
        "duplicate": resting(same),
        "previous": resting(np.roll(eye, -1, -1)),
        "positional": resting(np.roll(eye, -4, -1)),
        "unclassified": resting(np.broadcast_to(near, same.shape)),  # nearby is no block
    }
    result = ll.roles({"a": site(np.stack(list(heads.values()), 1), tokens=words)})
    assert result["main_role"][0, :4].values.tolist() == list(heads)[:4]
    assert result["main_role"][0, 4] != "block"
    assert result["offset"][0, 3] == -4


def test_tokens_tell_separators_punctuation_and_segments():
    length, examples = 18, 6
    words = np.full((examples, length), "a", dtype="<U9")
    random = np.random.default_rng(0)
    segments = np.zeros((examples, length), int)
    for row in range(examples):
        words[row] = [f"w{number}" for number in random.permutation(length)]
        middle = random.integers(6, 11)
        words[row, [0, middle, -1]] = ["[CLS]", "[SEP]", "[SEP]"]
        words[row, [3, -2]] = [",", "Ġ."]
        segments[row, middle + 1 :] = 1
    columns = {
        "separator": np.repeat((words == "[SEP]")[:, None], length, 1),
        "punctuation": np.repeat(np.isin(words, [",", "Ġ."])[:, None], length, 1),
        "block": segments[:, :, None] == segments[:, None],
        "one key": np.repeat((np.arange(length) == 5)[None, None], length, 1).repeat(examples, 0),
        "vowels": np.repeat(np.isin(words, ["w1", "w4", "w7", "w12"])[:, None], length, 1),
    }
    weights = np.stack([resting(cells, 0.8) for cells in columns.values()], 1)
    patterns = {"vowels": lambda tokens: np.isin(tokens, ["w1", "w4", "w7", "w12"])}
    result = ll.roles({"a": site(weights, tokens=words)}, patterns=patterns)
    assert result["main_role"][0].values.tolist() == list(columns)
    assert float(result["excess"].sel(role="separator")[0, 0]) > 0.7
    only = ll.roles({"a": site(weights)})  # without texts nothing says what a separator is
    assert only["excess"].sel(role="separator").isnull().all()


def test_a_pattern_of_queries_and_keys_is_a_role():
    cells = np.zeros((12, 12), bool)
    cells[np.arange(12), (np.arange(12) * 5 + 2) % 12] = True
    weights = np.broadcast_to(resting(cells, 0.9), (5, 1, 12, 12))
    result = ll.roles({"a": site(weights)}, patterns={"spiral": cells})
    assert result["main_role"].values.tolist() == [["spiral"]]


def test_the_first_key_is_the_role_only_where_nothing_else_is():
    length = 10
    weights = np.zeros((5, 2, length, length))
    weights[:, 0, :, 0], weights[:, 1, :, 0] = 1, 0.7
    weights[:, 1] += 0.3 * np.eye(length, k=-1)
    weights[:, 1, 0, 0] = 1
    result = ll.roles({"a": site(weights)})
    assert result["main_role"][0].values.tolist() == ["first key", "previous"]
    assert float(result["left_out"][0, 0]) == 1
    assert float(result["left_out"][0, 1]) == pytest.approx(0.2)  # rows 0 and 1 hold nothing else
    assert float(result["first_key_share"][0, 1]) == pytest.approx(0.76)


def test_padding_changes_nothing():
    weights = resting(np.broadcast_to(np.eye(9, k=-1, dtype=bool), (6, 1, 9, 9)), 0.6)
    wide = np.zeros((6, 1, 13, 13))
    wide[:, :, 2:11, 2:11] = weights
    padded = site(wide)
    valid = (np.arange(13) >= 2) & (np.arange(13) < 11)
    padded = padded.assign_coords(
        query_valid=(("example", "query"), np.tile(valid, (6, 1))),
        key_valid=(("example", "key"), np.tile(valid, (6, 1))),
    )
    plain, other = ll.roles({"a": site(weights)}), ll.roles({"a": padded})
    for name in ("score", "null", "excess"):
        narrow = ["previous", "next", "self", "positional"]
        np.testing.assert_allclose(
            other[name].sel(role=narrow), plain[name].sel(role=narrow), atol=2e-2
        )
    assert (
        other["main_role"].values.tolist() == plain["main_role"].values.tolist() == [["previous"]]
    )


def test_few_examples_have_no_interval_and_no_role_and_units_are_what_counts():
    weights = np.broadcast_to(resting(np.eye(9, k=-1, dtype=bool)), (8, 1, 9, 9))
    assert ll.roles({"a": site(weights[:4])})["main_role"].item() == "unclassified"
    pairs = ll.roles({"a": site(weights)}, resample_by=[0, 0, 1, 1, 2, 2, 3, 3])
    assert pairs.attrs["n"] == 4
    assert pairs["main_role"].item() == "unclassified"
    assert "n = 8" in ll.roles({"a": site(weights)}).attrs["sentence"]


def test_sites_that_are_no_self_attention_have_no_role():
    weights = np.broadcast_to(resting(np.eye(6, 9, dtype=bool)), (6, 2, 6, 9))
    square = np.broadcast_to(resting(np.eye(6, k=1, dtype=bool)), (6, 1, 6, 6))
    result = ll.roles({"cross": site(weights, kind="cross"), "self": site(square)})
    assert result["main_role"].values.tolist() == [["", ""], ["next", ""]]
    assert result["score"].sel(site="cross").isnull().all()


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ({"odd": np.ones(7, bool)}, r"shape \(7,\)"),
        ({"verbs": len}, "tokens are not known"),
        ({"self": np.ones(6, bool)}, "called 'self'"),
    ],
)
def test_patterns_that_do_not_fit_say_so(patterns, message):
    with pytest.raises(StudyError, match=message):
        ll.roles({"a": site(np.full((5, 1, 6, 6), 1 / 6))}, patterns=patterns)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (3, "int and no data"),
        ({}, "no attention maps"),
        ({"a": site(np.ones((2, 1, 1, 1))), "b": site(np.ones((3, 1, 1, 1)))}, "same examples"),
    ],
)
def test_what_is_no_maps_says_so(maps, message):
    with pytest.raises(StudyError, match=message):
        ll.roles(maps)
