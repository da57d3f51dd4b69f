"""Every worked case trains on its real data and leaves a recording that can be read."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

import numpy as np
import pytest

import limelight as ll
from limelight import catalogue
from limelight.apps.doctor.smallest import keras as smallest
from limelight.cases import cloze, mnist, training, weights
from limelight.errors import LimelightError, UnavailableError

CASES = catalogue.cases()


def test_the_catalogue_finds_every_case_and_nothing_else():
    assert list(CASES) == ["cloze", "lstm", "mnist", "weights"]
    for case in CASES.values():
        assert case.shows.endswith(".")
        assert case.seconds > 0
        assert case.memory_mb > 0
        assert all(run.partition("/")[0] == case.name for run in case.runs)
    assert sum(case.seconds for case in CASES.values()) < 120


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A function that trains a case for a moment, once: its results, progress, log directory."""
    logs = tmp_path_factory.mktemp("logs")

    @functools.cache
    def train(name):
        told = []
        results = CASES[name].train(
            logs / name, size=0.02, progress=lambda *step: told.append(step)
        )
        return results, told, logs

    return train


@pytest.mark.training
@pytest.mark.parametrize("name", CASES)
def test_case_tells_how_far_it_is(name, trained):
    _, told, _ = trained(name)
    assert tuple(dict.fromkeys(run for run, _, _ in told)) == CASES[name].runs
    for run in CASES[name].runs:
        done = [step for one, step, _ in told if one == run]
        (steps,) = {total for one, _, total in told if one == run}
        assert done == list(range(steps + 1))


@pytest.mark.training
@pytest.mark.parametrize("name", CASES)
def test_case_measures_beside_something(name, trained):
    results, _, _ = trained(name)
    assert {result.run for result in results} == set(CASES[name].runs)
    for result in results:
        assert np.isfinite([result.value, result.beside]).all()
        assert result.beside_name
        assert result.n > 0


@pytest.mark.training
@pytest.mark.parametrize("run", [run for case in CASES.values() for run in case.runs])
def test_case_records_from_the_untrained_state_on(run, trained):
    _, told, logs = trained(run.partition("/")[0])
    recorded = ll.open_run(logs / run)
    steps = max(step for one, step, _ in told if one == run)
    assert recorded.steps[0] == 0
    assert recorded.steps[-1] == steps
    assert len(recorded.steps) > 1
    changed = recorded.parameters()["mean"]
    assert (changed.isel(step=0) != changed.isel(step=-1)).any()


SITES = {
    "cloze/one-layer": [("attention", "self", 1, 20)],
    "cloze/transformer": [(f"layer_{number}_attention", "self", 4, 20) for number in range(4)],
    "lstm": [("attention", "pooling", 1, 32)],
    "mnist": [("attention", "self", 1, 784)],
    "weights": [],
}


@pytest.mark.training
@pytest.mark.parametrize("run", SITES)
def test_case_records_its_attention(run, trained):
    _, _, logs = trained(run.partition("/")[0])
    recorded = ll.open_run(logs / run)
    found = [(site.name, site.kind, site.heads, site.keys) for site in recorded.sites.values()]
    assert found == SITES[run]
    for site in recorded.sites:
        maps = recorded.site(site, 0)
        rows = maps["weights"].sum("key").where(maps["query_valid"])
        assert float(abs(rows - 1).max()) < 2e-3  # stored as halves
        assert len(recorded.examples) >= 4
    if run.startswith(("cloze", "lstm")):
        assert all(example.tokens and example.label for example in recorded.examples)
    if run.startswith("cloze"):
        assert all(example.tokens.count("[blank]") == 1 for example in recorded.examples)
    if run == "mnist":
        assert recorded.image(0).shape == (28, 28)


@pytest.mark.parametrize("size", [0.0, -1.0, 1.5])
def test_an_impossible_size_is_refused(size):
    with pytest.raises(LimelightError, match="Wanted a share above 0 and at most 1"):
        training.begin(size)


def test_blanks_are_words_and_come_back():
    known = ["", "[unknown]", "[blank]", "the", "dog", "barks", "."]
    sentences = [["the", "dog", "barks", "."], ["the", "cat", "."], ["cat", "."]]
    made = cloze.leave_out(sentences, known, blanks=1, times=50, seed=0)
    assert len(made.ids) == 100  # the third has no word that is known
    for ids, (place,), (word,) in zip(made.ids, made.blanks, made.missing, strict=True):
        assert ids[place] == 2
        assert (ids == 2).sum() == 1
        assert known[word] in ("the", "dog", "barks")
        ids[place] = word
        assert ids[:4].tolist() in ([3, 4, 5, 6], [3, 1, 6, 0])
    assert len(set(map(tuple, made.blanks))) == 3
    assert len(cloze.leave_out(sentences, known, blanks=2, times=1, seed=0).ids) == 1


def test_share_of_a_sentences_ends():
    maps = np.zeros((2, 1, 3, 3))
    maps[0, 0] = [[1, 0, 0], [0, 1, 0], [0.5, 0.25, 0.25]]  # ends: 1, 0, 0.75
    maps[1, 0, :2, 0] = 1  # two real tokens, both of them ends
    real = np.array([[True, True, True], [True, True, False]])
    share, null = cloze.ends(maps, real)
    assert share == pytest.approx((1.75 / 3 + 1) / 2)
    assert null == pytest.approx((2 / 3 + 1) / 2)


def test_spread_of_weights():
    even = np.linspace(-1, 1, 10001)[:, None]
    found = weights.spread(even, near=0.1)
    assert found["std"] == pytest.approx(1 / np.sqrt(3), rel=1e-3)
    assert found["share near 0"] == pytest.approx(0.1, abs=1e-3)
    assert found["excess kurtosis"] == pytest.approx(-1.2, abs=1e-3)


def test_capture_is_proved_on_the_smallest_model():
    assert smallest.prove().startswith("yes: Keras 3")


@pytest.mark.parametrize("missing", ["keras", "tensorflow"])
def test_missing_framework_names_the_extra(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UnavailableError) as caught:
        mnist.CASE.prepare()
    assert str(caught.value) == (
        f"Could not find {missing}. "
        "Wanted Keras 3 on TensorFlow, which the worked cases train with. "
        'Run: pip install "limelight[tensorflow]"'
    )


def test_keras_comes_up_quietly_whatever_backend_is_set():
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    environment.pop("TF_ENABLE_ONEDNN_OPTS", None)
    program = (
        "from limelight.cases import training\n"
        "keras = training.load_keras()\n"
        "print(keras.backend.backend())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.stdout == "tensorflow\n", done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("kind", ["one-layer", "transformer"])
def test_no_layer_of_a_cloze_model_looks_at_padding(kind):
    ids = np.zeros((2, cloze.LENGTH), np.int32)
    ids[0, :7], ids[1] = 5, 6
    blanks = np.array([[1], [2]], np.int32)
    tree = ll.capture(cloze.build(kind), {"ids": ids, "blanks": blanks})
    for site in tree.leaves:
        assert site["weights"].values[0, :, :7, 7:].sum() == 0, site.path
        assert not site["key_valid"].values[0, 7:].any(), site.path
