"""Whatever a Keras model can reach is after a capture as it was before, on any backend."""

from __future__ import annotations

import itertools
import random

import keras
import numpy as np
import pytest
from keras import layers

import limelight as ll
from limelight.errors import UnsupportedModelError

from .conftest import array

T, D = 6, 8
NAME = keras.backend.backend()


class Kind(layers.Layer):
    """Leaves a trace at each call, and hands its input on."""

    def __init__(self, **options):
        super().__init__(**options)
        self.begin()

    def begin(self):
        """Make what is written to."""

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape)


class Helper:
    def __init__(self):
        self.calls, self.mean, self.owner = 0, np.zeros(3), self


class Counters(Kind):
    calls = 0

    def begin(self):
        self.turns, self.ids, self.helper = 0, itertools.count(), Helper()
        self.nested = {"rows": [{"seen": set()}]}

    def call(self, x):
        self.turns += 1
        type(self).calls += 1
        self.helper.calls += 1
        self.helper.mean += 1
        self.nested["rows"][0]["seen"].add(self.turns)
        self.nested["rows"].append(next(self.ids))
        return x

    def state(self):
        return (self.turns, type(self).calls, self.helper.calls, self.helper.mean.tolist(),
                repr(self.ids), repr(self.nested))  # fmt: skip


class Generators(Kind):
    def begin(self):
        self.config = {"numpy": np.random.default_rng(1)}
        self.python = random.Random(2)

    def call(self, x):
        return x + self.config["numpy"].normal() + self.python.random()

    def state(self):
        return self.config["numpy"].bit_generator.state, self.python.getstate()


class Framework(Kind):
    """What the framework itself offers to keep numbers in."""

    def begin(self):
        self.within = [{}]
        if NAME == "tensorflow":
            import tensorflow as tf

            self.within[0] = {"rng": tf.random.Generator.from_seed(3), "sum": tf.Variable([1.0])}
        elif NAME == "torch":
            import torch

            self.within[0] = {"rng": torch.Generator(), "sum": torch.ones(1)}
        else:
            import jax

            self.within[0] = {"rng": jax.random.key(3), "sum": jax.numpy.ones(1)}

    def call(self, x):
        within = self.within[0]
        if NAME == "tensorflow":
            within["sum"].assign_add([1.0])
            return x + within["rng"].normal((D,))
        if NAME == "torch":
            import torch

            within["sum"] += 1
            return x + torch.randn(D, generator=within["rng"]).to(x.device)
        import jax

        within["rng"], drawn = jax.random.split(within["rng"])
        within["sum"] = within["sum"] + 1
        return x + jax.random.normal(drawn, (D,))

    def state(self):
        within = self.within[0]
        rng = within["rng"]
        if NAME == "jax":
            import jax

            rng = jax.random.key_data(rng)
        else:
            rng = rng.state if NAME == "tensorflow" else rng.get_state()
        return np.asarray(rng).tolist(), np.asarray(within["sum"]).tolist()


class Unseeded(Kind):
    def call(self, x):
        return x + keras.random.normal(x.shape[1:])

    def state(self):
        shared = keras.src.backend.common.global_state.get_global_attribute
        generator = shared("global_seed_generator")
        return None if generator is None else array(generator.state).tolist()


KINDS = [Counters, Generators, Framework, Unseeded]
#: JAX traces a step of training, and what is traced keeps no numbers.
TRAINED = KINDS[:2] if NAME == "jax" else KINDS


def build(kind):
    keras.utils.set_random_seed(5)
    inputs = keras.Input((T, D))
    x = kind(name="kind")(inputs)
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    return keras.Model(inputs, layers.Dense(1)(x))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("drawn", [False, True])
def test_it_is_as_it_was(kind, drawn, sequence):
    model = build(kind)
    if drawn:
        keras.random.normal((1,))  # Keras' own generator is there before
    layer = model.get_layer("kind")
    before = layer.state()
    ll.capture(model, sequence)
    assert layer.state() == before
    model(sequence)
    assert layer.state() != before  # a pass of its own does leave a trace


@pytest.mark.parametrize("kind", TRAINED)
def test_training_goes_on_alike_when_recorded(kind, sequence, tmp_path):
    def losses(*callbacks):
        keras.utils.clear_session(free_memory=False)
        kind.calls = 0
        model = build(kind)
        model.compile("sgd", "mse", run_eagerly=True)
        y = np.ones((3, T, 1), "float32")
        history = model.fit(sequence, y, epochs=2, verbose=0, callbacks=[*callbacks])
        return history.history["loss"], model.get_layer("kind").state()

    assert losses(ll.KerasCallback(tmp_path, sequence[:2])) == losses()
    assert ll.open_run(tmp_path).steps.tolist() == [0, 1, 2]


class Drawing(Kind):
    """Draws from what Python can neither copy nor put back."""

    def begin(self):
        self.noise = (float(number) for number in range(9))

    def call(self, x):
        return x + next(self.noise)


def test_what_cannot_be_put_back_is_refused_by_name_before_it_changes(sequence):
    model = build(Drawing)
    with pytest.raises(UnsupportedModelError, match=r"noise'?, a generator"):
        ll.capture(model, sequence)
    assert next(model.get_layer("kind").noise) == 0
