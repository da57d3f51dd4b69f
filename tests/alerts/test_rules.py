"""Each rule tells of its fault, since which step and of which tensor, and of nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from planted_numbers import over, recorded, rows

from limelight.alerts.judging.report import rules
from limelight.store import Step, Writer

NAN = float("nan")
FLAT = [{"norm": 1.0}] * 5


def dying(share, zeros, positions=300.0):
    """Return five records of an activation, dead from the third on, and of what feeds it."""
    steps = {}
    for at in range(5):
        dead = share if at > 1 else 0.1
        unit = {"dead": dead, "units": 8.0, "positions": positions, "shape": (300, 8)}
        bias = {"norm": 1.0, "zeros": zeros if at > 1 else 0.0, "shape": (8,)}
        steps[10 * at] = {"activation": {"act": unit}, "gradient": {"fc/bias": bias}}
    return steps


def saturating(share, units=8.0):
    answer = {"shape": (4, 3), "norm": 1.0}
    layer = {"saturated": share, "units": units, "positions": 100.0}
    return {
        10 * at: {"activation": {"act": layer}, "parameter": {"last/kernel": answer}}
        for at in range(3)
    }


def layers(least):
    return {
        10 * at: {"gradient": {"first": {"norm": least}, "last": {"norm": 1.0}}} for at in range(3)
    }


def moving(*norms, others=(1.0, 2.0, 3.0, 4.0), **facts):
    """Return records of a parameter, and of another."""
    return {
        10 * at: {"parameter": {"w": facts | {"norm": norm}, "v": {"norm": others[at]}}}
        for at, norm in enumerate(norms)
    }


def heads(column, *values):
    return {
        10 * at: {"attention": {"entropy": [1.0, 1.0], "first_key_share": [0.25, 0.25]}
                  | {column: list(pair)}}
        for at, pair in enumerate(values)
    }  # fmt: skip


def setting(rule, wrong):
    return {0: {"setup": {"it": {"wrong": wrong, "note": rule}}}}


CALM = [(0.25, 0.25)] * 5

#: A rule; what breaks it, in up to three strengths; since when, and of what; what just does not.
CASES = {
    "dead_units": (
        [dying(0.6, 0.6), dying(0.9, 0.95), dying(1.0, 1.0)],
        (20, "act"),
        [dying(0.4, 1.0), dying(1.0, 0.0), dying(1.0, 1.0, positions=200.0)],
    ),
    "saturated_activations": (
        [saturating(0.6), saturating(0.9)],
        (0, "act"),
        [saturating(0.4), saturating(0.9, units=3.0)],  # the second is the model's answer
    ),
    "exploding_gradients": (
        [over("gradient", *FLAT, {"norm": times}, {"norm": 1.0}) for times in (40, 400, 4000)],
        (50, "w"),
        [over("gradient", *FLAT, {"norm": 20.0}),
         over("gradient", {"norm": 1.0}, *[{"norm": 1e-3}] * 5, {"norm": 0.5})],
    ),
    "vanishing_gradients": (
        [layers(1e-7), layers(1e-9), layers(0.0)], (0, "first"), [layers(1e-5)],
    ),
    "exploding_in_time": (
        [over("time", {"first": 20.0, "last": 1e-3, "most": 20.0})],
        (0, "w"),
        [over("time", {"first": 20.0, "last": 1.0, "most": 20.0}),
         over("time", {"first": 20.0, "last": 0.0, "most": 20.0})],
    ),
    "vanishing_in_time": (
        [over("time", *[{"first": first, "last": 1.0, "most": 1.0}] * 2) for first in (1e-7, 1e-9)],
        (0, "w"),
        [over("time", *[{"first": first, "last": 1.0, "most": 1.0}] * 2) for first in (1e-5, 0.0)],
    ),
    "not_moving": (
        [moving(1.0, 1.0, 1.0), moving(1.0, 1.0, 1.0, 2.0),
         moving(1.0, 1 + 3e-16, 1 - 2e-16)],  # added up in another order
        (0, "w"),
        [moving(1.0, 1.0), moving(1.0, 1 + 1e-9, 1 + 2e-9), moving(1.0, 1.0, 1.0, trainable=False),
         moving(1.0, 1.0, 1.0, others=(1.0, 1.0, 1.0)), moving(1.0, 1.5, 1.0)],
    ),
    "step_too_large": (
        [over("update", {"ratio": 0.001}, {"ratio": ratio}) for ratio in (0.11, 0.5, 20)],
        (10, "w"),
        [over("update", {"ratio": 0.05}), over("update", {"ratio": 3.0}, shape=(8,))],
    ),
    "step_too_small": (
        [over("update", *[{"ratio": ratio}] * 6) for ratio in (5e-7, 1e-9)],
        (0, "w"),
        [over("update", {"ratio": 1e-3}, *[{"ratio": 1e-9}] * 6),
         over("update", *[{"ratio": 1e-9}] * 4, {"ratio": 1e-4})],
    ),
    "growing_scores": (
        [heads("largest_score", (5, 5), (6, score)) for score in (120, 1e4)],
        (10, "a#1"),
        [heads("largest_score", (5, 5), (6, 90)), heads("largest_score", (80, 80), (120, 80))],
    ),
    "entropy_collapse": (
        [heads("entropy", (1, 1), (0.06, low), (0.06, low)) for low in (0.01, 0.0001)],
        (10, "a#1"),
        [heads("entropy", (1, 1), (0.5, 0.01), (0.5, 0.01)),  # one sharp head
         heads("entropy", *[(0.01, 0.01)] * 4)],
    ),
    "uniform_head": (
        [heads("entropy", (1.38, 1), (1, level), (1, level)) for level in (1.375, np.log(4))],
        (10, "a#1"),
        [heads("entropy", *[(1.38, 1.38)] * 3), heads("entropy", (1, 1), (1, 1.3), (1, 1.3))],
    ),
    "sink_jump": (
        [heads("first_key_share", *CALM, (0.25, share)) for share in (0.7, 0.95)],
        (50, "a#1"),
        [heads("first_key_share", *CALM, (0.25, 0.5)),
         heads("first_key_share", (0.25, 0.25), (0.25, 0.95), (0.25, 0.95))],
    ),
    "spectrum_collapse": (
        [over("spectrum", {"stable_rank": 5.0}, {"stable_rank": rank}) for rank in (1.05, 1.0)],
        (10, "w"),
        [over("spectrum", {"stable_rank": 5.0}, {"stable_rank": 1.3}),
         over("spectrum", {"stable_rank": 1.0}, {"stable_rank": 1.0})],
    ),
    "not_finite": (
        [over("parameter", {"nonfinite": 0.0}, {"nonfinite": count}) for count in (1, 64)],
        (10, "w"),
        [over("parameter", {"nonfinite": 0.0})],
    ),
    **{name: ([setting(name, 1.0)], (0, "it"), [setting(name, 0.0)])
       for name in ("early_stopping", "probabilities_as_logits", "attention_not_training")},
}  # fmt: skip


def test_every_rule_has_its_cases():
    assert CASES.keys() == rules().keys()


@pytest.mark.parametrize("name", CASES)
def test_a_rule_tells_of_its_fault_and_of_nothing_else(name, tmp_path):
    broken, (since, tensor), fine = CASES[name]
    for at, steps in enumerate(broken):
        alerts = [alert for alert in recorded(tmp_path / f"b{at}", steps).alerts()
                  if alert.rule == name]  # fmt: skip
        assert [(alert.since, alert.tensors[0]) for alert in alerts] == [(since, tensor)], at
    for at, steps in enumerate(fine):
        alerts = recorded(tmp_path / f"f{at}", steps).alerts()
        assert name not in [alert.rule for alert in alerts], at


def test_an_alert_says_when_it_ended_and_how_bad_it_was(tmp_path):
    numbers = [{"ratio": ratio} for ratio in (0.001, 0.2, 0.7, 0.3, 0.001, 0.001, 0.001)]
    (alert,) = recorded(tmp_path, over("update", *numbers)).alerts()
    assert (alert.rule, alert.kind, alert.number) == ("step_too_large", "update", "ratio")
    assert (alert.since, alert.until, alert.value, alert.now) == (10, 30, 0.7, 0.001)
    assert alert.steps == tuple(range(0, 70, 10))
    assert "since step 10 until step 30: w, ratio 0.7" in str(alert)
    assert "Usually: warm up" in str(alert)


def test_what_comes_and_goes_is_one_alert_and_what_comes_back_later_another(tmp_path):
    ratios = [0.2, 0.001, 0.2, 0.001, 0.001, 0.2, *[0.001] * 3, 0.2]
    run = recorded(tmp_path, over("update", *({"ratio": ratio} for ratio in ratios)))
    assert [(alert.since, alert.until) for alert in run.alerts()] == [(90, None), (0, 50)]


def test_tensors_that_fail_at_one_time_are_one_alert_the_worst_first(tmp_path):
    steps = {
        step: {"update": {name: {"ratio": ratio * (step == 10)}
                          for name, ratio in (("a", 0.3), ("b", 0.9), ("c", 0.01))}}
        for step in (0, 10, 20)
    }  # fmt: skip
    (alert,) = recorded(tmp_path, steps).alerts()
    assert alert.tensors == ("b", "a")


def test_the_module_in_which_values_broke_is_named(tmp_path):
    steps = {
        step: {"parameter": {"w": {"nonfinite": float(step > 10)}},
               "training": {"all": {"nonfinite": float(step == 10),
                                    "note": "encoder/norm" if step == 10 else ""}}}
        for step in (0, 10, 20)
    }  # fmt: skip
    (alert,) = [alert for alert in recorded(tmp_path, steps).alerts() if alert.rule == "not_finite"]
    assert (alert.since, alert.tensors) == (10, ("encoder/norm",))


def test_of_a_model_that_is_broken_from_the_beginning_parameters_are_named(tmp_path):
    def step(parameter, activation):
        tensors = {"w": {"nonfinite": parameter}}
        return {"parameter": tensors, "activation": {"relu": {"nonfinite": activation}}}

    begun = recorded(tmp_path / "begun", {0: step(3.0, 8.0), 10: step(3.0, 8.0)})
    (alert,) = begun.alerts()
    assert (alert.since, alert.tensors) == (0, ("w",))
    later = recorded(tmp_path / "later", {0: step(0.0, 0.0), 10: step(3.0, 8.0)})
    (alert,) = [alert for alert in later.alerts() if alert.rule == "not_finite"]
    assert (alert.since, alert.tensors) == (10, ("relu",))


def test_biases_are_no_matrices_also_those_of_attention_that_have_an_axis_for_heads(tmp_path):
    bias = {"ratio": 3.0, "norm": 0.0, "shape": (2, 4)}
    kernel = {"ratio": 0.001, "norm": 1.0}
    tensors = {"mix/key/bias": bias, "mix/key/kernel": kernel, "out/kernel": kernel}
    steps = {step: {"update": tensors, "gradient": tensors} for step in (0, 10, 20)}
    assert recorded(tmp_path, steps).alerts() == []


def test_adapters_that_are_frozen_by_mistake_are_told(tmp_path):
    frozen = {"norm": 1.0, "trainable": False}
    steps = {
        step: {
            "parameter": {"layer/lora_A": frozen, "layer/weight": frozen, "head": {"norm": step}}
        }
        for step in (1, 2, 3)
    }
    (alert,) = recorded(tmp_path / "a", steps).alerts()
    assert alert.tensors == ("layer/lora_A",)
    for step in steps:  # of several adapters one is learnt: the others rest on purpose
        steps[step]["parameter"]["other/lora_A"] = {"norm": float(step)}
    assert recorded(tmp_path / "b", steps).alerts() == []


def test_rules_that_ran_and_rules_that_lack_their_numbers_are_told_apart(tmp_path):
    judged = recorded(tmp_path, over("gradient", *FLAT)).judged()
    assert "exploding_gradients" in judged.quiet
    assert {"step_too_large", "entropy_collapse", "early_stopping"} <= set(judged.lacking)
    assert {*judged.quiet, *judged.lacking} == set(rules())


def test_a_run_that_grows_is_judged_by_its_new_steps_too(tmp_path):

    run = recorded(tmp_path, over("update", {"ratio": 0.001}, {"ratio": 0.001}))
    assert run.alerts() == []
    with Writer(tmp_path) as writer:
        writer.publish(Step(30, tensors={"update": rows("update", {"w": {"ratio": 0.6}})}))
    assert run.alerts() == []
    assert [alert.since for alert in run.refresh().alerts()] == [30]


def test_words_are_there_in_both_languages():
    for card in rules().values():
        for words in (card.words, card.zh):
            assert all(vars(words).values()), card.name
        assert card.source.endswith("."), card.name
        assert any("\u4e00" <= letter <= "\u9fff" for letter in card.zh.says), card.name
