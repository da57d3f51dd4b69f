"""Cuts, weights in the graph, gradients, contributions and pruning of Keras, on every backend."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

import limelight as ll
from limelight.errors import GateError, LimelightWarning

from .conftest import array

T, D, HEADS, SIZE = 6, 8, 4, 4
BACKEND = keras.backend.backend()
CAUSAL = np.tri(T, dtype=bool)
BAND = np.abs(np.subtract.outer(np.arange(T), np.arange(T))) <= 1


class Own(layers.Layer):
    """Heads with projections and a softmax of its own, keys before queries."""

    def __init__(self, **options):
        super().__init__(**options)
        self.query, self.key, self.value, self.out = (layers.Dense(D) for _ in range(4))

    def call(self, x):
        def split(y):
            return ops.transpose(ops.reshape(y, (-1, T, 2, D // 2)), (0, 2, 1, 3))

        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        weights = ops.softmax(ops.matmul(k, ops.transpose(q, (0, 1, 3, 2))), axis=2)
        heads = ops.matmul(ops.transpose(weights, (0, 1, 3, 2)), v)
        return x + self.out(ops.reshape(ops.transpose(heads, (0, 2, 1, 3)), (-1, T, D)))


class Kernel(layers.Layer):
    """Calls Keras' fused attention itself."""

    def __init__(self, **options):
        super().__init__(**options)
        self.out = layers.EinsumDense("bqhd,hde->bqe", (None, D), bias_axes="e")

    def call(self, x):
        y = ops.reshape(x, (-1, T, 2, D // 2))
        return self.out(ops.dot_product_attention(y, y, y))


LAYERS = {
    "heads": (lambda: layers.MultiHeadAttention(HEADS, SIZE, name="attention"), False),
    "heads causal": (lambda: layers.MultiHeadAttention(HEADS, SIZE, name="attention"), True),
    "heads dropout": (lambda: layers.MultiHeadAttention(
        HEADS, SIZE, dropout=0.5, name="attention"), True),
    "grouped": (lambda: layers.GroupQueryAttention(SIZE, HEADS, 2, name="attention"), True),
    "dot": (lambda: layers.Attention(name="attention"), True),
    "additive": (lambda: layers.AdditiveAttention(name="attention"), False),
    "own": (lambda: Own(name="attention"), False),
    "kernel": (lambda: Kernel(name="attention"), False),
}  # fmt: skip


@pytest.fixture(scope="module")
def models():
    """A model of each kind, by name, and whether it is causal."""
    made = {}
    keras.utils.set_random_seed(3)
    for name, (make, causal) in LAYERS.items():
        if name not in KINDS and name != "heads":
            continue
        x, layer = keras.Input((T, D)), make()
        if isinstance(layer, layers.Attention):
            y = layer([x, x], use_causal_mask=causal)
        elif isinstance(layer, Own | Kernel):
            y = layer(x)
        else:
            y = layer(x, x, use_causal_mask=causal)
        made[name] = keras.Model(x, layers.Dense(D, name="dense")(y)), causal
    return made


def renormalised(weights, stay):
    left = weights * stay
    total = left.sum(-1, keepdims=True)
    return left / np.where(total == 0, 1, total)


#: What test_door_conformance.py does not try; JAX compiles each operation once more for each.
KINDS = ["own"] if BACKEND == "jax" else ["heads causal", "dot", "own", "kernel"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_shares_each_row_out_among_what_stays(kind, models, sequence):
    model, _ = models[kind]
    plain = ll.capture(model, sequence)["attention"]["weights"].values
    before = array(model(sequence))
    with ll.cut(model, BAND):
        shown = ll.capture(model, sequence)["attention"]["weights"].values
        np.testing.assert_allclose(shown, renormalised(plain, BAND), atol=1e-6)
        assert not np.allclose(array(model(sequence)), before, atol=1e-3)
    np.testing.assert_array_equal(array(model(sequence)), before)
    with ll.cut(model, lambda query, key: query >= -key):
        np.testing.assert_allclose(array(model(sequence)), before, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_query_without_keys_gets_zeros_and_is_told(kind, models, sequence):
    model, _ = models[kind]
    stay = BAND.copy()
    stay[2] = False
    x = sequence.copy()
    with pytest.warns(LimelightWarning, match="no key to attend to"), ll.cut(model, stay):
        cut = array(model(x))
    x[:, 0] += 1  # nothing comes to the query but what it is itself
    with pytest.warns(LimelightWarning, match="no key"), ll.cut(model, stay):
        np.testing.assert_allclose(array(model(x))[:, 2], cut[:, 2], atol=1e-6)
    if kind == "heads":
        layer = model.get_layer("attention")
        bias = array(layer._output_dense.bias) @ array(model.get_layer("dense").kernel)
        np.testing.assert_allclose(cut[:, 2], np.broadcast_to(bias, cut[:, 2].shape), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_in_the_graph_are_those_captured(kind, models, sequence):
    model, _ = models[kind]
    plain = ll.capture(model, sequence)["attention"]["weights"].values
    before = array(model(sequence))
    with ll.attended(model) as weights:
        assert not weights
        np.testing.assert_array_equal(array(model(sequence)), before)
        np.testing.assert_allclose(array(weights["attention"]), plain, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_the_change_by_each_weight(kind, models, sequence):
    """Gradients times weights, summed over keys, are the gradient by the head's gate."""
    model, _ = models[kind]

    def scalar(outputs):
        return ops.sum(outputs[:, :, 0] ** 2, axis=-1)

    site = ll.capture(model, sequence, gradients=scalar)["attention"]
    assert site["gradients"].dims == site["weights"].dims
    by_head = (site["gradients"] * site["weights"]).sum(("query", "key")).values
    step = 1e-2
    for head in range(min(2, by_head.shape[1])):
        sides = []
        for gate in (1 + step, 1 - step):
            with ll.gate(model, {("attention", head): gate}):
                sides.append(array(scalar(model(sequence))))
        wanted = (sides[0] - sides[1]) / (2 * step)
        np.testing.assert_allclose(by_head[:, head], wanted, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_heads_add_up_to_what_the_projection_gives(kind, models, sequence):
    model, _ = models[kind]
    site = ll.capture(model, sequence, contributions=True)["attention"]
    heads = site["head_output"]
    assert heads.dims == ("example", "head", "query", "head_feature")
    layer = model.get_layer("attention")
    if isinstance(layer, layers.Attention):
        assert "no projection" in site.attrs["no_head_contribution"]
        wanted = site["weights"].values @ sequence[:, None]
        np.testing.assert_allclose(heads.values, wanted, atol=1e-5)
        return
    dense = layer.out if isinstance(layer, Own | Kernel) else layer._output_dense
    kernel, bias = array(dense.kernel), array(dense.bias)
    kernel = kernel.reshape(heads.sizes["head"], heads.sizes["head_feature"], D)
    each = np.einsum("ehqf,hfd->ehqd", heads.values, kernel)
    np.testing.assert_allclose(site["head_contribution"].values, each, atol=1e-5)
    given, call = [], dense.call
    dense.__dict__["call"] = lambda x, **_: given.append(call(x)) or given[-1]
    try:
        model(sequence)
    finally:
        del dense.__dict__["call"]
    np.testing.assert_allclose(each.sum(1) + bias, array(given[0]), atol=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("dot", "additive")])
def test_a_pruned_head_is_a_closed_one(kind, models, sequence):
    made, _ = models[kind]
    layer = made.get_layer("attention")
    before = [array(variable) for variable in made.variables]
    with ll.gate(made, {("attention", 1): 0.0}):
        wanted = array(made(sequence))
    try:
        assert ll.prune(made, {"attention": [1]}) is made
        np.testing.assert_allclose(array(made(sequence)), wanted, atol=1e-5)
        dense = layer.out if isinstance(layer, Own | Kernel) else layer._output_dense
        heads = ll.capture(made, sequence)["attention"].sizes["head"]
        kernel = array(dense.kernel).reshape(heads, -1)
        assert not kernel[1].any()
        assert kernel[0].all()
        with pytest.warns(LimelightWarning, match="saves no time"):
            ll.prune(made, [("attention", 0)], inputs=sequence, smaller=True)
        assert not array(dense.kernel).reshape(heads, -1)[:2].any()
    finally:
        for variable, values in zip(made.variables, before, strict=True):
            variable.assign(values)


@pytest.mark.filterwarnings("ignore:__array__ impl")
def test_a_loss_of_weights_trains_a_compiled_model(sequence):
    """Attention to the first key is what is made small, dropout or not."""
    x = keras.Input((T, D))
    y = layers.MultiHeadAttention(2, SIZE, dropout=0.2, name="attention")(x, x)
    model = keras.Model(x, y)
    model.compile(loss="mse", optimizer=keras.optimizers.Adam(0.05))
    model.fit(sequence, sequence, verbose=0)
    before = ll.capture(model, sequence)["attention"]["weights"].values[..., 0].mean()
    with ll.attended(model) as weights:
        model.compile(
            loss=lambda _, outputs: 0 * ops.mean(outputs) + ops.mean(weights["attention"][..., 0]),
            optimizer=keras.optimizers.Adam(0.05),
        )
        losses = model.fit(sequence, sequence, epochs=4, verbose=0).history["loss"]
    assert losses[0] == pytest.approx(before, rel=1e-4)
    after = ll.capture(model, sequence)["attention"]["weights"].values[..., 0].mean()
    assert after < losses[-1] < 0.9 * losses[0]
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.0))
    loss = model.fit(sequence, sequence, verbose=0).history["loss"][0]
    assert abs(loss - losses[-1]) > 0.1


def test_half_precision(sequence):
    x = keras.Input((T, D))
    layer = layers.MultiHeadAttention(2, SIZE, dtype="mixed_bfloat16", name="attention")
    model = keras.Model(x, layer(x, x))
    site = ll.capture(
        model, sequence, gradients=lambda y: ops.sum(y[:, 0], -1), contributions=True
    )["attention"]
    weights, stay = site["weights"].values, np.tri(T, dtype=bool)
    with ll.cut(model, stay):
        shown = ll.capture(model, sequence)["attention"]["weights"].values
    np.testing.assert_allclose(shown, renormalised(weights, stay), atol=1e-5)
    with ll.attended(model) as given:
        outputs = array(model(sequence))
    np.testing.assert_allclose(array(given["attention"]), weights, atol=4e-3)
    summed = site["head_contribution"].values.sum(1)  # the bias of a new layer is 0
    np.testing.assert_allclose(summed, outputs, atol=4e-2)
    slopes = site["gradients"].values
    assert slopes[:, :, 0].any()
    assert not slopes[:, :, 1:].any()


@pytest.mark.skipif(BACKEND == "jax", reason="compiles each operation once more")
def test_positions_in_two_axes():
    x = keras.Input((2, 3, D))
    layer = layers.MultiHeadAttention(2, SIZE, attention_axes=(1, 2), name="attention")
    model = keras.Model(x, layer(x, x))
    grid = np.random.default_rng(0).normal(size=(2, 2, 3, D)).astype("float32")
    site = ll.capture(model, grid, gradients=lambda y: ops.sum(y[:, 0, 1], -1), contributions=True)
    site = site["attention"]
    weights, stay = site["weights"].values, np.tri(6, dtype=bool)
    with ll.cut(model, stay):
        shown = ll.capture(model, grid)["attention"]["weights"].values
    np.testing.assert_allclose(shown, renormalised(weights, stay), atol=1e-6)
    with ll.attended(model) as given:
        outputs = array(model(grid)).reshape(2, 6, D)
    np.testing.assert_allclose(array(given["attention"]), weights, atol=1e-6)
    summed = site["head_contribution"].values.sum(1)  # the bias of a new layer is 0
    np.testing.assert_allclose(summed, outputs, atol=1e-5)
    slopes = site["gradients"].values
    assert slopes[:, :, 1].any()
    assert not slopes[:, :, [0, 2, 3, 4, 5]].any()


class Remembering(layers.Layer):
    """A cell that asks the same memory at every step."""

    def __init__(self, **options):
        super().__init__(**options)
        self.state_size = self.units = D
        self.new = layers.Dense(D)

    def build(self, shape):
        self.memory = self.add_weight(shape=(5, D), initializer="glorot_uniform")

    def call(self, x, states):
        weights = ops.softmax(ops.matmul(states[0] + x, ops.transpose(self.memory)))
        state = self.new(ops.concatenate([x, ops.matmul(weights, self.memory)], -1))
        return state, [state]


@pytest.mark.skipif(BACKEND == "jax", reason="a loop op by op")
def test_steps_of_a_loop_are_queries(sequence):
    x = keras.Input((T, D))
    model = keras.Model(x, layers.RNN(Remembering(name="cell"), return_sequences=True)(x))
    name = "rnn/cell"
    weights = ll.capture(model, sequence, include=name)[name]["weights"].values
    stay = np.ones((T, 5), bool)
    stay[2, 1:] = False
    with ll.cut(model, stay, include=name):
        shown = ll.capture(model, sequence, include=name)[name]["weights"].values
    np.testing.assert_allclose(shown[:, :, :2], weights[:, :, :2], atol=1e-6)
    np.testing.assert_allclose(shown[:, :, 2, 0], 1)
    with ll.attended(model, include=name) as given:
        model(sequence)
        np.testing.assert_allclose(array(given[name]), weights, atol=1e-6)


def test_unknown_sites_and_what_does_not_fit_are_told(models, sequence):
    model, _ = models["heads"]
    with pytest.raises(GateError, match=r"sites='x'.*attention"), ll.cut(model, BAND, sites="x"):
        model(sequence)
    with pytest.raises(GateError, match=r"\[1, 1, 3, 3\]"), ll.cut(model, BAND[:3, :3]):
        model(sequence)
    with pytest.raises(GateError, match="head 9"):
        ll.prune(model, {"attention": [9]}, inputs=sequence)
    with pytest.raises(GateError, match="none of the model's attention ran"), ll.attended(model):
        pass
