"""Recording from a training loop: what is written, and that only a warning reaches the loop."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import xarray as xr

from limelight import record as module
from limelight.capture import Probe
from limelight.capture.parameters import summed_up
from limelight.errors import LimelightWarning, StoreError, UnsupportedModelError
from limelight.measuring import measures_of, uniform_of
from limelight.record import Recorder
from limelight.store import open_run


def site(kind="self", value=None):
    weights = np.full((2, 2, 4, 4), 0.25, np.float32) if value is None else value
    allowed = weights > 0
    return xr.Dataset(
        {
            "weights": (("example", "head", "query", "key"), weights),
            "allowed": (("example", "query", "key"), allowed.any(1)),
            "query_valid": (("example", "query"), np.ones((2, 4), bool)),
            "key_valid": (("example", "key"), np.ones((2, 4), bool)),
        },
        attrs={"module": "a", "kind": kind, "module_class": "Attention"},
    )


@pytest.fixture
def model(monkeypatch):
    """Stand in for a model that captures as it is told to."""

    class Model:
        tree = staticmethod(lambda: xr.DataTree.from_dict({"a": site()}))
        parameters = staticmethod(lambda: summed_up({"w": np.arange(5.0)}))

    monkeypatch.setattr(module, "capture", lambda model, probe: model.tree())
    monkeypatch.setattr(module, "parameter_table", lambda model: model.parameters())
    return Model()


PROBE = np.ones((2, 4), np.float32)


def fail(error):
    def raise_it():
        raise error

    return raise_it


@pytest.fixture
def silent():
    """No warning may come."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


class TestWhatIsWritten:
    @pytest.mark.usefixtures("silent")
    def test_steps_epochs_maps_measures_and_parameters(self, model, tmp_path):
        with Recorder(tmp_path, model, Probe(PROBE, labels=["x", "y"])) as recorder:
            assert recorder.record(0)
            assert recorder.record(5, epoch=0.5)
        run = open_run(tmp_path)
        assert run.steps.tolist() == [0, 5]
        np.testing.assert_array_equal(run.epochs, [np.nan, 0.5])
        assert run.weights("a").values.shape == (2, 2, 4, 4)
        np.testing.assert_allclose(run.measures(5)["entropy"], np.log(4), rtol=1e-6)
        np.testing.assert_allclose(run.measures(5)["entropy_uniform"], np.log(4), rtol=1e-6)
        assert run.parameters("w")["mean"].values.tolist() == [[2], [2]]
        assert [example.label for example in run.examples] == ["x", "y"]

    @pytest.mark.usefixtures("silent")
    def test_without_a_probe_only_parameters(self, model, tmp_path):
        with Recorder(tmp_path, model) as recorder:
            assert recorder.record(0)
        run = open_run(tmp_path)
        assert (run.sites, run.parameter_names) == ({}, ("w",))

    @pytest.mark.usefixtures("silent")
    def test_parameters_can_be_left_out(self, model, tmp_path):
        with Recorder(tmp_path, model, PROBE, parameters=False) as recorder:
            assert recorder.record(0)
        assert open_run(tmp_path).parameter_names == ()

    @pytest.mark.usefixtures("silent")
    @pytest.mark.parametrize("sizes", [(0, 0, 0), (5, 0, 5), (0, 5, 0)])
    def test_none_of_a_models_parameters_need_be_trainable(self, model, tmp_path, sizes):
        with Recorder(tmp_path, model, PROBE) as recorder:
            for step, size in enumerate(sizes):
                named = {"w": np.arange(float(size))} if size else {}
                model.parameters = lambda named=named: summed_up(named)
                assert recorder.record(step)
        run = open_run(tmp_path)
        assert run.steps.tolist() == [0, 1, 2]
        assert run.weights("a", 1).values.shape == (2, 2, 4, 4)
        assert run.parameters()["count"].sum(["parameter", "bin"]).values.tolist() == list(sizes)

    @pytest.mark.usefixtures("silent")
    def test_precision_is_passed_on(self, model, tmp_path):
        with Recorder(tmp_path, model, PROBE, precision="compact") as recorder:
            recorder.record(0)
        assert open_run(tmp_path).precision.name == "compact"
        with pytest.raises(StoreError, match="Got precision='tiny'"):
            Recorder(tmp_path, model, PROBE, precision="tiny")

    @pytest.mark.usefixtures("silent")
    def test_uniform_attention_follows_what_may_be_attended(self, model, tmp_path):
        causal = np.tri(4, dtype=np.float32) / np.arange(1, 5, dtype=np.float32)[:, None]
        causal = np.broadcast_to(causal, (2, 2, 4, 4)).copy()
        with Recorder(tmp_path, model, PROBE) as recorder:
            recorder.record(0)
            model.tree = lambda: xr.DataTree.from_dict({"a": site(value=causal)})
            recorder.record(1)
            recorder.record(2)
        uniform = open_run(tmp_path).measures()["maximum_uniform"].sel(site="a").isel(example=0)
        expected = [0.25, *[np.mean([1, 1 / 2, 1 / 3, 1 / 4])] * 2]
        np.testing.assert_allclose(uniform, expected, rtol=1e-6)

    @pytest.mark.usefixtures("silent")
    @pytest.mark.filterwarnings("ignore:limelight. NaN or Inf")  # which it shall say
    def test_a_diverged_model_is_recorded_as_it_is(self, model, tmp_path):
        broken = np.full((2, 2, 4, 4), 0.25, np.float32)
        broken[0, 1] = np.nan
        dataset = site()
        dataset["weights"][:] = broken
        model.tree = lambda: xr.DataTree.from_dict({"a": dataset})
        model.parameters = lambda: summed_up({"w": np.full(5, np.nan)})
        with (
            pytest.warns(LimelightWarning, match="NaN or Inf, since step 0: w, nonfinite 5"),
            Recorder(tmp_path, model, PROBE) as recorder,
        ):
            assert recorder.record(0)
        run = open_run(tmp_path)
        np.testing.assert_array_equal(run.weights("a").values, broken)
        entropy = run.measures()["entropy"].values[0, 0]
        np.testing.assert_array_equal(np.isnan(entropy), [[False, True], [False, False]])
        assert run.parameters("w")["nonfinite"].item() == 5


class TestMeasures:
    def test_a_mean_is_over_valid_queries_only(self):
        dataset = site()
        dataset["weights"][0, :, 3] = np.nan  # padding may hold anything
        dataset["query_valid"][0, 3] = False
        dataset["query_valid"][1] = False
        measured = measures_of(dataset)["entropy"].values
        np.testing.assert_allclose(measured[0], np.log(4), rtol=1e-6)
        assert np.isnan(measured[1]).all()

    def test_measures_follow_the_kind(self):
        assert "distance" in measures_of(site("self"))
        assert "distance" not in measures_of(site("pooling"))

    def test_uniform_attention_of_heads_that_differ_is_their_mean(self):
        dataset = site()
        allowed = np.ones((2, 2, 4, 4), bool)
        allowed[:, 1, :, 1:] = False
        dataset["allowed"] = (("example", "head", "query", "key"), allowed)
        measured = uniform_of(dataset)["maximum"]
        assert measured.dims == ("example",)
        np.testing.assert_allclose(measured, (0.25 + 1) / 2)


class TestTrainingGoesOn:
    def test_without_attention_parameters_go_on_after_one_warning(self, model, tmp_path):
        error = UnsupportedModelError("Saw no attention.", "Wanted some.", "Name the layer.")
        model.tree = fail(error)
        recorder = Recorder(tmp_path, model, PROBE)
        with pytest.warns(LimelightWarning) as caught:
            done = [recorder.record(step) for step in range(2)]
        assert done == [True, True]
        (warning,) = caught
        assert str(warning.message) == (
            "limelight records no attention of this run from here on. "
            "Saw no attention. Wanted some. Name the layer."
        )
        run = open_run(tmp_path)
        assert (run.steps.tolist(), run.sites) == ([0, 1], {})

    def test_a_bug_of_ours_is_a_warning_too(self, model, tmp_path):
        model.parameters = fail(ZeroDivisionError("division by zero"))
        recorder = Recorder(tmp_path, model, PROBE)
        with pytest.warns(LimelightWarning, match="no parameters .* ZeroDivisionError: division"):
            assert recorder.record(0)
        assert open_run(tmp_path).steps.tolist() == [0]

    def test_when_all_fails_nothing_is_written(self, model, tmp_path):
        model.tree = fail(ValueError("no"))
        model.parameters = fail(ValueError("no"))
        recorder = Recorder(tmp_path / "run", model, PROBE)
        with pytest.warns(LimelightWarning) as caught:
            done = [recorder.record(step) for step in range(2)]
        assert done == [False, False]
        assert len(caught) == 2
        assert not (tmp_path / "run").exists()

    def test_an_unwritable_folder(self, model, tmp_path):
        (tmp_path / "file").write_text("in the way")
        recorder = Recorder(tmp_path / "file" / "run", model, PROBE)
        with pytest.warns(LimelightWarning) as caught:
            done = [recorder.record(step) for step in range(2)]
        assert done == [False, False]
        (warning,) = caught
        assert "records nothing of this run from here on. Not a directory: " in str(warning.message)
        assert str(tmp_path / "file") in str(warning.message)
        assert "choose a folder that can be written" in str(warning.message)

    def test_a_disk_that_fills_up(self, model, tmp_path, monkeypatch):
        from limelight.store.zarr import shards

        recorder = Recorder(tmp_path, model, PROBE)
        assert recorder.record(0)

        def fill(*_):
            raise OSError(28, "No space left on device", str(tmp_path / "x"))

        monkeypatch.setattr(shards, "write", fill)
        with pytest.warns(LimelightWarning, match="nothing .* No space left on device: .*/x"):
            assert not recorder.record(1)
        monkeypatch.undo()
        assert not recorder.record(2)
        assert open_run(tmp_path).weights("a", 0).values.shape == (2, 2, 4, 4)
        assert open_run(tmp_path).steps.tolist() == [0]

    @pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
    def test_a_person_can_interrupt(self, model, tmp_path, interruption):
        model.tree = fail(interruption())
        with pytest.raises(interruption):
            Recorder(tmp_path, model, PROBE).record(0)

    def test_closed_is_closed(self, model, tmp_path):
        recorder = Recorder(tmp_path, model, PROBE)
        recorder.close()
        assert not recorder.record(0)


@pytest.mark.training
def test_a_real_model_by_hand(tmp_path):
    """In a process of its own, so that nothing of TensorFlow stays behind."""
    program = """
import sys, keras, numpy as np, limelight as ll
i = keras.Input((6, 8))
o = keras.layers.MultiHeadAttention(2, 4, name="attention")(i, i)
model = keras.Model(i, keras.layers.Dense(1, name="out")(o))
model.compile("sgd", "mse")
x = np.random.default_rng(0).normal(size=(16, 6, 8)).astype("float32")
with ll.Recorder(sys.argv[1], model, ll.Probe(x[:3])) as recorder:
    for step in range(3):
        assert recorder.record(step)
        model.train_on_batch(x, x[..., :1])
    _, scores = model.get_layer("attention")(x[:3], x[:3], return_attention_scores=True)
    recorder.record(3)
np.save(sys.argv[1] + "/scores.npy", np.asarray(scores))
"""
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    folder = str(tmp_path)
    subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program, folder], check=True, env=quiet
    )
    run = open_run(tmp_path)
    assert run.steps.tolist() == [0, 1, 2, 3]
    scores = np.load(tmp_path / "scores.npy")
    np.testing.assert_allclose(run.weights("attention", 3), scores, atol=2**-12 + 1e-6)
    changes = run.parameters("attention/query/kernel")["mean"].values.ravel()
    assert np.unique(changes).size == 4
