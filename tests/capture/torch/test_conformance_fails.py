"""Each of the shipped conformance tests can fail: an adapter that errs is found out by it."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from limelight.capture import torch as adapter
from limelight.capture.adapter import MEMBERS, Offered
from limelight.testing import AdapterConformance, conformance


class Example(AdapterConformance):
    def model(self):
        torch.manual_seed(0)
        return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3, batch_first=True)

    def inputs(self):
        return np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")

    def expected(self, model, inputs):
        x = torch.from_numpy(inputs)
        weights = model.eval().self_attn(x, x, x, average_attn_weights=False)[1]
        return {"self_attn": weights.detach().numpy()}

    def plain(self):
        return nn.Linear(8, 8)


def stay_listening(model, tree):
    model.register_forward_hook(lambda *_: None)


def nudge(model, tree):
    next(model.parameters()).data.add_(1e-3)


def draw(model, tree):
    torch.rand(1)


def leave_for_inference(model, tree):
    model.eval()


def scale(model, tree):
    tree["self_attn"]["weights"] = tree["self_attn"]["weights"] * 1.001


def forget_a_law(model, tree):
    tree["self_attn"].attrs["kind"] = "unheard of"


def rename(model, tree):
    tree["self_attn"].attrs["module"] = "attention"


HARMS = {
    stay_listening: "test_the_model_is_left_as_it_was",
    nudge: "test_the_model_is_left_as_it_was",
    draw: "test_the_model_is_left_as_it_was",
    leave_for_inference: "test_a_model_in_training_stays_so_and_is_captured_for_inference",
    scale: "test_weights_are_exact",
    forget_a_law: "test_every_site_keeps_the_laws_of_the_schema",
    rename: "test_sites_are_those_expected_in_the_order_they_ran",
}


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_a_capture_that_errs_is_found_out(harm, monkeypatch):
    test, real = getattr(Example(), HARMS[harm]), adapter.watch
    test()

    def watch(model, *rest):
        tree = real(model, *rest)
        harm(model, tree)
        return tree

    monkeypatch.setattr(adapter, "watch", watch)
    with pytest.raises((AssertionError, ValueError)):
        test()


def test_a_failure_that_leaves_a_hook_is_found_out(monkeypatch):
    real = adapter.watch

    def watch(model, *rest):
        try:
            return real(model, *rest)
        except Exception:
            stay_listening(model, None)
            raise

    monkeypatch.setattr(adapter, "watch", watch)
    with pytest.raises(AssertionError, match="left behind"):
        Example().test_a_failure_leaves_the_model_as_it_was()


def test_nothing_in_place_of_an_error_is_found_out(monkeypatch):
    monkeypatch.setattr(adapter, "watch", lambda *_: xr.DataTree())
    with pytest.raises(AssertionError, match="Nothing was raised"):
        Example().test_a_model_without_attention_is_a_clear_error()


def test_paths_that_are_not_heeded_are_found_out(monkeypatch):
    real = adapter.watch
    monkeypatch.setattr(
        adapter,
        "watch",
        lambda model, probe, *_: real(model, probe.changed(include=(), exclude=())),
    )
    with pytest.raises(AssertionError):
        Example().test_a_site_can_be_left_out()


def test_a_weight_without_a_name_is_found_out(monkeypatch):
    real = adapter.named_parameters
    monkeypatch.setattr(adapter, "named_parameters", lambda model: dict([*real(model).items()][1:]))
    with pytest.raises(AssertionError, match="names for"):
        Example().test_parameters_have_stable_names()


@pytest.mark.parametrize("name", MEMBERS)
def test_an_adapter_that_lacks_a_member_is_found_out(name, monkeypatch):
    """Another package's, whatever else it has: nothing that is not there passes unsaid."""

    class Partial:
        def __getattr__(self, member):
            if member == name:
                raise AttributeError(member)
            return getattr(adapter, member)

    if name != "matches":  # without which it would not be asked
        monkeypatch.setattr(conformance, "adapter_for", lambda model: Offered(Partial()))
    else:
        monkeypatch.setattr(conformance, "adapter_for", lambda model: Partial())
    with pytest.raises(AssertionError, match=f"the adapter has no {name}; wanted all of matches"):
        Example().test_no_member_is_missing()


@pytest.mark.parametrize("name", ["gate", "sweep"])
def test_what_cannot_be_gated_does_not_pass(name, monkeypatch):
    monkeypatch.delattr(adapter, name)
    test = {"gate": "test_gates", "sweep": "test_a_sweep_is_its_gates_one_by_one"}[name]
    with pytest.raises(Exception, match=name):
        getattr(Example(), test)()


def test_a_sweep_that_forgets_its_gates_is_found_out(monkeypatch):
    def sweep(model, probe, gates, batched):
        plain = model.eval()(torch.from_numpy(probe.inputs)).detach()
        model.train()
        return [plain] * len(gates)

    monkeypatch.setattr(adapter, "sweep", sweep)
    with pytest.raises(AssertionError, match="a sweep of"):
        Example().test_a_sweep_is_its_gates_one_by_one()


def test_gates_that_do_nothing_are_found_out(monkeypatch):
    monkeypatch.setattr(adapter, "gate", lambda *_: nullcontext())
    with pytest.raises(AssertionError, match="changes nothing"):
        Example().test_gates()


def test_a_recording_of_something_else_is_found_out(monkeypatch, tmp_path):
    from limelight import record

    real = record.capture

    def capture(model, probe):
        tree = real(model, probe)
        tree["self_attn"]["weights"] = tree["self_attn"]["weights"].load() * 0.5
        return tree

    monkeypatch.setattr(record, "capture", capture)
    with pytest.raises(AssertionError):
        Example().test_a_recorder_writes_what_was_captured(tmp_path)
