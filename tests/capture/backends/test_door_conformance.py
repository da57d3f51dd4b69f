"""Every door of Keras' attention layers, on each framework that Keras runs on."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from limelight.testing import DoorConformance
from limelight.testing.doors import refusal

BACKEND = keras.backend.backend()
TESTS = {
    "uniform": "test_even_attention",
    "cut": "test_a_cut",
    "gradients": "test_gradients_by_weights",
    "contributions": "test_contributions",
    "attended": "test_weights_in_the_graph",
    "prune": "test_pruning",
}


class Own(layers.Layer):
    """Projections and a softmax of its own; how weights meet values is given."""

    def __init__(self, weigh, **options):
        super().__init__(**options)
        self.weigh = weigh
        self.query, self.key, self.value, self.out = (layers.Dense(8) for _ in range(4))

    def call(self, x):
        q, k, v = (
            ops.transpose(ops.reshape(f(x), (-1, 5, 2, 4)), (0, 2, 1, 3))
            for f in (self.query, self.key, self.value)
        )
        weights = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))))
        heads = ops.transpose(self.weigh(weights, v), (0, 2, 1, 3))
        return self.out(ops.reshape(heads, (-1, 5, 8)))


def summed(weights, values):
    return ops.sum(weights[..., None] * values[:, :, None], 3)


#: How each is made of its inputs.
KERNELS = {
    "Keras, MultiHeadAttention":
        lambda x: layers.MultiHeadAttention(2, 4, name="attention")(x, x),
    "Keras, MultiHeadAttention, dropout":
        lambda x: layers.MultiHeadAttention(2, 4, dropout=0.5, name="attention")(
            x, x, use_causal_mask=True),
    "Keras, GroupQueryAttention":
        lambda x: layers.GroupQueryAttention(4, 4, 2, name="attention")(
            x, x, use_causal_mask=True),
    "Keras, own layer": lambda x: Own(ops.matmul, name="attention")(x),
    "Keras, Attention": lambda x: layers.Attention(name="attention")([x, x]),
    "Keras, AdditiveAttention": lambda x: layers.AdditiveAttention(name="attention")([x, x]),
    "Keras, own layer, weights times values, then summed":
        lambda x: Own(summed, name="attention")(x),
}  # fmt: skip

#: Doors that they refuse: what the errors say.
REASONS = {
    "Keras, Attention": {"prune": "no dense layer follows"},
    "Keras, AdditiveAttention": {"prune": "no dense layer follows"},
    "Keras, own layer, weights times values, then summed": {"contributions": "no matrix product"},
}

#: JAX compiles each operation once more for each.
NAMES = ["Keras, MultiHeadAttention"] if BACKEND == "jax" else list(KERNELS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("door", TESTS)
def test_doors(name, door):
    reasons = REASONS.get(name, {})

    class Case(DoorConformance):
        # Heads that nothing projects give something all the same.
        projects = not ("prune" in reasons and door == "contributions")

        def model(self):
            keras.utils.set_random_seed(5)
            x = keras.Input((5, 8))
            return keras.Model(x, layers.Dense(8, name="dense")(KERNELS[name](x)))

        def inputs(self):
            return np.random.default_rng(0).normal(size=(3, 5, 8)).astype("float32")

    said = refusal(getattr(Case(), TESTS[door]))
    assert (reasons[door] in said) if door in reasons else (said == "")


def test_the_table_of_the_docs_is_what_the_tests_say(request):
    page = (request.config.rootpath / "docs" / "interventions.md").read_text("utf-8")
    rows = {
        line.split("|")[1].strip(): [cell.strip()[:3].strip() for cell in line.split("|")[2:-1]]
        for line in page.splitlines()
        if line.startswith("| Keras")
    }
    assert rows == {
        name: ["no" if door in REASONS.get(name, {}) else "yes" for door in TESTS]
        for name in KERNELS
    }
