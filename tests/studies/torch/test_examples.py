"""Evidence over a data set: what is named is there, and is the same however data streams by."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import limelight as ll
from limelight.errors import StudyError
from limelight.maps.evidence import RESERVOIR, TOKENS, Evidence, gathered
from limelight.maps.reading import Batch
from limelight.testing import known

WORDS = [f"w{number}" for number in range(40)]
WORDS[7], WORDS[9] = "Ġit", "animal"


@pytest.fixture(scope="module")
def planted():
    x = known.random_tokens(70, 12, 40, seed=1)
    heads = [known.offset(-1), known.token(9), known.structureless(3)]
    return known.AttentionOnly([heads], 40, 12, causal=False), x


@pytest.fixture(scope="module")
def result(planted):
    model, x = planted
    return ll.examples(model, x, tokens=WORDS, link=("It", "ANIMAL"))


@pytest.fixture(scope="module")
def weights(planted):
    model, x = planted
    return ll.capture(model, x)["layers/0"]["weights"].values


def test_the_strongest_rows_are_those_of_the_whole_data(result, weights):
    beside = weights[:, 2].copy()
    beside[..., 0] = 0
    best = np.sort(beside.max(-1), -1)[:, -2:]  # two rows of an example at most
    expected = np.sort(best.reshape(-1))[::-1][:12]
    head = result.isel(site=0, head=2)
    np.testing.assert_allclose(head["strongest"], expected, rtol=1e-6)
    for name in ("strongest", "sample"):
        columns = (
            head[f"{name}_{part}"].values.reshape(-1) for part in ("example", "query", "key")
        )
        for value, example, query, key in zip(head[name].values.reshape(-1), *columns, strict=True):
            assert value == pytest.approx(weights[example, 2, query, key])
    assert np.unique(head["strongest_example"], return_counts=True)[1].max() <= 2


def test_samples_are_drawn_from_all_rows_by_decile(result, weights):
    head = result.isel(site=0, head=2)
    means = head["sample"].mean("draw").values
    assert (np.diff(means) > 0).all()
    beside = weights[:, 2].copy()
    beside[..., 0] = 0
    deciles = np.quantile(beside.max(-1), np.linspace(0.05, 0.95, 10))
    np.testing.assert_allclose(means, deciles, atol=0.12)


def test_what_heads_look_at_is_named(result):
    previous, marked, _ = (result.isel(site=0, head=number) for number in range(3))
    assert previous["near"].sel(distance=1) > 0.9
    assert previous["near_null"].sel(distance=1) < 0.2
    assert marked["key_token"].values[0] == "animal"
    assert float(marked["key_share"][0]) > 5 * float(marked["key_null"][0])
    assert (marked["pair_key"][:5] == "animal").all()


def test_links_are_found(result, planted, weights):
    _, x = planted
    shares = [
        weights[example, :, query, key]
        for example, row in enumerate(x)
        for query in np.flatnonzero(row == 7)
        for key in np.flatnonzero(row == 9)
    ]
    np.testing.assert_allclose(result["link_weight"][0], np.mean(shares, 0), rtol=1e-5)
    assert (result["link_count"] == len(shares)).all()
    assert result["link_weight"].argmax("head").item() == 1
    example = int(result["link_strongest_example"][0, 1, 0])
    text = str(result["text"].sel(example=example).values).split(" ")
    begin = int(result["text_begin"].sel(example=example))
    assert text[int(result["link_strongest_query"][0, 1, 0]) - begin] == "Ġit"
    assert text[int(result["link_strongest_key"][0, 1, 0]) - begin] == "animal"


def test_it_is_the_same_however_data_streams_by(result, planted):
    model, x = planted
    other = ll.examples(model, x, tokens=WORDS, link=("it", "animal"), partition=9)
    tokens = [name for name in result if name.startswith(("key_", "pair_"))]  # ties, rare pairs
    xr.testing.assert_allclose(other.drop_vars(tokens), result.drop_vars(tokens), rtol=1e-5)
    np.testing.assert_allclose(other["key_share"], result["key_share"], rtol=1e-4)
    other = ll.examples(model, x, tokens=WORDS, seed=1)
    assert (other["sample_example"] != result["sample_example"]).any()
    assert other["strongest"].equals(result["strongest"])


def test_a_stopped_study_goes_on_and_takes_little_room(planted, result, tmp_path):
    model, x = planted
    finished = []

    def stopping(count, of):
        finished.append(count)
        if count == 2:
            raise KeyboardInterrupt

    asked = {"tokens": WORDS, "link": ("It", "ANIMAL"), "run": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        ll.examples(model, x, progress=stopping, **asked)
    again = ll.examples(model, x, progress=lambda count, of: finished.append(count), **asked)
    assert finished == [1, 2, 3]
    xr.testing.assert_allclose(again, result, rtol=1e-6)
    held = ll.open_run(tmp_path).study("examples")
    assert held["text"].values.tolist() == result["text"].values.tolist()
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert size < 3 * 60_000
    assert not list(tmp_path.rglob("parts/*"))


def test_what_is_kept_does_not_grow_with_the_data():
    random = np.random.default_rng(0)
    evidence = Evidence(ranks=12)
    for number in range(60):
        scores = random.normal(size=(8, 2, 24, 24))
        weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        maps = Batch(weights.astype("f4"), np.ones((8, 1, 24, 24), bool),
                     np.ones((8, 1, 24), bool), "self")  # fmt: skip
        words = random.integers(0, 5_000, (8, 24)).astype(str)
        evidence.add(gathered(maps, 8 * number, words, seed=0))
    assert evidence.entries["top"].shape[1] == 12
    assert evidence.entries["drawn"].shape[1] == RESERVOIR
    assert max(map(len, evidence.tokens)) <= 5 * TOKENS
    assert max(map(len, evidence.pairs)) <= 10 * TOKENS


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"link": ("it",)}, "link="),
        ({"link": "it"}, "link='it'"),
        ({"ranks": 0}, "ranks=0"),
    ],
)
def test_what_cannot_be_asked_says_so(planted, asked, message):
    model, x = planted
    with pytest.raises(StudyError, match=message):
        ll.examples(model, x, **asked)
