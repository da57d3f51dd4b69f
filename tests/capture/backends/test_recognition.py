"""The shapes people build models in, on every backend."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from limelight.capture import capture
from limelight.errors import UnsupportedModelError

from .conftest import array, modules, own_scores, softmax

T, D = 6, 8


class Native(layers.Layer):
    """Forms its weights with the framework's own softmax."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.query, self.key, self.function = layers.Dense(D), layers.Dense(D), function

    def build(self, shape):
        self.query.build(shape)
        self.key.build(shape)

    def call(self, x):
        logits = ops.matmul(self.query(x), ops.transpose(self.key(x), (0, 2, 1)))
        return ops.matmul(self.function(logits), x)

    def compute_output_shape(self, shape):
        return shape

    def wanted(self, x):
        query, key = array(self.query(x)), array(self.key(x))
        return softmax(query @ key.transpose(0, 2, 1))


def test_a_softmax_bound_early(native_softmax, sequence):
    layer = Native(native_softmax, name="native")
    inputs = keras.Input((T, D))
    site = capture(keras.Model(inputs, layer(inputs)), sequence)["native"]
    np.testing.assert_allclose(site["weights"].values[:, 0], layer.wanted(sequence), atol=1e-6)
    assert site.attrs["kind"] == "self"


class Pooling(layers.Layer):
    """Weighs time steps by a softmax it never returns."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 1), name="w")

    def call(self, x):
        return ops.sum(x * ops.softmax(ops.tanh(ops.matmul(x, self.w)), axis=1), axis=1)

    def wanted(self, x):
        return softmax(np.tanh(x @ array(self.w))[..., 0])


@pytest.mark.parametrize("recurrent", ["LSTM", "GRU"])
def test_pooling_over_a_recurrent_layer(recurrent, ids):
    inputs = keras.Input((T,), dtype="int32")
    steps = getattr(layers, recurrent)(D, return_sequences=True)(layers.Embedding(20, D)(inputs))
    pool = Pooling(name="pool")
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(pool(steps)))
    for _ in range(2):
        site = capture(model, ids)["pool"]
        wanted = pool.wanted(array(keras.Model(inputs, steps)(ids)))
        np.testing.assert_allclose(site["weights"].values[:, 0, 0], wanted, atol=1e-6)
        assert site.attrs["kind"] == "pooling"
        for weight in model.weights:  # a loop compiled before must see the new ones
            weight.assign(weight * 1.5)


def test_a_masked_recurrent_layer(ids):
    inputs = keras.Input((T,), dtype="int32")
    x = layers.Embedding(20, D, mask_zero=True)(inputs)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    site = capture(keras.Model(inputs, layers.Attention(name="attention")([x, x])), ids)
    assert (site["attention"]["key_valid"].values == (ids != 0)).all()


class Heads(layers.Layer):
    """Self-attention written by hand, heads after queries."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.query, self.key = layers.Dense(D), layers.Dense(D)

    def split(self, x):
        return ops.transpose(ops.reshape(x, (-1, x.shape[1], 2, D // 2)), (0, 2, 1, 3))

    def call(self, x):
        query, key, value = (self.split(t) for t in (self.query(x), self.key(x), x))
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / 2.0
        weights = ops.softmax(ops.transpose(scores, (0, 2, 1, 3)))
        weights = ops.transpose(weights, (0, 2, 1, 3))
        return ops.reshape(ops.transpose(weights @ value, (0, 2, 1, 3)), (-1, x.shape[1], D))


def test_hand_written_heads(sequence):
    inputs = keras.Input((T, D))
    layer = Heads(name="heads")
    site = capture(keras.Model(inputs, layer(inputs)), sequence)["heads"]
    query, key = (array(layer.split(d(sequence))) for d in (layer.query, layer.key))
    wanted = softmax(query @ key.transpose(0, 1, 3, 2) / 2)
    np.testing.assert_allclose(site["weights"].values, wanted, atol=1e-6)


# Scopes inside scopes ------------------------------------------------------------------------


def test_time_distributed_attention(native_softmax):
    documents = np.random.default_rng(0).normal(size=(2, 3, T, D)).astype("float32")
    layer = Native(native_softmax, name="words")
    inputs = keras.Input((3, T, D))
    model = keras.Model(inputs, layers.TimeDistributed(layer, name="each")(inputs))
    tree = capture(model, documents)
    assert len(modules(tree)) == 3
    for step, name in enumerate(modules(tree)):
        wanted = layer.wanted(documents[:, step])
        np.testing.assert_allclose(tree[name]["weights"].values[:, 0], wanted, atol=1e-6)


class AttendingCell(layers.Layer):
    """A decoder's step that attends to a fixed memory."""

    def __init__(self, memory, **kwargs):
        super().__init__(**kwargs)
        self.memory, self.state_size, self.output_size = memory, D, D

    def build(self, shape):
        self.w = self.add_weight(shape=(D, D), name="w")

    def call(self, x, states):
        query = ops.matmul(states[0] + x, self.w)
        weights = ops.softmax(ops.einsum("bd,btd->bt", query, self.memory))
        context = ops.einsum("bt,btd->bd", weights, self.memory)
        return context, [context]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("unroll", [False, True])
def test_steps_of_a_recurrent_cell_are_queries(unroll, masked, sequence):
    memory = np.random.default_rng(5).normal(size=(3, T, D)).astype("float32")
    inputs = keras.Input((4, D))
    cell = AttendingCell(memory, name="cell")
    x = layers.Masking(name="masking")(inputs) if masked else inputs
    model = keras.Model(inputs, layers.RNN(cell, return_sequences=True, unroll=unroll)(x))
    steps = sequence[:, :4]
    site = capture(model, steps)["rnn/cell"]
    assert site["weights"].shape == (3, 1, 4, T)
    assert site.attrs["kind"] == "cross"
    state = np.zeros((3, D), "float32")
    for step in range(4):
        wanted = softmax(np.einsum("bd,btd->bt", (state + steps[:, step]) @ array(cell.w), memory))
        np.testing.assert_allclose(site["weights"].values[:, 0, step], wanted, atol=1e-6)
        state = np.einsum("bt,btd->bd", wanted, memory)


class Block(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # Keras' own remat on JAX takes ``training`` for a tensor, so no Dropout runs under it.
        self.attention = layers.MultiHeadAttention(2, 4)
        self.dense = layers.Dense(D)

    def build(self, shape):
        self.attention.build(shape, shape)
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x + self.attention(x, x))

    def compute_output_shape(self, shape):
        return shape  # Keras on TensorFlow cannot trace its own remat to find out


@pytest.mark.parametrize("mode", ["full", "larger_than", "list_of_layers"])
def test_rematerialised_layers(mode, sequence):
    options = {"larger_than": {"output_size_threshold": 1},
               "list_of_layers": {"layer_names": ["first"]}}.get(mode, {})  # fmt: skip
    inputs = keras.Input((T, D))
    with keras.RematScope(mode=mode, **options):
        first, second = Block(name="first"), Block(name="second")
        x = first(inputs)
        model = keras.Model(inputs, second(x))
        _check_blocks(model, first, second, sequence)
        for weight in model.weights:  # what was traced before must see the new ones
            weight.assign(weight * 0.8)
        _check_blocks(model, first, second, sequence)


def _check_blocks(model, first, second, sequence):
    tree = capture(model, sequence)
    assert modules(tree) == [f"{b}/multi_head_attention" for b in ("first", "second")]
    for block, x in ((first, sequence), (second, first(sequence))):
        site = tree[f"{block.name}/multi_head_attention"]
        attention = block.attention  # whose flags Keras' remat on JAX would take for tensors
        query, key = (array(d(x)) for d in (attention._query_dense, attention._key_dense))
        wanted = softmax(np.einsum("bqhd,bkhd->bhqk", query, key) / 2)
        np.testing.assert_allclose(site["weights"].values, wanted, atol=1e-6)
        assert site.attrs["kind"] == "self"


class Rematerialised(layers.Layer):
    """Puts a function of its own under remat."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.block = Block(name="block")
        self.function = keras.remat(self.work)

    def build(self, shape):
        self.block.build(shape)

    def work(self, x):
        return self.block(x) + ops.matmul(
            ops.softmax(ops.matmul(x, ops.transpose(x, (0, 2, 1)))), x
        )

    def call(self, x):
        return self.function(x)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape)


def test_a_rematerialised_function(sequence):
    layer = Rematerialised(name="outer")
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layer(inputs))
    for factor in (1.0, 1.5):
        for weight in model.weights:
            weight.assign(weight * factor)
        tree = capture(model, sequence)
        assert set(modules(tree)) == {"outer/block/multi_head_attention", "outer/softmax"}
        scores = own_scores(layer.block.attention, sequence, sequence)
        inner = tree["outer/block/multi_head_attention"]
        np.testing.assert_allclose(inner["weights"].values, scores, atol=1e-6)
        wanted = softmax(sequence @ sequence.transpose(0, 2, 1))
        np.testing.assert_allclose(tree["outer/softmax"]["weights"].values[:, 0], wanted, atol=1e-6)


class Choosing(layers.Layer):
    """Attends one way or the other, as its input says."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.other = (layers.MultiHeadAttention(2, 4, name=n) for n in ("one", "other"))

    def build(self, shape):
        self.first.build(shape, shape)
        self.other.build(shape, shape)

    def call(self, x):
        return ops.cond(ops.sum(x) > 0, lambda: self.first(x, x), lambda: self.other(x, x))

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape)


def test_a_branch_that_is_taken(sequence):
    inputs = keras.Input((T, D))
    layer = Choosing(name="choosing")
    model = keras.Model(inputs, layer(inputs))
    for sign, taken in ((1, layer.first), (-1, layer.other)):
        x = sign * np.abs(sequence)
        tree = capture(model, x)
        assert modules(tree) == [f"choosing/{taken.name}"]
        scores = own_scores(taken, x, x)
        np.testing.assert_allclose(
            tree[f"choosing/{taken.name}"]["weights"].values, scores, atol=1e-6
        )


class Looping(layers.Layer):
    """Attends again and again inside a loop of the framework."""

    def __init__(self, how, **kwargs):
        super().__init__(**kwargs)
        self.how = how

    def step(self, x):
        return ops.matmul(ops.softmax(ops.matmul(x, ops.transpose(x, (0, 2, 1)))), x) / 10

    def call(self, x):
        if self.how == "scan":
            return ops.scan(lambda carry, _: (self.step(carry), carry), x, length=2)[0]
        if self.how == "while":
            return ops.while_loop(lambda i, _: i < 2, lambda i, x: (i + 1, self.step(x)), (0, x))[1]
        return ops.fori_loop(0, 2, lambda _, x: self.step(x), x)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape)


@pytest.mark.parametrize("how", ["scan", "while", "fori"])
def test_loops_of_the_framework(how, sequence):
    inputs = keras.Input((T, D))
    layer = Looping(how, name="looping")
    tree = capture(keras.Model(inputs, layer(inputs)), sequence)
    assert modules(tree) == ["looping", "looping:1"]
    x = sequence
    for name in modules(tree):
        wanted = softmax(x @ x.transpose(0, 2, 1))
        np.testing.assert_allclose(tree[name]["weights"].values[:, 0], wanted, atol=1e-6)
        x = wanted @ x / 10


# Kinds of model ------------------------------------------------------------------------------


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.embed = layers.Embedding(20, D)
        self.blocks = [Block() for _ in range(2)]
        self.head = keras.Sequential([layers.Dense(3), layers.Softmax()])

    def call(self, ids):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        x = ops.matmul(ops.softmax(ops.einsum("btd,bsd->bts", x, x)), x)
        return self.head(ops.mean(x, axis=1))


@pytest.mark.parametrize("built", [False, True])
def test_a_subclassed_model(built, ids):
    model = Subclassed()
    if built:
        model(ids)
    assert modules(capture(model, ids)) == [
        "block/multi_head_attention",
        "block_1/multi_head_attention",
        "subclassed",  # formed by the model itself
    ]


def test_sequential_and_nested_models(ids):
    inner = keras.Input((T, D))
    encoder = keras.Model(inner, layers.MultiHeadAttention(2, 4, name="mha")(inner, inner))
    model = keras.Sequential(
        [keras.Input((T,)), layers.Embedding(20, D), encoder, Pooling(name="pool")]
    )
    assert modules(capture(model, ids)) == ["functional/mha", "pool"]


def test_plain_layers_of_a_functional_model(sequence):
    inputs = keras.Input((T, D))
    scores = layers.Flatten()(layers.Dense(1, activation="tanh")(inputs))
    weights = layers.Activation("softmax", name="weights")(scores)
    spread = layers.Permute((2, 1))(layers.RepeatVector(D)(weights))
    summed = layers.GlobalAveragePooling1D()(layers.Multiply()([inputs, spread]))
    model = keras.Model(inputs, layers.Dense(T, activation="softmax", name="classes")(summed))
    tree = capture(model, sequence)
    assert modules(tree) == ["weights"]
    expected = array(keras.Model(inputs, weights)(sequence))
    np.testing.assert_allclose(tree["weights"]["weights"].values[:, 0, 0], expected, atol=1e-6)
    assert tree["weights"].attrs["kind"] == "pooling"


def test_dot_layers_make_attention(sequence):
    memory = np.random.default_rng(1).normal(size=(3, 4, D)).astype("float32")
    decoder, encoder = keras.Input((T, D)), keras.Input((4, D))
    scores = layers.Dot(axes=(2, 2))([decoder, encoder])
    weights = layers.Activation("softmax", name="align")(scores)
    context = layers.Dot(axes=(2, 1))([weights, encoder])
    out = layers.Dense(7, activation="softmax")(layers.Concatenate()([context, decoder]))
    tree = capture(keras.Model([decoder, encoder], out), (sequence, memory))
    assert modules(tree) == ["align"]
    assert tree["align"].attrs["kind"] == "cross"
    wanted = softmax(sequence @ memory.transpose(0, 2, 1))
    np.testing.assert_allclose(tree["align"]["weights"].values[:, 0], wanted, atol=1e-6)


class Router(layers.Layer):
    """A mixture of four experts per token."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.gate = layers.Dense(4)
        self.experts = [layers.Dense(D) for _ in range(4)]

    def call(self, x):
        share = ops.softmax(self.gate(x))
        outputs = ops.stack([expert(x) for expert in self.experts], axis=-1)
        return ops.sum(outputs * ops.expand_dims(share, -2), -1)


def routed(last="softmax"):
    inputs = keras.Input((T, D))
    x = layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    x = Router(name="router")(x)
    x = layers.Dense(D, activation="softmax", name="gate")(x)
    x = layers.Dense(D)(layers.Activation("softmax", name="bare")(layers.Dense(T)(x)))
    y = layers.Dense(T)(layers.GlobalAveragePooling1D()(x))
    return keras.Model(inputs, layers.Activation(last, name="classes")(y))


def test_classifiers_routers_and_gates_are_not_attention(sequence):
    assert modules(capture(routed(), sequence)) == ["attention"]


def test_the_user_may_correct_the_guess(sequence):
    model = routed()
    assert modules(capture(model, sequence, include=["router"])) == ["attention", "router"]
    assert modules(capture(model, sequence, include="router", exclude="attention")) == ["router"]
    with pytest.raises(UnsupportedModelError, match="Softmaxes ran in: attention, router"):
        capture(model, sequence, exclude="atention")


class ByHand(layers.Layer):
    def call(self, x):
        raised = ops.exp(ops.matmul(x, ops.transpose(x, (0, 2, 1))))
        return ops.matmul(raised / ops.sum(raised, axis=-1, keepdims=True), x)


def test_weights_of_exponentials_and_their_sum(sequence):
    inputs = keras.Input((T, D))
    x = sequence / 3
    model = keras.Model(inputs, ByHand(name="by_hand")(inputs))
    if keras.backend.backend() != "jax":
        with pytest.raises(UnsupportedModelError, match=r"by_hand.*keras\.ops\.softmax"):
            capture(model, x)
        return
    wanted = softmax(x @ x.transpose(0, 2, 1))
    site = capture(model, x)["by_hand"]
    np.testing.assert_allclose(site["weights"].values[:, 0], wanted, atol=1e-6)


def test_a_model_without_attention_says_what_it_has(sequence):
    inputs = keras.Input((T, D))
    x = layers.LSTM(4, name="lstm")(inputs)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="classes")(x), name="m")
    with pytest.raises(UnsupportedModelError) as caught:
        capture(model, sequence)
    assert (
        "its layers that ran: lstm, classes. Softmaxes that are not attention: 'classes' (Dense)"
        in str(caught.value)
    )
