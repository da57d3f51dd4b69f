"""Gates on the heads of Keras models, on every backend."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

import limelight as ll
from limelight.capture import sweep
from limelight.errors import GateError

from .conftest import array

T, D, HEADS, SIZE = 6, 8, 2, 4
BACKEND = keras.backend.backend()


class Custom(layers.Layer):
    """Heads by ops.softmax and a product of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.query, self.key, self.value = (
            layers.EinsumDense("btd,dhs->bths", (None, HEADS, SIZE)) for _ in range(3)
        )
        self.out = layers.EinsumDense("bths,hsd->btd", (None, D))

    def call(self, x):
        q, k, v = self.query(x), self.key(x), self.value(x)
        weights = ops.softmax(ops.einsum("bqhs,bkhs->bhqk", q, k))
        return self.out(ops.einsum("bhqk,bkhs->bqhs", weights, v))


def heads(**options):
    return layers.MultiHeadAttention(HEADS, SIZE, name="attention", **options)


LAYERS = {
    "heads": heads,
    "heads dropout": lambda: heads(dropout=0.5),
    "grouped": lambda: layers.GroupQueryAttention(SIZE, HEADS, 1, name="attention"),
    "custom": lambda: Custom(name="attention"),
}


def model_of(kind):
    x = keras.Input((T, D))
    layer = LAYERS[kind]()
    y = layer(x) if kind == "custom" else layer(x, x)
    return keras.Model(x, layers.Dense(D, name="dense")(y))


def output_kernel(model):
    layer = model.get_layer("attention")
    dense = layer.out if isinstance(layer, Custom) else layer._output_dense
    return dense.kernel


def without_head(model, head, x):
    kernel = output_kernel(model)
    values = array(kernel)
    changed = values.copy()
    changed[head] = 0
    kernel.assign(changed)
    result = array(model(x))
    kernel.assign(values)
    return result


@pytest.mark.parametrize("kind", LAYERS)
def test_zero_is_a_head_whose_output_nothing_weighs(kind, sequence):
    model = model_of(kind)
    plain, wanted = array(model(sequence)), without_head(model, 1, sequence)
    with ll.gate(model, {("attention", 1): 0.0}):
        got = array(model(sequence))
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    assert not np.array_equal(got, plain)
    np.testing.assert_array_equal(array(model(sequence)), plain)


@pytest.mark.parametrize("kind", LAYERS)
def test_one_changes_nothing(kind, sequence):
    model = model_of(kind)
    plain = array(model(sequence))
    with ll.gate(model, {("attention", None): 1.0}):
        np.testing.assert_array_equal(array(model(sequence)), plain)


@pytest.mark.parametrize("layer", [layers.Attention, layers.AdditiveAttention])
def test_layers_of_one_head(layer, sequence):
    x = keras.Input((T, D))
    model = keras.Model(x, layer(name="attention")([x, x]))
    plain = array(model(sequence))
    with ll.gate(model, {("attention", 0): 0.25}):
        np.testing.assert_allclose(array(model(sequence)), 0.25 * plain, atol=1e-6)
    with ll.gate(model, {("attention", 0): 0.0}, replace="mean"):
        mean = np.broadcast_to(plain.mean((0, 1)), plain.shape)
        np.testing.assert_allclose(array(model(sequence)), mean, atol=1e-6)


def test_other_is_the_mean_or_another_example(sequence):
    model = model_of("heads")
    layer = model.get_layer("attention")
    inner = []
    real = layer._output_dense.call
    layer._output_dense.__dict__["call"] = lambda x, **_: inner.append(array(x)) or real(x)
    model(sequence)
    rows = inner[0]
    for replace, other in (
        ("mean", rows.mean((0, 1), keepdims=True)),
        ("sample", rows[[1, 2, 0]]),
    ):
        with ll.gate(model, {("attention", 1): 0.25}, replace=replace):
            model(sequence)
        wanted = rows.copy()
        wanted[:, :, 1] = (0.25 * rows + 0.75 * other)[:, :, 1]
        np.testing.assert_allclose(inner[-1], wanted, atol=1e-6)
    with ll.gate(model, {("attention", 1): 0.0}, replace="mean", reference=sequence[:2]):
        model(sequence)
    mean = np.broadcast_to(rows[:2].mean((0, 1))[1], (3, T, SIZE))
    np.testing.assert_allclose(inner[-1][:, :, 1], mean, atol=1e-6)


def test_each_example_has_its_own_gate(sequence):
    model = model_of("heads")
    with ll.gate(model, {("attention", 1): np.array([0.0, 0.5, 1.0], "float32")}):
        together = array(model(sequence))
    for row, gate in enumerate((0.0, 0.5, 1.0)):
        with ll.gate(model, {("attention", 1): gate}):
            np.testing.assert_allclose(array(model(sequence))[row], together[row], atol=1e-6)


def gradient(model, x, gates):
    """The gradient of the squared output's sum with respect to the gates [head]."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        variable = tf.Variable(gates)
        with tf.GradientTape() as replay, ll.gate(model, {"attention": variable}):
            loss = tf.reduce_sum(model(x) ** 2)
        return replay.gradient(loss, variable).numpy()
    if BACKEND == "jax":
        import jax

        trainable, others = model.trainable_variables, model.non_trainable_variables

        def loss(gates):
            with ll.gate(model, {"attention": gates}):
                y, _ = model.stateless_call(
                    [v.value for v in trainable], [v.value for v in others], x
                )
            return (y**2).sum()

        eager = jax.grad(loss)(gates)
        np.testing.assert_allclose(jax.jit(jax.grad(loss))(gates), eager, rtol=1e-4)
        return np.array(eager)
    import torch

    tensor = torch.tensor(gates, requires_grad=True)
    with ll.gate(model, {"attention": tensor}):
        (model(x) ** 2).sum().backward()
    return tensor.grad.numpy()


@pytest.mark.parametrize("kind", ["heads", "heads dropout", "custom"])
def test_gradients_reach_the_gates(kind, sequence):
    model = model_of(kind)
    result = gradient(model, sequence, np.array([1.0, 0.5], "float32"))
    step = 1e-2
    for head in range(HEADS):
        sides = []
        for sign in (1, -1):
            gates = np.array([1.0, 0.5], "float32")
            gates[head] += sign * step
            with ll.gate(model, {"attention": gates}):
                sides.append((array(model(sequence)).astype(float) ** 2).sum())
        assert result[head] == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=2e-2, abs=2e-3)


def test_unknown_sites_and_heads_are_told_with_those_there_are(sequence):
    model = model_of("heads")
    with pytest.raises(GateError, match=r"'x'.*: attention \(2\)"), \
            ll.gate(model, {("x", 0): 0.0}):  # fmt: skip
        model(sequence)
    with pytest.raises(GateError, match="head 2"), ll.gate(model, {("attention", 2): 0.0}):
        model(sequence)
    with pytest.raises(GateError, match="none of their calls"), \
            ll.gate(model, {("attention", 0): 0.0}):  # fmt: skip
        pass


class Own(layers.Layer):
    """One or two heads whose weights meet the values in a way of its own."""

    def __init__(self, multiply, heads=HEADS, **options):
        super().__init__(**options)
        self.multiply, self.heads = multiply, heads
        self.drop = layers.Dropout(0.5)

    def call(self, x, training=None):
        split = ops.reshape(x, (-1, T, HEADS, D // HEADS))
        value = ops.transpose(split, (0, 2, 1, 3)) if self.heads == HEADS else x
        weights = ops.softmax(ops.matmul(value, ops.swapaxes(value, -1, -2)))
        self.multiplied = self.multiply(self.drop(weights, training=training), value)
        return self.multiplied


def summed(weights, value):
    return ops.sum(weights[..., None] * value[..., None, :, :], axis=-2)


MULTIPLIES = {
    "matmul": ops.matmul,
    "einsum": lambda weights, value: ops.einsum("bhqk,bhks->bhqs", weights, value),
    "cast": lambda weights, value: ops.cast(
        ops.matmul(ops.cast(weights, "float16"), ops.cast(value, "float16")), "float32"
    ),
}


@pytest.mark.parametrize("name", MULTIPLIES)
def test_heads_that_multiply_themselves_are_replaced(name, sequence):
    x = keras.Input((T, D))
    layer = Own(MULTIPLIES[name], name="attention")
    model = keras.Model(x, ops.reshape(layer(x), (-1, HEADS * T * (D // HEADS))))
    rows = array(model(sequence)).reshape(3, HEADS, T, -1)
    means = rows.mean((0, 2), keepdims=True), rows[:2].mean((0, 2), keepdims=True)
    for other, options in (
        (means[0], {"replace": "mean"}),
        (means[1], {"replace": "mean", "reference": sequence[:2]}),
        (rows[[1, 2, 0]], {"replace": "sample"}),
    ):
        with ll.gate(model, {("attention", 1): 0.25}, **options):
            result = array(model(sequence)).reshape(rows.shape)
        wanted = rows.copy()
        wanted[:, 1] = (0.25 * rows + 0.75 * other)[:, 1]
        np.testing.assert_allclose(result, wanted, atol=4e-3 if name == "cast" else 1e-6)
    np.testing.assert_array_equal(array(model(sequence)).reshape(rows.shape), rows)


def test_a_head_alone_is_replaced_also_where_dropout_comes_between(sequence):
    x = keras.Input((T, D))
    model = keras.Model(x, Own(ops.matmul, heads=1, name="attention")(x))
    rows = array(model(sequence))
    for training in (False, True):
        with ll.gate(model, {("attention", 0): 0.0}, replace="mean", reference=sequence):
            result = array(model(sequence, training=training))
        np.testing.assert_allclose(
            result, np.broadcast_to(rows.mean((0, 1)), rows.shape), atol=1e-6
        )


def test_layers_with_products_of_their_own_are_replaced(sequence):
    model = model_of("custom")
    inner = []
    real = model.get_layer("attention").out.call
    model.get_layer("attention").out.__dict__["call"] = lambda x, **_: (
        inner.append(array(x)) or real(x)
    )
    model(sequence)
    with ll.gate(model, {("attention", 0): 0.0}, replace="mean"):
        model(sequence)
    rows, result = inner[0], inner[-1]
    np.testing.assert_array_equal(result[:, :, 1], rows[:, :, 1])
    mean = np.broadcast_to(rows[:, :, 0].mean((0, 1)), rows[:, :, 0].shape)
    np.testing.assert_allclose(result[:, :, 0], mean, atol=1e-6)


def test_weights_that_meet_no_product_can_only_be_scaled(sequence):
    x = keras.Input((T, D))
    model = keras.Model(x, Own(summed, name="attention")(x))
    rows = array(model(sequence))
    with ll.gate(model, {("attention", 1): 0.5}):
        np.testing.assert_allclose(array(model(sequence))[:, 1], 0.5 * rows[:, 1], atol=1e-6)
    with pytest.raises(GateError, match="no matrix product"), \
            ll.gate(model, {("attention", 0): 0.0}, replace="mean"):  # fmt: skip
        model(sequence)
    np.testing.assert_array_equal(array(model(sequence)), rows)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.filterwarnings("ignore:Even though the `tf.config", "ignore:__array__ impl")
def test_predict_and_fit_are_gated_inside_and_not_afterwards(before, sequence):
    model = model_of("heads")
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.0))
    wanted = without_head(model, 0, sequence)
    if before:
        model.predict(sequence, verbose=0)
        model.fit(sequence, sequence, verbose=0)
    plain = model.predict(sequence, verbose=0) if before else array(model(sequence))
    with ll.gate(model, {("attention", 0): 0.0}):
        got = model.predict(sequence, verbose=0)
        history = model.fit(sequence, sequence, verbose=0)
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    loss = ((wanted - sequence) ** 2).mean()
    assert history.history["loss"][0] == pytest.approx(float(loss), rel=1e-4)
    np.testing.assert_allclose(model.predict(sequence, verbose=0), plain, atol=1e-6)
    after = model.evaluate(sequence, sequence, verbose=0)
    assert after == pytest.approx(float(((plain - sequence) ** 2).mean()), rel=1e-4)


def test_nothing_stays_behind_after_an_error(sequence):
    model = model_of("heads")
    before = [set(vars(layer)) for layer in model._flatten_layers()]
    plain = array(model(sequence))
    with pytest.raises(ZeroDivisionError), ll.gate(model, {("attention", 0): 0.0}):
        1 / 0  # noqa: B018
    with pytest.raises(ValueError), ll.gate(model, {("attention", 0): 0.0}):  # noqa: PT011
        model(sequence[:, :, :3])
    assert [set(vars(layer)) for layer in model._flatten_layers()] == before
    np.testing.assert_array_equal(array(model(sequence)), plain)


def test_a_sweep_is_one_gated_run_after_another(sequence):
    model = model_of("heads")
    gatings = [{("attention", head): 0.0} for head in range(HEADS)]
    for head, result in enumerate(sweep(model, sequence, gatings)):
        np.testing.assert_allclose(array(result), without_head(model, head, sequence), atol=1e-6)


def test_samples_need_as_many_positions(sequence):
    x = keras.Input((None, D))
    model = keras.Model(x, heads()(x, x))
    options = {"replace": "sample", "reference": sequence[:, :4]}
    with (
        pytest.raises(GateError, match="Got a reference of 4 positions for 6 at 'attention'"),
        ll.gate(model, {("attention", 0): 0.0}, **options),
    ):
        model(sequence)


class _ByHand(keras.Model):
    """Takes its own softmax, and closes later keys by a large number."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (layers.Dense(8) for _ in range(3))

    def call(self, x):
        scores = ops.matmul(self.q(x), ops.transpose(self.k(x), (0, 2, 1)))
        later = 1 - ops.cast(ops.tril(ops.ones((5, 5))), "float32")
        return ops.matmul(ops.softmax(scores - 1e9 * later, -1), self.v(x))


class TestUniform:
    """``replace="uniform"``: each query weighs all that it may attend to alike."""

    X = np.random.default_rng(0).normal(size=(3, 5, 8)).astype("float32")

    @pytest.mark.parametrize("grouped", [False, True])
    def test_it_is_a_query_of_zeros(self, grouped):
        x = keras.Input((5, 8))
        kind = (
            layers.GroupQueryAttention(4, 4, 2, name="attention")
            if grouped
            else layers.MultiHeadAttention(4, 4, name="attention")
        )
        model = keras.Model(x, kind(x, x, use_causal_mask=True))
        with ll.gate(model, {("attention", None): 0.0}, replace="uniform"):
            even = array(model(self.X))
        with ll.gate(model, {("attention", None): 1.0}, replace="uniform"):
            plain = array(model(self.X))
        np.testing.assert_array_equal(plain, array(model(self.X)))
        query = kind._query_dense if grouped else kind.query_dense
        for variable in (query.kernel, query.bias):
            variable.assign(np.zeros(variable.shape, "float32"))
        np.testing.assert_array_equal(even, array(model(self.X)))

    def test_of_a_softmax_by_hand(self):
        model = _ByHand()
        values = array(model.v(self.X))
        model(self.X)
        (site,) = (node for node in ll.capture(model, self.X).subtree if node.has_data)
        with ll.gate(model, {(site.attrs["module"], None): 0.0}, replace="uniform"):
            even = array(model(self.X))
        means = np.cumsum(values, 1) / np.arange(1, 6)[None, :, None]
        np.testing.assert_allclose(even, means, atol=1e-6)
