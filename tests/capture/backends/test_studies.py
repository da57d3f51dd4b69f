"""Studies of a small Keras model on whatever Keras runs on."""

import keras
import numpy as np
import pytest

import limelight as ll
from limelight.capture.adapter import adapter_for
from limelight.capture.keras.backends.backend import backend
from limelight.errors import StudyError
from limelight.studying.digests import state_digest

X = np.random.default_rng(0).normal(size=(6, 4, 8)).astype(np.float32)
Y = np.array([0, 1, 0, 1, 1, 0])


class Noisy(keras.layers.Layer):
    """Adds random numbers, in inference mode too."""

    def __init__(self):
        super().__init__()
        self.numbers = keras.random.SeedGenerator(3)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.numbers)


def model(*, noisy=False):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4, 8))
    x = keras.layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.BatchNormalization()(x)
    x = Noisy()(x) if noisy else x
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(x)))


@pytest.fixture(scope="module")
def plain():
    return model()


def test_ablation_and_importance(plain, tmp_path):
    before = state_digest(plain)
    result = ll.ablation(plain, (X, Y), each=True, partition=4, run=tmp_path, seed=2)
    assert state_digest(plain) == before
    assert result.sizes == {"site": 1, "head": 2, "example": 6}
    site = str(result["site"].values[0])

    def losses():
        logits = backend().read(plain(X))
        shifted = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        return -shifted[np.arange(6), Y]

    whole = losses()
    with ll.gate(plain, {(site, 1): 0.0}):
        without = losses()
    np.testing.assert_allclose(result["each"][0, 1], without - whole, atol=1e-5)
    assert ll.open_run(tmp_path).study("ablation").attrs["framework"].startswith("keras")
    slopes = ll.importance(plain, (X, Y))
    assert state_digest(plain) == before
    assert (slopes["importance"] > 0).all()


def test_what_decides_numbers_is_told(plain):
    said = adapter_for(plain).circumstances(plain)
    assert said["precision"] == "float32"
    assert said["threads"] >= 1
    assert "keras 3" in said["framework"]


def test_a_random_forward_pass_is_found_out():
    noisy = model(noisy=True)
    before = state_digest(noisy)
    with pytest.raises(StudyError, match="forward pass is random"):
        ll.ablation(noisy, (X, Y))
    assert state_digest(noisy) == before


def test_heads_that_share_their_keys():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 8))
    layer = keras.layers.GroupQueryAttention(4, 4, 2, name="grouped")
    grouped = keras.Model(inputs, keras.layers.Dense(2)(layer(inputs, inputs)[:, 0]))
    result = ll.importance(grouped, (X, Y), key_groups=True)
    assert result["importance"].dims == ("site", "key_group")
    assert result.sizes["key_group"] == 2
