"""What is said of mitigations, and that chance alone says little."""

from __future__ import annotations

import numpy as np
import pytest

import limelight as ll
from limelight.errors import StudyError
from limelight.studying import verdicts
from limelight.studying.verdicts import compared, verdict

STILL = {"low": -0.02, "high": 0.03, "p_adjusted": 0.9}
DOWN = {"low": -0.3, "high": -0.1, "p_adjusted": 0.01}
UP = {"low": 0.1, "high": 0.3, "p_adjusted": 0.01}
ALMOST_DOWN, ALMOST_UP = {**DOWN, "p_adjusted": 0.06}, {**UP, "p_adjusted": 0.06}
MOVED = "attention moved; effect on predictions not shown (from -2.0 to +3.0 points)"


@pytest.mark.parametrize(
    ("flips", "worst", "attention", "words"),
    [
        (UP, STILL, STILL, "worse"),
        (DOWN, DOWN, STILL, "worse"),
        (DOWN, STILL, STILL, "relies less on it"),
        (DOWN, UP, DOWN, "relies less on it"),
        (ALMOST_DOWN, UP, DOWN, "worst group better"),
        (ALMOST_DOWN, STILL, DOWN, "improves, unadjusted"),
        (STILL, ALMOST_UP, STILL, "improves, unadjusted"),
        (STILL, STILL, DOWN, MOVED),
        (STILL, STILL, UP, MOVED),
        (STILL, STILL, STILL, "no change shown"),
    ],
)
def test_words_come_from_predictions_in_their_precedence(flips, worst, attention, words):
    facts = {"flip_rate": flips, "worst_group": worst, "attention": attention}
    assert verdict(facts) == words
    if words != MOVED:
        del facts["attention"]
        assert verdict(facts) in (words, "no change shown")


def test_without_an_outcome_there_is_no_word():
    assert verdict({"flip_rate": DOWN, "attention": DOWN}) == ""
    assert verdict({"worst_group": UP}) == ""


def test_differences_are_paired_by_seed():
    random = np.random.default_rng(0)
    seeds = random.normal(0.5, 0.2, 8)  # models differ far more by seed than by technique
    values = np.stack([seeds, seeds - 0.1 + random.normal(0, 0.01, 8)])[..., None]
    made = compared(values, ["flip_rate"], 0)
    assert made.difference[1, 0] == pytest.approx(-0.1, abs=0.01)
    assert made.high[1, 0] < 0
    assert made.p_value[1, 0] < 1e-6
    assert np.isnan(made.difference[0]).all()


def test_t_test_is_the_textbook_one():
    from scipy.stats import ttest_rel

    random = np.random.default_rng(1)
    values = random.normal(size=(3, 6, 2))
    made = compared(values, ["a", "b"], 0)
    expected = ttest_rel(values[1:], values[:1], axis=1).pvalue
    np.testing.assert_allclose(made.p_value[1:], expected)
    low, high = ttest_rel(values[1], values[0], axis=0).confidence_interval()
    np.testing.assert_allclose([made.low[1], made.high[1]], [low, high])


def test_holm_is_within_a_family():
    random = np.random.default_rng(2)
    values = random.normal(size=(5, 6, 3))
    made = compared(values, list("abc"), 0)
    for at in range(3):
        smallest = np.nanmin(made.p_value[:, at])
        assert np.nanmin(made.p_adjusted[:, at]) == pytest.approx(min(4 * smallest, 1))


def test_the_same_technique_again_seldom_gets_a_word():
    random = np.random.default_rng(3)
    words = []
    for _ in range(400):
        skill = random.normal(size=(2, 5, 1))  # flips and worst group go together, as they do
        noise = random.normal(size=(2, 5, 2)) * 0.3
        values = np.concatenate([0.5 - 0.1 * skill, 0.5 + 0.1 * skill], axis=-1) + 0.1 * noise
        words.append(compared(values, list(verdicts.OUTCOMES), 0).verdict[1])
    assert np.mean([word != verdicts.NOTHING for word in words]) <= 0.1


def train(seed, flips=0.4, spread=0.02):
    random = np.random.default_rng(seed)
    return {"flips": flips + spread * random.normal(), "noise": spread * random.normal()}


def evaluate(model, part):
    shift = 0.05 if part == "validation" else 0.0
    return {
        "flip_rate": min(max(model["flips"] + shift, 0), 1),
        "worst_group": 0.6 + model["noise"] + shift,
        "attention": 0.2,
    }


TECHNIQUES = {"plain": {}, "less": {"flips": 0.1}, "more": {"flips": 0.9}}


def test_each_is_trained_with_each_seed_and_judged():
    calls = []
    made = ll.compare_mitigations(
        train, evaluate, TECHNIQUES, progress=lambda done, tasks: calls.append((done, tasks))
    )
    assert made["metric"].dims == ("technique", "seed", "measure")
    assert made["metric"].shape == (3, 5, 3)
    assert made["verdict"].values.tolist() == ["", "relies less on it", "worse"]
    assert made.attrs["no_verdict"] == ""
    assert made.attrs["selection_rule"] == "highest mean validation worst_group"
    assert "Holm-adjusted over 2 comparisons" in made.attrs["sentence"]
    assert calls[-1] == (15, 15)
    assert (
        float(made["metric"].sel(technique="less", measure="flip_rate", seed=3))
        == (train(3, flips=0.1)["flips"])
    )


def test_it_goes_on_after_a_kill_and_is_read_back(tmp_path):
    trained = []

    def dying(seed, **settings):
        if len(trained) == 7:
            raise KeyboardInterrupt
        trained.append(seed)
        return train(seed, **settings)

    with pytest.raises(KeyboardInterrupt):
        ll.compare_mitigations(dying, evaluate, TECHNIQUES, run=tmp_path)
    _, progress, so_far = ll.open_run(tmp_path).study_so_far("compare_mitigations")
    assert (progress.done, progress.state) == (7, "stopped")
    assert int(so_far["metric"].notnull().sum()) == 7 * 3
    assert so_far.attrs["no_verdict"] == "7 of 15 models are trained"
    trained[:] = [None] * 100  # so that the same function, by its code, does not die again
    again = ll.compare_mitigations(dying, evaluate, TECHNIQUES, run=tmp_path)
    assert len(trained) == 108
    whole = ll.compare_mitigations(train, evaluate, TECHNIQUES)
    np.testing.assert_array_equal(again["metric"], whole["metric"])
    result = ll.open_run(tmp_path).study("compare_mitigations")
    assert result["verdict"].values.tolist() == again["verdict"].values.tolist()
    assert len(list(tmp_path.glob("*/seed-*/*tfevents*"))) == 15


def test_processes_train_the_same():
    here = ll.compare_mitigations(_importable, _measured, {"a": {}, "b": {"far": 1}}, seeds=2)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as executor:
        there = ll.compare_mitigations(
            _importable, _measured, {"a": {}, "b": {"far": 1}}, seeds=2, executor=executor
        )
    np.testing.assert_array_equal(here["metric"], there["metric"])
    assert here.attrs["no_verdict"] == "2 seeds are fewer than 5"
    assert here["low"].isnull().all()
    assert set(here["verdict"].values) == {""}


def _importable(seed, far=0):
    return seed + far


def _measured(model, part):
    return {"flip_rate": 1 / (2 + model), "worst_group": 0.5}


def test_missing_outcomes_are_named():
    made = ll.compare_mitigations(
        train, lambda model, part: {"worst_group": 0.5 + model["noise"]}, TECHNIQUES
    )
    assert made.attrs["no_verdict"] == "evaluate gives no flip_rate"
    assert set(made["verdict"].values) == {""}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seeds": 1}, "seeds=1"),
        ({"seeds": [3, 3]}, "different ones"),
        ({"techniques": {"plain": {}}}, "at least two"),
        ({"baseline": "other"}, "the baseline among them"),
        ({"train": lambda seed, flips=0.0: train(0, flips)}, "to the last digit"),
        ({"evaluate": lambda model, part: 0.5}, "Wanted {measure: number}"),
        ({"evaluate": lambda model, part: {"flip_rate": float("nan")}}, "flip_rate=nan"),
        ({"evaluate": lambda model, part: {"worst_group": 61.0}}, "from 0 to 1"),
        ({"evaluate": lambda model, part: {part: model["flips"]}}, "same of all models"),
    ],
)
def test_what_makes_no_sense_is_said(options, words):
    asked = {"train": train, "evaluate": evaluate, "techniques": TECHNIQUES, **options}
    with pytest.raises(StudyError, match=words):
        ll.compare_mitigations(**asked)
