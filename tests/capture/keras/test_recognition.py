"""Which softmaxes are attention, in the shapes people build models."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from limelight.capture import Probe, capture
from limelight.errors import ProbeError, UnsupportedModelError

T, D = 6, 8


def softmax(logits, axis=-1):
    shifted = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return shifted / shifted.sum(axis=axis, keepdims=True)


def modules(tree):
    """Paths of a tree's sites, in the order they ran."""
    sites = [node for node in tree.subtree if node.has_data]
    return [n.attrs["module"] for n in sorted(sites, key=lambda n: n.attrs["order"])]


class Pooling(layers.Layer):
    """Weighs time steps by a softmax it never returns."""

    how = staticmethod(lambda e: tf.nn.softmax(e, axis=1))

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 1), name="att_weight")
        self.b = self.add_weight(shape=(shape[1], 1), name="att_bias", initializer="zeros")

    def call(self, x):
        scores = tf.tanh(tf.matmul(x, self.w) + self.b)
        return ops.sum(x * self.how(scores), axis=1)


class PoolingFlat(Pooling):
    """The same on [example, position]."""

    def call(self, x):
        scores = ops.squeeze(ops.tanh(ops.matmul(x, self.w) + self.b), axis=-1)
        return ops.sum(x * ops.expand_dims(ops.softmax(scores), -1), axis=1)


class PoolingFunction(Pooling):
    """Hidden in a compiled function."""

    @tf.function
    def call(self, x):
        scores = tf.tanh(tf.matmul(x, self.w) + self.b)
        return tf.reduce_sum(x * tf.nn.softmax(scores, axis=1), axis=1)


class PoolingKeras(Pooling):
    how = staticmethod(lambda e: keras.activations.softmax(e, axis=1))


class PoolingLayer(Pooling):
    def build(self, shape):
        super().build(shape)
        self.softmax = layers.Softmax(axis=1)

    def call(self, x):
        return ops.sum(x * self.softmax(ops.tanh(ops.matmul(x, self.w) + self.b)), axis=1)


class PoolingBoth(Pooling):
    """Returns the weights beside the result."""

    def call(self, x):
        weights = tf.nn.softmax(tf.tanh(tf.matmul(x, self.w) + self.b), axis=1)
        return tf.reduce_sum(x * weights, axis=1), weights


POOLINGS = [Pooling, PoolingFlat, PoolingFunction, PoolingKeras, PoolingLayer, PoolingBoth]


@pytest.mark.parametrize("kind", POOLINGS)
def test_a_custom_pooling_layer_is_seen(kind, ids):
    inputs = keras.Input((T,), dtype="int32")
    lstm = layers.LSTM(5, return_sequences=True)
    pool = kind(name="pool")
    hidden = lstm(layers.Embedding(20, D)(inputs))
    out = pool(hidden)
    out = out[0] if isinstance(out, (list, tuple)) else out
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(out))
    site = capture(model, ids)["pool"]
    steps = keras.Model(inputs, hidden)(ids).numpy()
    wanted = softmax(np.tanh(steps @ pool.w.numpy() + pool.b.numpy())[..., 0])
    assert site["weights"].shape == (3, 1, 1, T)
    np.testing.assert_allclose(site["weights"].values[:, 0, 0], wanted, atol=1e-6)
    assert site.attrs["kind"] == "pooling"
    assert site.attrs["module_class"] == kind.__name__


def test_the_tutorial_pattern_of_plain_layers(sequence):
    """Dense(1) → Flatten → softmax → RepeatVector → Permute → Multiply."""
    inputs = keras.Input((T, D))
    scores = layers.Flatten()(layers.Dense(1, activation="tanh")(inputs))
    weights = layers.Activation("softmax", name="weights")(scores)
    spread = layers.Permute((2, 1))(layers.RepeatVector(D)(weights))
    summed = layers.Lambda(lambda t: ops.sum(t, axis=1))(layers.Multiply()([inputs, spread]))
    model = keras.Model(inputs, layers.Dense(T, activation="softmax", name="classes")(summed))
    tree = capture(model, sequence)
    assert list(tree.children) == ["weights"]
    expected = keras.Model(inputs, weights)(sequence).numpy()
    np.testing.assert_array_equal(tree["weights"]["weights"].values[:, 0, 0], expected)
    assert tree["weights"].attrs["kind"] == "pooling"


def test_a_softmax_layer_over_axis_one(sequence):
    inputs = keras.Input((T, D))
    weights = layers.Softmax(axis=1, name="weights")(layers.Dense(1)(inputs))
    model = keras.Model(inputs, layers.Dot(axes=1)([weights, inputs]))
    tree = capture(model, sequence)
    expected = keras.Model(inputs, weights)(sequence).numpy()[..., 0]
    np.testing.assert_array_equal(tree["weights"]["weights"].values[:, 0, 0], expected)


def test_an_operation_in_a_functional_graph(sequence):
    inputs = keras.Input((T, D))
    weights = ops.softmax(ops.squeeze(layers.Dense(1)(inputs), -1), axis=-1)
    model = keras.Model(inputs, ops.einsum("bt,btd->bd", weights, inputs))
    tree = capture(model, sequence)
    assert list(tree.children) == ["softmax"]
    assert tree["softmax"].attrs["kind"] == "pooling"


def test_dot_layers_make_attention(sequence):
    """Dot → softmax → Dot, as in tutorials on translation."""
    memory = np.random.default_rng(1).normal(size=(3, 5, D)).astype("float32")
    decoder, encoder = keras.Input((T, D)), keras.Input((5, D))
    scores = layers.Dot(axes=(2, 2))([decoder, encoder])
    weights = layers.Activation("softmax", name="align")(scores)
    context = layers.Dot(axes=(2, 1))([weights, encoder])
    out = layers.Dense(7, activation="softmax")(layers.Concatenate()([context, decoder]))
    tree = capture(keras.Model([decoder, encoder], out), (sequence, memory))
    assert list(tree.children) == ["align"]
    assert tree["align"].attrs["kind"] == "cross"
    wanted = softmax(sequence @ memory.transpose(0, 2, 1))
    np.testing.assert_allclose(tree["align"]["weights"].values[:, 0], wanted, atol=1e-6)


def test_weights_that_are_also_an_output_still_count(sequence):
    inputs = keras.Input((T, D))
    weights = layers.Softmax(axis=1, name="weights")(layers.Dense(1)(inputs))
    pooled = layers.Dot(axes=1)([weights, inputs])
    model = keras.Model(inputs, [layers.Dense(2, activation="softmax")(pooled), weights])
    assert list(capture(model, sequence).children) == ["weights"]


class Heads(layers.Layer):
    """Self-attention written by hand, heads split by reshaping."""

    def __init__(self, after=False, **kwargs):
        super().__init__(**kwargs)
        self.query, self.key = layers.Dense(D), layers.Dense(D)
        self.after = after

    def split(self, x):
        return ops.transpose(ops.reshape(x, (-1, x.shape[1], 2, D // 2)), (0, 2, 1, 3))

    def call(self, x):
        query, key, value = (self.split(t) for t in (self.query(x), self.key(x), x))
        scores = query @ ops.transpose(key, (0, 1, 3, 2)) / 2.0
        if self.after:  # [example, query, head, key]
            weights = ops.softmax(ops.transpose(scores, (0, 2, 1, 3)))
            weights = ops.transpose(weights, (0, 2, 1, 3))
        else:
            weights = ops.softmax(scores)
        return ops.reshape(ops.transpose(weights @ value, (0, 2, 1, 3)), (-1, x.shape[1], D))


@pytest.mark.parametrize("after", [False, True])
def test_hand_written_heads(after, sequence):
    inputs = keras.Input((T, D))
    layer = Heads(after, name="heads")
    model = keras.Model(inputs, layer(inputs))
    site = capture(model, sequence)["heads"]
    query, key = (layer.split(d(sequence)).numpy() for d in (layer.query, layer.key))
    wanted = softmax(query @ key.transpose(0, 1, 3, 2) / 2)
    assert site.attrs["kind"] == "self"
    np.testing.assert_allclose(site["weights"].values, wanted, atol=1e-6)


class ScaledDot(layers.Layer):
    def call(self, query, key, value, hidden_mask=None):
        scores = query @ ops.transpose(key, (0, 1, 3, 2))
        if hidden_mask is not None:
            scores = scores + (1.0 - ops.cast(hidden_mask, "float32")) * -1e4
        return ops.softmax(scores) @ value


class OuterHeads(Heads):
    """Hands split heads on to a layer of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = ScaledDot()

    def call(self, x, hidden_mask=None):
        split = [self.split(t) for t in (self.query(x), self.key(x), x)]
        return ops.reshape(self.inner(*split, hidden_mask=hidden_mask), (-1, x.shape[1], D))


def test_a_layer_inside_a_layer_and_an_old_style_mask(sequence):
    inputs, mask = keras.Input((T, D)), keras.Input((1, 1, T))
    model = keras.Model([inputs, mask], OuterHeads(name="outer")(inputs, hidden_mask=mask))
    allowed = np.ones((3, 1, 1, T), "float32")
    allowed[1, ..., 4:] = 0
    tree = capture(model, (sequence, allowed))
    site = tree["outer/scaled_dot"]
    assert site.attrs["kind"] == "self"
    assert (site["allowed"].values == (np.ones((3, T, 1), bool) & (allowed[:, 0] > 0))).all()
    assert (site["key_valid"].values == (allowed[:, 0, 0] > 0)).all()


class Hops(layers.Layer):
    """Three softmaxes over time at once."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 3), name="w")

    def call(self, x):
        weights = ops.softmax(ops.matmul(x, self.w), axis=1)
        return ops.einsum("btk,btd->bkd", weights, x)


def test_several_poolings_at_once_are_heads(sequence):
    inputs = keras.Input((T, D))
    layer = Hops(name="hops")
    site = capture(keras.Model(inputs, layer(inputs)), sequence)["hops"]
    wanted = softmax(sequence @ layer.w.numpy(), axis=1).transpose(0, 2, 1)[:, :, None]
    assert site.attrs["kind"] == "pooling"
    np.testing.assert_allclose(site["weights"].values, wanted, atol=1e-6)


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


def test_classifiers_routers_and_gates_are_not_attention(sequence):
    inputs = keras.Input((T, D))
    x = layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    x = Router(name="router")(x)
    x = layers.Dense(D, activation="softmax", name="gate")(x)
    x = layers.Activation("softmax", name="bare")(layers.Dense(T)(x))  # as wide as it is long
    x = layers.Dense(D)(x)
    x = layers.GlobalAveragePooling1D()(x)
    y = layers.Softmax(name="classes")(layers.Dense(T)(x))
    tree = capture(keras.Model(inputs, [y, x]), sequence)
    assert list(tree.children) == ["attention"]


def test_span_extraction_outputs_are_not_attention(sequence):
    inputs = keras.Input((T, D))
    x = layers.Attention(name="attention")([inputs, inputs])
    start = layers.Softmax(name="start")(layers.Flatten()(layers.Dense(1)(x)))
    end = layers.Softmax(name="end")(layers.Flatten()(layers.Dense(1)(x)))
    tree = capture(keras.Model(inputs, [start, end]), sequence)
    assert list(tree.children) == ["attention"]


def test_the_user_may_correct_the_guess(sequence):
    inputs = keras.Input((T, D))
    x = layers.Attention(name="attention")([inputs, inputs])
    # Width T over features, straight from a dense layer: an old way to weigh time steps.
    weights = layers.Dense(T, activation="softmax", name="per_feature")(layers.Permute((2, 1))(x))
    model = keras.Model(inputs, layers.Multiply()([x, layers.Permute((2, 1))(weights)]))
    assert list(capture(model, sequence).children) == ["attention"]
    both = capture(model, sequence, include=["per_*"])
    assert list(both.children) == ["attention", "per_feature"]
    assert both["per_feature"]["weights"].shape == (3, 1, D, T)
    assert list(capture(model, sequence, include="per_*", exclude="attention").children) == [
        "per_feature"
    ]


def test_a_correction_must_name_a_softmax(sequence):
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layers.Attention(name="attention")([inputs, inputs]))
    with pytest.raises(UnsupportedModelError) as caught:
        capture(model, sequence, exclude=["atention"])
    assert str(caught.value) == (
        "Got exclude='atention', where no softmax ran. Softmaxes ran in: attention. "
        "Name one of these."
    )


# Kinds of model ------------------------------------------------------------------------------


class Block(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(2, 4)
        self.dense = layers.Dense(D)

    def call(self, x):
        return self.dense(x + self.attention(x, x))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.embed = layers.Embedding(20, D)
        self.blocks = [Block() for _ in range(2)]
        self.head = keras.Sequential([layers.Dense(3), layers.Softmax()])
        self.temperature = self.add_weight(shape=(), name="temperature", initializer="ones")

    def call(self, ids):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        scores = ops.einsum("btd,bsd->bts", x, x) * self.temperature
        x = ops.softmax(scores) @ x
        return self.head(ops.mean(x, axis=1))


def test_a_subclassed_model(ids):
    model = Subclassed()
    model(ids)
    tree = capture(model, ids)
    kinds = {node.path[1:]: node.attrs["kind"] for node in tree.subtree if node.has_data}
    assert kinds == {
        "block/multi_head_attention": "self",
        "block_1/multi_head_attention": "self",
        "subclassed": "self",  # formed by the model itself
    }
    assert modules(tree) == [
        "block/multi_head_attention",
        "block_1/multi_head_attention",
        "subclassed",
    ]


def test_sequential_and_nested_models(ids):
    inner = keras.Input((T, D))
    encoder = keras.Model(inner, layers.MultiHeadAttention(2, 4, name="mha")(inner, inner))
    model = keras.Sequential(
        [keras.Input((T,)), layers.Embedding(20, D), encoder, Pooling(name="pool")]
    )
    encoder_name = "functional"
    tree = capture(model, ids)
    assert modules(tree) == [
        f"{encoder_name}/mha",
        "pool",
    ]


def test_a_layer_called_twice_has_two_sites(sequence):
    inputs = keras.Input((T, D))
    layer = layers.MultiHeadAttention(2, 4, name="shared")
    once = layer(inputs, inputs)
    tree = capture(keras.Model(inputs, layer(once, once)), sequence)
    assert list(tree.children) == ["shared", "shared:1"]
    assert tree["shared:1"].attrs["module"] == "shared:1"


def test_a_site_around_another_site(ids):
    class Outer(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = layers.Attention(name="inner")

        def call(self, x):
            x = self.inner([x, x])
            return ops.sum(x * ops.softmax(x[:, :, :1], axis=1), axis=1)

    inputs = keras.Input((T, D))
    tree = capture(keras.Model(inputs, Outer(name="outer")(inputs)), np.ones((2, T, D), "float32"))
    assert modules(tree) == [
        "outer/inner",
        "outer/softmax",
    ]


class AttendingCell(layers.Layer):
    """A decoder's step that attends to a fixed memory."""

    def __init__(self, memory, **kwargs):
        super().__init__(**kwargs)
        self.memory, self.state_size, self.output_size = memory, D, D

    def build(self, shape):
        self.w = self.add_weight(shape=(D, D), name="w")

    def call(self, x, states):
        query = ops.matmul(states[0] + x, self.w)
        scores = ops.einsum("bd,btd->bt", query, ops.cast(self.memory, query.dtype))
        weights = ops.softmax(scores)
        context = ops.einsum("bt,btd->bd", weights, self.memory)
        return context, [context]


@pytest.mark.parametrize("unroll", [False, True])
def test_steps_of_a_recurrent_cell_are_queries(unroll, sequence):
    memory = np.random.default_rng(5).normal(size=(3, T, D)).astype("float32")
    inputs = keras.Input((4, D))
    cell = AttendingCell(memory, name="cell")
    model = keras.Model(inputs, layers.RNN(cell, return_sequences=True, unroll=unroll)(inputs))
    steps = sequence[:, :4]
    site = capture(model, steps)["rnn/cell"]
    assert site["weights"].shape == (3, 1, 4, T)
    assert site.attrs["kind"] == "cross"
    state = np.zeros((3, D), "float32")
    for step in range(4):
        wanted = softmax(np.einsum("bd,btd->bt", (state + steps[:, step]) @ cell.w.numpy(), memory))
        np.testing.assert_allclose(site["weights"].values[:, 0, step], wanted, atol=1e-6)
        state = np.einsum("bt,btd->bd", wanted, memory)


def test_time_distributed_models(sequence):
    documents = np.random.default_rng(0).normal(size=(2, 3, T, D)).astype("float32")
    words = keras.Input((T, D))
    reader = keras.Model(words, Pooling(name="words")(words), name="reader")
    inputs = keras.Input((3, T, D))
    model = keras.Model(
        inputs, Pooling(name="sentences")(layers.TimeDistributed(reader, name="each")(inputs))
    )
    tree = capture(model, documents)
    assert list(tree.children) == ["each", "sentences"]
    assert modules(tree) == [
        "each/reader/words",
        "each/reader/words:1",
        "each/reader/words:2",
        "sentences",
    ]


def test_one_layer_alone(sequence):
    layer = layers.MultiHeadAttention(2, 4, name="alone")
    layer(sequence, sequence)
    tree = capture(layer, (sequence, sequence))
    assert list(tree.children) == ["alone"]


def test_lambda_with_plain_tensorflow(sequence):
    inputs = keras.Input((T, D))
    attend = layers.Lambda(
        lambda pair: tf.nn.softmax(pair[0] @ tf.transpose(pair[1], (0, 2, 1))) @ pair[1],
        name="attend",
        output_shape=(T, D),
    )
    tree = capture(keras.Model(inputs, attend([inputs, inputs])), sequence)
    wanted = softmax(sequence @ sequence.transpose(0, 2, 1))
    np.testing.assert_allclose(tree["attend"]["weights"].values[:, 0], wanted, atol=1e-6)
    assert tree["attend"].attrs["kind"] == "self"


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Keras' own, while saving
def test_reloaded_model(tmp_path, sequence):
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        capture(again, sequence)["attention"]["weights"].values,
        capture(model, sequence)["attention"]["weights"].values,
    )


# Tokens, layouts, inputs ---------------------------------------------------------------------


def test_tokens_name_positions_and_padding(ids):
    inputs = keras.Input((T,), dtype="int32")
    x = layers.Embedding(20, D)(inputs)  # knows nothing of padding
    model = keras.Model(inputs, layers.Attention(name="attention")([x, x]))
    words = ["", *(f"w{n}" for n in range(1, 20))]
    site = capture(model, ids, tokens=words)["attention"]
    assert site["key_token"].values[1].tolist() == [words[n] for n in ids[1]]
    assert site["query_token"].values[1].tolist() == [words[n] for n in ids[1]]
    assert (site["key_valid"].values == (ids != 0)).all()
    assert (site["query_valid"].values == (ids != 0)).all()
    assert site["allowed"].values.all()


def test_tokens_of_one_input_do_not_name_the_other(ids):
    source, target = keras.Input((T,), dtype="int32"), keras.Input((T,), dtype="int32")
    embed = layers.Embedding(20, D)
    encoded = layers.LSTM(D, return_sequences=True)(embed(source))
    decoded = layers.LSTM(D, return_sequences=True)(layers.Embedding(20, D)(target))
    model = keras.Model([source, target], layers.Attention(name="attention")([decoded, encoded]))
    site = capture(model, (ids, ids), tokens=lambda n: f"w{n}")["attention"]
    assert "key_token" in site
    assert "query_token" not in site


def test_layout_reaches_the_site():
    images = np.random.default_rng(0).random((2, 4, 3)).astype("float32")
    inputs = keras.Input((4, 3))
    x = layers.Reshape((12, 1))(inputs)
    model = keras.Model(inputs, layers.Attention(name="attention")([x, x]))
    site = capture(model, images, layout=(4, 3))["attention"]
    assert site.attrs["query_layout"] == site.attrs["key_layout"] == (4, 3)


def test_dict_inputs(ids):
    first = keras.Input((T,), name="words", dtype="int32")
    second = keras.Input((T,), name="kinds", dtype="int32")
    x = layers.Embedding(20, D)(first) + layers.Embedding(20, D)(second)
    model = keras.Model(
        {"words": first, "kinds": second}, layers.Attention(name="attention")([x, x])
    )
    site = capture(model, {"words": ids, "kinds": ids * 0}, tokens=lambda n: f"w{n}")["attention"]
    assert site["key_token"].values[0, 0] == f"w{ids[0, 0]}"


# Refusals ------------------------------------------------------------------------------------


def test_a_model_without_attention_says_what_it_has(sequence):
    inputs = keras.Input((T, D))
    x = layers.LSTM(4, name="lstm")(inputs)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="classes")(x), name="m")
    with pytest.raises(UnsupportedModelError) as caught:
        capture(model, sequence)
    assert str(caught.value) == (
        "No attention was seen in the model 'm'; its layers that ran: lstm, classes. Softmaxes "
        "that are not attention: 'classes' (Dense): a Dense layer's softmax is its own output. "
        "Wanted Attention, AdditiveAttention, MultiHeadAttention, or a layer that takes a softmax "
        "over positions. If a layer forms weights with exp() and sum(), let it use "
        "keras.ops.softmax."
    )


def test_a_hand_made_softmax_is_refused_with_the_way_out(sequence):
    class ByHand(layers.Layer):
        def call(self, x):
            weights = ops.exp(x[..., :1])
            return ops.sum(x * weights / ops.sum(weights, axis=1, keepdims=True), axis=1)

    inputs = keras.Input((T, D))
    with pytest.raises(UnsupportedModelError, match=r"by_hand.*keras\.ops\.softmax"):
        capture(keras.Model(inputs, ByHand()(inputs)), sequence)


def test_an_exported_model_is_refused_with_the_way_out(sequence, tmp_path):
    class Exported(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, T, D))])
        def attend(self, x):
            return tf.nn.softmax(x @ tf.transpose(x, (0, 2, 1))) @ x

    tf.saved_model.save(Exported(), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layers.Lambda(loaded.attend, output_shape=(T, D))(inputs))
    with pytest.raises(UnsupportedModelError, match=r"compiled functions.*not an exported one"):
        capture(model, sequence)


def test_a_model_that_is_not_built_yet(ids):
    keras.utils.set_random_seed(2)
    late = Subclassed()
    assert len(modules(capture(late, ids))) == 3
    keras.utils.set_random_seed(2)
    called = Subclassed()
    called(ids)
    for variable, other in zip(late.weights, called.weights, strict=True):
        np.testing.assert_array_equal(variable.numpy(), other.numpy())


def test_inputs_that_do_not_fit(sequence):
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layers.Attention()([inputs, inputs]), name="m")
    with pytest.raises(ProbeError) as caught:
        capture(model, sequence[:, :, :5])
    text = str(caught.value)
    assert text.startswith("The model 'm' refused inputs of shape [3, 6, 5]: ")
    assert "Wanted 1 input(s) of shape (None, 6, 8)." in text
    assert text.endswith("Pass a few examples prepared as for model.predict, such as x[:8].")


def test_something_that_is_no_model():
    with pytest.raises(UnsupportedModelError) as caught:
        capture("model.keras", np.ones((1, 2)))
    assert str(caught.value) == (
        "Got a builtins.str. Wanted a live model: a keras.Model of Keras 3, or a torch.nn.Module. "
        "Pass the live model object itself."
    )


def test_an_unknown_backend_is_named(sequence, monkeypatch):
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layers.Attention()([inputs, inputs]))
    monkeypatch.setattr(keras.backend, "backend", lambda: "openvino")
    with pytest.raises(UnsupportedModelError, match=r"'openvino'.*tensorflow, jax or torch"):
        capture(model, sequence)


def test_tokens_belong_to_the_probe(sequence):
    with pytest.raises(ProbeError, match="Give tokens and layout to the Probe"):
        capture(None, Probe(sequence), tokens=["a"])


def test_inside_a_traced_function(sequence):
    inputs = keras.Input((T, D))
    model = keras.Model(inputs, layers.Attention()([inputs, inputs]))

    @tf.function(autograph=False)
    def traced():
        capture(model, sequence)
        return tf.constant(0)

    with pytest.raises(UnsupportedModelError, match=r"outside tf\.function"):
        traced()


def test_included_softmaxes_that_cannot_be_read_say_why(sequence):
    class Folded(layers.Layer):
        def call(self, x):
            rows = ops.reshape(x, (-1, 8))
            return ops.reshape(ops.softmax(rows @ ops.transpose(rows)) @ rows, ops.shape(x))

    inputs = keras.Input((6, 8))
    model = keras.Model(inputs, Folded(name="folded")(inputs))
    with pytest.raises(UnsupportedModelError) as caught:
        capture(model, sequence, include="folded")
    assert str(caught.value) == (
        "Got include= for the softmax in 'folded': its shape is [18, 18], which does not begin "
        "with the 3 examples. Wanted a softmax that reads as [example, …, query, key]. Leave it "
        "out, or put the examples on the first axis."
    )
