"""A training that goes wrong is told of while it runs: once, and to whom it may concern."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import limelight as ll
from limelight.errors import LimelightError, LimelightWarning

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.planted.faults import FAULTS
from benchmarks.planted.healthy import Training, adam, run, seeded

pytestmark = pytest.mark.training


class Small(Training):
    """Learns a rule of random rows: what the planted faults need, without data to fetch."""

    def batch(self, generator, size=64):
        x = torch.rand((size, 14, 14), generator=generator)
        return x, (x.sum(-1).argmax(-1) % 10)


def small(probe=16):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(196, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10)
    )
    return Small(model, adam(model), probe=probe)


def told(training, folder, steps=40, every=10, **options):
    """Train, and return the alerts that a user's function got, the warnings, and the run."""
    alerts = []
    training.options = {"on_alert": alerts.append} | options
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LimelightWarning)
        opened = run(training, folder, steps, every)
    ours = [str(item.message) for item in caught if issubclass(item.category, LimelightWarning)]
    return alerts, ours, opened


def at(training, step, act):
    """Do something once before a step."""

    def before(now):
        if now == step:
            with torch.no_grad():
                act()

    training.before = before
    return training


def test_a_training_that_goes_well_is_not_told_of(tmp_path):
    alerts, warned, opened = told(small(), tmp_path)
    assert alerts == []
    assert [text for text in warned if "No attention here" not in text] == []
    assert opened.alerts() == []


@pytest.mark.parametrize("times", [30, 3000])
def test_a_step_that_is_too_large_is_told_once_and_is_in_the_run(tmp_path, times):
    training = small()
    group = training.optimizer.param_groups[0]
    at(training, 20, lambda: group.update(lr=1e-3 * times))
    alerts, warned, opened = told(training, tmp_path, 60)
    (alert,) = [alert for alert in alerts if alert.rule == "step_too_large"]
    assert (alert.since, alert.until, alert.kind) == (20, None, "update")
    assert sum("Step too large" in text for text in warned) == 1
    assert [known.since for known in opened.alerts() if known.rule == alert.rule] == [20]


@pytest.mark.parametrize("units", [9, 16])
def test_units_that_die_are_told_and_those_that_are_only_silent_are_not(tmp_path, units):
    def dying(probe):
        training = small(probe)
        return at(training, 15, lambda: training.model[1].bias[:units].sub_(100))

    alerts, _, _ = told(dying(256), tmp_path / "a", 50)
    assert ("dead_units", 20) in [(alert.rule, alert.since) for alert in alerts]
    alerts, _, opened = told(dying(16), tmp_path / "b", 50)
    assert "dead_units" not in [alert.rule for alert in alerts]
    assert "dead_units" in opened.judged().lacking


def test_parameters_that_the_optimizer_does_not_have_are_told(tmp_path):
    training = small()
    training.optimizer = adam(training.model[3])
    alerts, _, _ = told(training, tmp_path, 30)
    (alert,) = [alert for alert in alerts if alert.rule == "not_moving"]
    assert set(alert.tensors) == {"1/weight", "1/bias"}
    assert alert.since == 0


def test_what_a_users_function_raises_is_one_warning_and_training_goes_on(tmp_path):
    training = at(small(), 5, lambda: training.model[1].weight.fill_(torch.nan))

    def fails(_alert):
        raise RuntimeError("no network")

    _, warned, opened = told(training, tmp_path, on_alert=fails)
    assert sum("on_alert raised RuntimeError: no network" in text for text in warned) == 1
    assert opened.steps[-1] == 40
    assert "not_finite" in [alert.rule for alert in opened.alerts()]


def test_a_users_function_can_end_a_loop(tmp_path):
    model, stop, steps = torch.nn.Linear(4, 2), [], 0
    with (
        warnings.catch_warnings(record=True) as caught,
        ll.Recorder(tmp_path, model, None, on_alert=stop.append) as recorder,
    ):
        warnings.simplefilter("always")
        while not stop and steps < 10:
            recorder.record(steps)
            steps += 1
            if steps == 3:
                model.weight.data.fill_(torch.inf)
    assert steps == 4
    assert "NaN or Inf" in str(caught[-1].message)


def test_something_that_cannot_be_called_is_refused(tmp_path):
    with pytest.raises(LimelightError, match=r"on_alert=3.*Write on_alert=print"):
        ll.Recorder(tmp_path, torch.nn.Linear(2, 2), None, on_alert=3)


class Attending(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)
        self.answer = torch.nn.Sequential(torch.nn.Linear(8, 3), torch.nn.Softmax(-1))
        self.loss = torch.nn.CrossEntropyLoss()

    def forward(self, x):
        return self.answer(self.attention(x, x, x)[0])


def settings_of(folder, model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimelightWarning)
        with ll.Recorder(folder, model, np.ones((2, 4, 8), np.float32)) as recorder:
            recorder.record(0)
    return {alert.rule: alert.tensors for alert in ll.open_run(folder).alerts()}


def test_a_models_settings_are_looked_at(tmp_path):
    model = Attending()
    model.attention.eval()
    assert settings_of(tmp_path / "wrong", model) == {
        "probabilities_as_logits": ("Softmax, CrossEntropyLoss",),
        "attention_not_training": ("attention.eval()",),
    }
    model.train()
    model.answer[1] = torch.nn.Identity()
    assert settings_of(tmp_path / "right", model) == {}


def test_each_fault_of_the_benchmark_has_a_rule_and_three_strengths():
    from limelight.alerts.judging.report import rules

    settings = {"early_stopping", "probabilities_as_logits", "attention_not_training"}
    assert {fault.rule for fault in FAULTS} == rules().keys() - settings
    for fault in FAULTS:
        assert len(fault.strengths) == 3
        assert isinstance(seeded(lambda made=fault: made.make(made.strengths[0]), 0), Training)
