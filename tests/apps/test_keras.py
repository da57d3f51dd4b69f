"""What the callback records in real calls of ``fit``, and what it never does."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what TensorFlow's own imports complain about
    import keras
    import tensorflow as tf

from keras import layers, ops

import limelight as ll
from limelight.errors import LimelightError, LimelightWarning, ProbeError

pytestmark = pytest.mark.training

T, D = 5, 4
X = np.random.default_rng(0).integers(1, 9, size=(12, T))
Y = np.random.default_rng(1).integers(0, 2, size=(12, 1)).astype("float32")
PROBE = ll.Probe(X[:2], tokens=lambda number: f"w{number}")
NOTHING_HERE = r"^No attention here; parameters are recorded\. probe=None says so\.$"


def build(attention=True, **options):
    keras.utils.set_random_seed(5)
    inputs = keras.Input((T,), dtype="int32")
    x = layers.Embedding(9, D)(inputs)
    if attention:
        x = layers.Attention(use_scale=True, name="attention")([x, x])
    x = layers.Dense(1, activation="sigmoid", name="out")(layers.GlobalAveragePooling1D()(x))
    model = keras.Model(inputs, x)
    model.compile("adam", "binary_crossentropy", **options)
    return model


def fit(model, callback, **options):
    options = {"epochs": 2, "batch_size": 4, "verbose": 0, "shuffle": False, **options}
    return model.fit(X, Y, callbacks=[callback], **options)


def kernels(model):
    return [np.array(weight.numpy()) for weight in model.weights]


def test_every_epoch_the_untrained_model_first(tmp_path):
    model = build()
    first = ll.capture(model, PROBE)["attention"]["weights"].values
    fit(model, ll.KerasCallback(tmp_path, PROBE))
    run = ll.open_run(tmp_path)
    assert run.steps.tolist() == [0, 3, 6]
    assert run.epochs.tolist() == [0, 1, 2]
    np.testing.assert_allclose(run.weights("attention", step=0).values, first, atol=3e-4)
    last = ll.capture(model, PROBE)["attention"]["weights"].values
    np.testing.assert_allclose(run.weights("attention", step=-1).values, last, atol=3e-4)
    assert "out/kernel" in run.parameter_names
    assert run.examples[0].tokens == PROBE.tokens_of(0)


def test_no_state_is_captured_twice(tmp_path, monkeypatch):
    import limelight.record

    real, seen = limelight.record.capture, []

    def counting(model, probe):
        seen.append(int(model.optimizer.iterations.numpy()))
        return real(model, probe)

    monkeypatch.setattr(limelight.record, "capture", counting)
    callback = ll.KerasCallback(tmp_path, PROBE)
    model = build()
    fit(model, callback)
    fit(model, callback, epochs=1)
    assert seen == [0, 3, 6, 9]


def test_every_so_many_steps_and_the_last(tmp_path):
    model = build()
    fit(model, ll.KerasCallback(tmp_path, PROBE, every=4), epochs=3)
    run = ll.open_run(tmp_path)
    assert run.steps.tolist() == [0, 4, 8, 9]
    np.testing.assert_allclose(run.epochs, [0, 4 / 3, 8 / 3, 3])


def test_several_steps_per_execution(tmp_path):
    model = build(steps_per_execution=3)
    fit(model, ll.KerasCallback(tmp_path, PROBE, every=4), epochs=3)
    # Keras calls back after steps 3, 6 and 9; multiples of 4 were passed before 6 and 9.
    assert ll.open_run(tmp_path).steps.tolist() == [0, 6, 9]


def test_compiled_by_xla(tmp_path):
    model = build(jit_compile=True)
    fit(model, ll.KerasCallback(tmp_path, PROBE))
    assert ll.open_run(tmp_path).steps.tolist() == [0, 3, 6]


def test_run_eagerly(tmp_path):
    model = build(run_eagerly=True)
    fit(model, ll.KerasCallback(tmp_path, PROBE), epochs=1)
    assert ll.open_run(tmp_path).steps.tolist() == [0, 3]


def test_fit_called_twice_goes_on(tmp_path):
    model = build()
    callback = ll.KerasCallback(tmp_path, PROBE)
    fit(model, callback)
    fit(model, callback)
    run = ll.open_run(tmp_path)
    assert run.steps.tolist() == [0, 3, 6, 9, 12]
    assert run.epochs.tolist() == [0, 1, 2, 3, 4]


def test_initial_epoch_goes_on(tmp_path):
    model = build()
    callback = ll.KerasCallback(tmp_path, PROBE)
    fit(model, callback)
    fit(model, callback, initial_epoch=2, epochs=3)
    run = ll.open_run(tmp_path)
    assert run.steps.tolist() == [0, 3, 6, 9]
    assert run.epochs.tolist() == [0, 1, 2, 3]


def test_a_model_trained_before_says_no_epoch_for_its_first_state(tmp_path):
    model = build()
    model.fit(X, Y, verbose=0, batch_size=4)
    fit(model, ll.KerasCallback(tmp_path, PROBE), initial_epoch=1)
    run = ll.open_run(tmp_path)
    assert run.steps.tolist() == [3, 6]
    assert np.isnan(run.epochs[0])
    assert run.epochs[1] == 2


@pytest.mark.parametrize("every", ["epoch", 2])
def test_training_is_the_same_with_and_without(every, tmp_path):
    plain, watched = build(), build()
    plain.fit(X, Y, epochs=2, batch_size=4, verbose=0, shuffle=False)
    history = fit(watched, ll.KerasCallback(tmp_path, PROBE, every=every))
    for expected, kernel in zip(kernels(plain), kernels(watched), strict=True):
        np.testing.assert_array_equal(expected, kernel)
    assert np.isfinite(history.history["loss"]).all()


def test_no_hook_per_batch_unless_asked(tmp_path):
    from keras.src import utils

    default = ll.KerasCallback(tmp_path, PROBE)
    assert utils.is_default(default.on_train_batch_end)
    assert utils.is_default(default.on_train_batch_begin)
    assert utils.is_default(default.on_batch_end)
    assert not utils.is_default(ll.KerasCallback(tmp_path, PROBE, every=5).on_train_batch_end)


def test_the_train_function_is_traced_once(tmp_path):
    traced = []

    class Counting(layers.Layer):
        def call(self, x):
            if keras.src.backend.is_tensor(x) and tf.is_symbolic_tensor(x):
                traced.append(x)
            return x

    inputs = keras.Input((T,), dtype="int32")
    x = layers.Embedding(9, D)(inputs)
    x = Counting()(layers.Attention(name="attention")([x, x]))
    model = keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling1D()(x)))
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=4, verbose=0)
    function, before = model.train_function, len(traced)
    assert before > 0
    fit(model, ll.KerasCallback(tmp_path, PROBE), epochs=3)
    assert model.train_function is function
    assert len(traced) == before


def test_without_a_probe_one_warning(tmp_path):
    with pytest.warns(LimelightWarning) as caught:
        callback = ll.KerasCallback(tmp_path)
    assert [str(warning.message) for warning in caught] == [
        (
            "KerasCallback got no probe, so only parameters are recorded, no attention. Pass a few "
            "examples, such as limelight.Probe(x[:8]); or probe=None if parameters are all you "
            "want."
        )
    ]
    assert caught[0].filename == __file__
    fit(build(), callback)
    run = ll.open_run(tmp_path)
    assert run.steps.tolist() == [0, 3, 6]
    assert not run.sites
    assert "out/kernel" in run.parameter_names


def test_probe_none_is_silent(tmp_path):
    fit(build(), ll.KerasCallback(tmp_path, None))
    assert not ll.open_run(tmp_path).sites


def test_an_array_is_a_probe(tmp_path):
    fit(build(), ll.KerasCallback(tmp_path, X[:2]), epochs=1)
    assert list(ll.open_run(tmp_path).sites) == ["attention"]


def test_a_model_without_attention_gives_one_warning_and_its_parameters(tmp_path):
    with pytest.warns(LimelightWarning, match=NOTHING_HERE) as caught:
        fit(build(attention=False), ll.KerasCallback(tmp_path, PROBE))
    assert len(caught) == 1
    assert ll.open_run(tmp_path).steps.tolist() == [0, 3, 6]


def test_a_probe_that_does_not_fit_gives_one_warning(tmp_path):
    with pytest.warns(LimelightWarning, match=r"refused inputs of shape \[2, 3\]") as caught:
        fit(build(), ll.KerasCallback(tmp_path, X[:2, :3]))
    assert len(caught) == 1
    assert ll.open_run(tmp_path).steps.tolist() == [0, 3, 6]


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(LimelightWarning) as caught:
        history = fit(build(), ll.KerasCallback(tmp_path / "file", PROBE))
    assert len(caught) == 1
    assert len(history.history["loss"]) == 2


@pytest.mark.filterwarnings("ignore:limelight. (NaN or Inf|Step too)")  # which it shall say
def test_parameters_that_turn_nan_stop_nothing(tmp_path):
    model = build()
    model.optimizer.learning_rate = 1e38
    with pytest.warns(LimelightWarning, match="NaN or Inf"):
        fit(model, ll.KerasCallback(tmp_path, PROBE))
    recorded = ll.open_run(tmp_path).parameters("out/kernel")
    assert recorded["nonfinite"].values[-1] > 0


def test_a_loss_that_is_no_number_is_recorded_when_it_happens_and_once(tmp_path):
    model = build(attention=False)
    model.optimizer.learning_rate = 1e38
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimelightWarning)  # an alert, which others test
        fit(model, ll.KerasCallback(tmp_path, None, every=50), epochs=6, batch_size=2)
    run = ll.open_run(tmp_path)
    assert len(run.steps) == 3
    assert 0 < run.steps[1] < 50
    assert run.parameters("out/kernel", step=run.steps[1])["nonfinite"].item() > 0


def test_a_training_loop_of_its_own_counts_epochs(tmp_path):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.attention = layers.Attention(name="attention")
            self.embed = layers.Embedding(9, D, name="embed")

        def call(self, ids):
            x = self.embed(ids)
            return self.attention([x, x])

        def train_step(self, data):
            self(data[0], training=True)
            return {"loss": 0.0}

    model = Own()
    model.compile(optimizer=None, loss=None)
    model.optimizer = None
    fit(model, ll.KerasCallback(tmp_path, PROBE))
    assert ll.open_run(tmp_path).steps.tolist() == [0, 1, 2]


@pytest.mark.parametrize("every", [0, -1, "batch", True, 0.5, 1.5])
def test_every_must_make_sense(every, tmp_path):
    with pytest.raises(LimelightError) as caught:
        ll.KerasCallback(tmp_path, PROBE, every=every)
    assert str(caught.value) == (
        f"Got every={every!r}. Wanted 'epoch', or a whole number of steps above 0. "
        "Write every='epoch' or, say, every=100."
    )


def test_ranks_must_make_sense(tmp_path):
    with pytest.raises(LimelightError, match="Got processes='some'"):
        ll.KerasCallback(tmp_path, None, processes="some")


def test_every_process_records_where_it_is_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    fit(build(), ll.KerasCallback(tmp_path / "first", PROBE))
    assert not (tmp_path / "first").exists()
    fit(build(), ll.KerasCallback(tmp_path / "all", PROBE, processes="all"))
    assert ll.open_run(tmp_path / "all" / "rank-1").steps.tolist() == [0, 3, 6]


def test_a_bad_probe_is_refused_before_training(tmp_path):
    with pytest.raises(ProbeError):
        ll.KerasCallback(tmp_path, np.zeros((0, T)))


def test_ctrl_c_passes(tmp_path, monkeypatch):
    import limelight.record

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(limelight.record, "capture", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(build(), ll.KerasCallback(tmp_path, PROBE))


class Failing:
    """Whatever is asked of it raises, even what it is."""

    def __getattr__(self, name):
        raise UnspeakableError(name)


class UnspeakableError(Exception):
    def __str__(self):
        raise ValueError("it cannot say why")


def test_whatever_fails_in_a_hook_is_one_warning(tmp_path):
    names = [name for name in vars(ll.KerasCallback) if name.lstrip("_").startswith("on_")]
    assert len(names) == 5
    for name in names:
        callback = ll.KerasCallback(tmp_path, PROBE, every=1)
        callback._pace = callback._model = Failing()
        hook = getattr(callback, name)
        arguments = [0] * (hook.__wrapped__.__code__.co_argcount - 2)
        if name == "on_epoch_begin":
            callback._new_fit, arguments = True, [None]
        with pytest.warns(LimelightWarning, match="limelight records nothing") as caught:
            [hook(*arguments) for _ in range(2)]
        assert len(caught) == 1


@pytest.mark.parametrize(
    "name",
    ["limelight.apps.pace.Recorder", "limelight.record.unwrapped", "limelight.record.Step",
     "limelight.record.capture", "limelight.record.sites_of", "limelight.record.measures_of",
     "limelight.record.parameter_table", "limelight.record.claim",
     "limelight.record.Writer.publish",
     "limelight.record.FirstStep.begin", "limelight.record.FirstStep.tell",
     "limelight.apps.pace.Pace.record", "limelight.apps.pace.Pace.close",
     "limelight.apps.keras.KerasCallback._step", "limelight.apps.keras.backend"],
)  # fmt: skip
def test_whatever_a_hook_calls_may_fail(name, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise UnspeakableError

    monkeypatch.setattr(name, fails)
    with pytest.warns(LimelightWarning, match="limelight records no") as caught:
        history = fit(build(), ll.KerasCallback(tmp_path, PROBE, every=1), epochs=1)
    assert len(history.history["loss"]) == 1
    assert len([c for c in caught if c.category is LimelightWarning]) == 1


STRATEGIES = [
    lambda: tf.distribute.MirroredStrategy(["CPU:0"]),
    lambda: tf.distribute.OneDeviceStrategy("CPU:0"),
    tf.distribute.experimental.CentralStorageStrategy,
]


@pytest.mark.filterwarnings("error::limelight.errors.LimelightWarning")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_step_is_read_under_a_strategy(strategy, tmp_path):
    with strategy().scope():
        model = build()
    fit(model, ll.KerasCallback(tmp_path, PROBE, every=2), epochs=1)
    run = ll.open_run(tmp_path)
    assert run.steps.tolist() == [0, 2, 3]
    last = ll.capture(model, PROBE)["attention"]["weights"].values
    np.testing.assert_allclose(run.weights("attention", step=-1).values, last, atol=3e-4)


def test_a_model_is_asked_again_until_its_first_batch_builds_it(tmp_path):
    class Late(keras.Model):
        def __init__(self):
            super().__init__()
            self.embed, self.out = layers.Embedding(9, D), layers.Dense(1, activation="sigmoid")

        def call(self, ids):
            return self.out(ops.mean(self.embed(ids), axis=1))

    model = Late()
    model.compile("sgd", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error", LimelightWarning)
        fit(model, ll.KerasCallback(tmp_path, None))
    assert ll.open_run(tmp_path).steps.tolist() in ([0, 3, 6], [3, 6])
    recorder = ll.Recorder(tmp_path / "never", Late())
    assert not recorder.record(0)
    with pytest.warns(LimelightWarning, match="has no parameters yet"):
        recorder.close()


def test_some_sites_are_recorded(tmp_path):
    inputs = keras.Input((T, D))
    x = layers.Attention(name="first")([inputs, inputs])
    model = keras.Model(inputs, layers.Dense(1)(layers.Attention(name="second")([x, x])))
    examples = np.random.default_rng(0).normal(size=(2, T, D)).astype("float32")
    model.compile("sgd", "mse")
    callback = ll.KerasCallback(tmp_path / "run", examples, sites=["sec*"])
    model.fit(examples, np.ones((2, T, 1)), verbose=0, callbacks=[callback])
    run = ll.open_run(tmp_path / "run")
    assert list(run.sites) == ["second"]
    assert run.measures()["entropy"].sizes["site"] == 1
    with pytest.warns(LimelightWarning, match=r"names none of the model's.*first, second"):
        ll.Recorder(tmp_path / "none", model, examples, sites="third").record(0)
    for wrong in ([], "", 3, [""], b"first"):
        with pytest.raises(LimelightError, match="Got sites="):
            ll.KerasCallback(tmp_path, None, sites=wrong)


def test_what_the_first_step_cost_is_told_once(tmp_path, capfd, caplog, monkeypatch):
    import logging

    fit(build(), ll.KerasCallback(tmp_path / "a", PROBE))
    (line,) = [record.message for record in caplog.records if record.name == "limelight"]
    assert "1 site and" in line
    assert "100 such steps" in line
    monkeypatch.setattr(logging.getLogger("limelight"), "hasHandlers", lambda: False)
    fit(build(), ll.KerasCallback(tmp_path / "b", PROBE))
    assert capfd.readouterr().err.count("limelight: the first step took") == 1
    logging.getLogger("limelight").setLevel(logging.WARNING)  # as one does who wants none
    fit(build(), ll.KerasCallback(tmp_path / "c", PROBE))
    logging.getLogger("limelight").setLevel(logging.NOTSET)
    assert "limelight" not in capfd.readouterr().err


def test_what_was_measured_after_the_last_record_is_kept(tmp_path):
    fitted = fit(
        build(), ll.KerasCallback(tmp_path, PROBE, every=3, gradients=True), validation_data=(X, Y)
    )
    training = ll.open_run(tmp_path).tensors("training").isel(parameter=0)
    assert training["step"].values.tolist() == [0, 3, 6]
    assert training["val_loss_step"].values.tolist()[-1] == 6
    assert training["val_loss"].values[-1] == pytest.approx(fitted.history["val_loss"][-1])
    assert training["loss"].values[-1] == pytest.approx(fitted.history["loss"][-1])
    assert training["norm_before"].values[-1] > 0, "what was seen of the step stays"
    assert ll.open_run(tmp_path).weights("attention", step=6).sizes["example"] == 2
