"""Histograms equal NumPy's to the last count; moments hold for any float there is."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from keras import layers

from limelight.capture import parameters
from limelight.capture.parameters import summarise
from limelight.distribution import BINS as BITS
from limelight.distribution import edges
from limelight.errors import UnsupportedModelError
from limelight.histogram import BINS, histogram, statistics

FLOATS = st.sampled_from([np.float32, np.float64])


@st.composite
def tensors(draw):
    """Draw tensors of the sizes and spreads that go different ways through the code."""
    dtype = draw(FLOATS)
    size = draw(st.sampled_from([1, 2, 50, 1023, 1024, 5000, 20_000, 70_000]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    form = draw(st.sampled_from(["normal", "uniform", "steps", "heavy", "sparse", "shifted"]))
    values = {
        "normal": lambda: rng.normal(size=size),
        "uniform": lambda: rng.random(size),
        "steps": lambda: rng.integers(0, 65, size) / 64,  # values right on the edges
        "heavy": lambda: rng.standard_cauchy(size),
        "sparse": lambda: rng.normal(size=size) * (rng.random(size) < 0.05),
        "shifted": lambda: 1 + 1e-4 * rng.normal(size=size),
    }[form]()
    return (values * draw(st.sampled_from([1.0, 1e-3, 1e6, -1.0]))).astype(dtype)


@given(tensors())
def test_equal_to_numpy(values):
    summary = statistics(values)
    try:
        count, edges = np.histogram(values, bins=BINS)
    except ValueError:  # NumPy gives up where neighbouring floats leave no room for bins
        assert summary.count.sum() == values.size
        return
    np.testing.assert_array_equal(summary.count, count)
    assert (summary.low, summary.high) == (edges[0], edges[-1])
    exact = values.astype(np.float64)
    assert summary.min == exact.min()
    assert summary.max == exact.max()
    spread = exact.std() + 1e-7 * np.abs(exact).max()
    assert summary.mean == pytest.approx(exact.mean(), abs=1e-6 * spread + 1e-300)
    assert summary.std == pytest.approx(exact.std(), rel=1e-4, abs=1e-6 * spread)
    assert summary.norm == pytest.approx(np.linalg.norm(exact), rel=1e-5)
    limit = 1e-3 * exact.std()
    sure = (np.abs(exact) <= limit * 0.999).sum(), (np.abs(exact) <= limit * 1.001).sum()
    assert sure[0] <= round(summary.near_zero * values.size) <= sure[1]
    assert summary.nonfinite == 0


@given(
    FLOATS.flatmap(
        lambda dtype: arrays.arrays(
            dtype, st.integers(0, 40), elements=st.floats(width=np.dtype(dtype).itemsize * 8)
        )
    )
)
def test_no_float_breaks_it(values):
    summary = statistics(values)
    finite = values[np.isfinite(values)]
    assert summary.nonfinite == values.size - finite.size
    assert summary.count.sum() == finite.size
    assert (summary.count >= 0).all()
    if finite.size:
        assert summary.min == finite.min()
        assert summary.max == finite.max()
        assert summary.low <= summary.min <= summary.max <= summary.high
        assert finite.min() <= summary.mean * (1 + 1e-6) or finite.min() <= summary.mean * (
            1 - 1e-6
        )
        assert summary.std >= 0
        assert 0 <= summary.near_zero <= 1
    else:
        assert np.isnan([summary.mean, summary.std, summary.min, summary.max, summary.norm]).all()


def test_a_large_tensor_with_values_on_every_edge():
    """The quick way must hand exactly these on to the exact comparison."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.random(100_000), np.linspace(0, 1, BINS + 1)]).astype(np.float32)
    edges = np.histogram(values, bins=BINS)[1]
    around = np.concatenate([np.nextafter(edges, 0), edges, np.nextafter(edges, 1)])
    values = np.concatenate([values, np.clip(around, values.min(), values.max())])
    count = histogram(values, values.min(), values.max())
    np.testing.assert_array_equal(count, np.histogram(values, bins=BINS)[0])


@pytest.mark.parametrize("value", [0.0, 0.25, -3.0])
def test_a_constant_tensor(value):
    summary = statistics(np.full((200, 200), value, np.float32))
    count, edges = np.histogram(np.full(40_000, value, np.float32), bins=BINS)
    np.testing.assert_array_equal(summary.count, count)
    assert (summary.low, summary.high) == (edges[0], edges[-1])
    assert summary.std == 0
    assert summary.near_zero == (1.0 if value == 0 else 0.0)
    assert summary.norm == pytest.approx(abs(value) * 200)


def test_near_zero_counts_what_it_says():
    values = np.array([0.0, 0.0009, -0.0009, 0.0011, *([1.0, -1.0] * 500)])
    assert values.std() == pytest.approx(1, abs=0.01)
    assert statistics(values).near_zero == pytest.approx(3 / values.size)


@pytest.fixture
def model():
    inputs = keras.Input((7,))
    return keras.Model(inputs, layers.Dense(5, name="dense")(inputs))


def test_the_dataset(model):
    summary = parameters(model)
    assert dict(summary.sizes) == {"parameter": 2, "bin": BITS}
    kernel = model.layers[-1].kernel.numpy()
    count = np.histogram(kernel.astype(np.float64), bins=edges())[0]
    row = summary.sel(parameter="dense/kernel")
    np.testing.assert_array_equal(row["count"].values, count)
    assert float(row["min"]) == kernel.min()
    assert float(row["std"]) == pytest.approx(float(kernel.std()), rel=1e-5)
    assert str(row["shape"].values) == "7×5"
    assert int(row["size"]) == 35
    assert str(row["module"].values) == "dense"
    floats = ["mean", "std", "skew", "min", "max", "norm", "near_zero", "nonfinite", "q50"]
    assert all(summary[name].dtype == np.float64 for name in floats)


def test_weights_that_diverged(model):
    kernel = model.layers[-1].kernel
    values = kernel.numpy()
    values[0, 0], values[1, 1] = np.nan, np.inf
    kernel.assign(values)
    row = parameters(model).sel(parameter="dense/kernel")
    assert int(row["nonfinite"]) == 2
    assert int(row["count"].sum()) == 33
    assert np.isfinite(float(row["mean"]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "mixed_float16"])
def test_any_precision(dtype):
    inputs = keras.Input((7,), dtype="float32")
    model = keras.Model(inputs, layers.Dense(5, name="dense", dtype=dtype)(inputs))
    kernel = model.layers[-1].kernel
    values = tf.cast(kernel.value, "float64").numpy()
    row = parameters(model).sel(parameter="dense/kernel")
    assert float(row["mean"]) == pytest.approx(values.mean(), rel=1e-4)
    assert int(row["count"].sum()) == 35


def test_weights_are_read_without_a_copy():
    from limelight.capture.keras.backends.backend import backend

    read = backend().read
    variable = keras.Variable(np.ones((1000,), "float32"))
    first, second = read(variable), read(variable)
    assert first.ctypes.data == second.ctypes.data
    variable.assign(variable * 2)
    assert (first == 1).all(), "what was read must not change under the reader"
    assert (read(variable) == 2).all()


def test_a_model_without_trainable_weights():
    inputs = keras.Input((7,))
    summary = parameters(keras.Model(inputs, layers.ReLU()(inputs)))
    assert dict(summary.sizes) == {"parameter": 0, "bin": BITS}


def test_an_unbuilt_model_says_how_to_build_it():
    with pytest.raises(UnsupportedModelError) as caught:
        parameters(keras.Sequential([layers.Dense(2)], name="late"))
    assert str(caught.value) == (
        "Got the model 'late', which has no parameters yet. Wanted a built model. "
        "Call it once on a batch, or give it a keras.Input."
    )


def test_a_scalar():
    summary = summarise({"gain": np.array(2.0)})
    assert str(summary["shape"].values[0]) == "scalar"
    assert int(summary["size"][0]) == 1
    assert str(summary["module"].values[0]) == ""
