"""Which axis is which is followed, not guessed from lengths, on every backend."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

import limelight as ll
from limelight.capture import capture
from limelight.errors import GateError, UnsupportedModelError

from . import changing, looping, others, published
from .architectures import ROWS, built
from .conftest import array, modules, softmax

#: They enter their models into the table.
TABLES = (looping, published, changing, others)

#: JAX compiles every operation of every shape, which takes half a second a model.
SLOW = keras.backend.backend() == "jax"

#: Rows of which another reading remains.
READINGS = {"words of sentences"}


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # a memory of one
@pytest.mark.parametrize("name", list(ROWS)[:: 6 if SLOW else 1])
def test_models_written_by_hand(name):
    row = ROWS[name]
    model, inputs, layer = built(row)
    if row.sites is None:
        with pytest.raises(UnsupportedModelError, match=row.reason or "No attention"):
            capture(model, inputs)
        return
    tree = capture(model, inputs)
    assert {path: tree[path].attrs["kind"] for path in modules(tree)} == row.sites
    for path in row.sites:
        site = tree[path]
        parts = [array(part) for part in layer.right[path]]
        together = len(parts) > 1 and parts[0].shape[0] == 1
        right = np.concatenate(parts, axis=0 if together else 2)
        assert site["weights"].shape == right.shape
        np.testing.assert_allclose(site["weights"].values, right, atol=1e-6)
        stage = site.attrs.get("stage", "")
        assert stage == row.stage or (row.stage[-3:] == "..." and stage.startswith(row.stage[:-3]))
        assert "reading" not in site.attrs or name in READINGS


# Sizes that coincide -------------------------------------------------------------------------


class Chance(keras.layers.Layer):
    """Attention of a form that chance decides: axes in any order, sizes that coincide."""

    def __init__(self, seed, **options):
        super().__init__(**options)
        rng = np.random.default_rng(seed)
        self.sizes = {axis: int(rng.integers(2, 5)) for axis in "bhqkd"}
        self.headed, self.learned = bool(rng.integers(2)), bool(rng.integers(2))
        axes = "bhqk" if self.headed else "bqk"
        self.order = "".join(rng.permutation(list(axes)))
        self.how = ["einsum", "matmul", "sum"][int(rng.integers(3))]
        self.shared = self.headed and bool(rng.integers(2))  # one map of values for all heads
        size = self.sizes
        self.width = size["d"] * (size["h"] if self.headed else 1)
        self.kernels = {name: rng.normal(size=(5, self.width)).astype("float32") for name in "qkv"}
        self.rows = rng.normal(size=(size["q"], 5)).astype("float32")

    def build(self, *shapes):
        def weight(name, values):
            return self.add_weight(shape=values.shape, name=name,
                                   initializer=keras.initializers.Constant(0))  # fmt: skip

        self.made = {name: weight(name, values) for name, values in self.kernels.items()}
        self.latents = weight("latents", self.rows)

    def set(self):
        for name, variable in self.made.items():
            variable.assign(self.kernels[name])
        self.latents.assign(self.rows)

    def heads(self, x, letter):
        if not self.headed:
            return x
        return ops.reshape(x, (*x.shape[:-1], self.sizes["h"], self.sizes["d"]))

    def call(self, x, asked):
        rows = ops.convert_to_tensor(self.latents) if self.learned else asked
        q = self.heads(rows @ ops.convert_to_tensor(self.made["q"]), "q")
        k, v = (self.heads(x @ ops.convert_to_tensor(self.made[n]), n) for n in "kv")
        h = "h" if self.headed else ""
        left = f"q{h}d" if self.learned else f"bq{h}d"
        scores = self.scores(q, k, left, f"bk{h}d")
        w = ops.softmax(scores, axis=self.order.index("k"))
        if self.shared:
            return ops.einsum(f"{self.order},bkd->bqd", w, v[:, :, 0])
        return ops.einsum(f"{self.order},bk{h}d->bq{h}d", w, v)

    def scores(self, q, k, left, right):
        if self.how == "einsum":
            return ops.einsum(f"{left},{right}->{self.order}", q, k)
        both = "bhqk" if self.headed else "bqk"
        if self.how == "matmul":
            q = ops.einsum(f"{left}->{left.replace('q', '').replace('d', '')}qd", q)
            k = ops.einsum(f"{right}->{both[:-2]}dk", k)
            scores = ops.matmul(q, k)
        else:  # products of every query with every key, summed over features
            wide = f"{both}d"
            spread = [
                ops.reshape(
                    ops.einsum(f"{names}->{''.join(a for a in wide if a in names)}", t),
                    [self.sizes[a] if a in names else 1 for a in wide],
                )
                for names, t in ((left, q), (right, k))
            ]
            scores = ops.sum(spread[0] * spread[1], axis=-1)
        return ops.transpose(scores, [both.index(axis) for axis in self.order])

    def wanted(self, x, asked):
        rows = self.rows if self.learned else asked
        q, k = rows @ self.kernels["q"], x @ self.kernels["k"]
        if self.learned:
            q = np.broadcast_to(q, (len(x), *q.shape))
        q, k = (t.reshape(*t.shape[:2], -1, self.sizes["d"]) for t in (q, k))
        return softmax(np.einsum("bqhd,bkhd->bhqk", q, k))


@pytest.mark.parametrize("seed", range(3 if SLOW else 40))
def test_attention_of_any_form(seed):
    layer = Chance(seed, name="chance")
    rng, size = np.random.default_rng(seed), layer.sizes
    x, asked = (rng.normal(size=(size["b"], size[a], 5)).astype("float32") for a in "kq")
    layer(x, asked)
    layer.set()
    site = capture(layer, (x, asked))["chance"]
    np.testing.assert_allclose(site["weights"].values, layer.wanted(x, asked), atol=2e-6)
    assert site.attrs["kind"] == "cross"
    assert "reading" not in site.attrs


# Gates ---------------------------------------------------------------------------------------

HEADED = [
    "4 heads, 4 latents", "2 heads, 5 latents", "heads after queries", "heads before examples",
    "heads folded into examples", "shared keys and values", "additive heads", "hops", "windows",
    "positions first", "keys before queries", "Bahdanau", "example by example",
    "two scores of one memory", "class query of an image",
]  # fmt: skip


@pytest.mark.parametrize("name", HEADED[:: 4 if SLOW else 1])
def test_gates_act_on_the_heads_that_are_shown(name):
    model, inputs, layer = built(ROWS[name])
    model(inputs)
    before = {path: [array(part) for part in parts] for path, parts in layer.right.items()}
    path = list(before)[-1]
    first = before[path][0]
    for head in {0, first.shape[1] - 1}:
        with ll.gate(model, {(path, head): 0.25}):
            model(inputs)
        for site, parts in layer.right.items():
            wanted = before[site][0].copy()
            wanted[:, head] *= 0.25 if site == path else 1
            np.testing.assert_allclose(array(parts[0]), wanted, atol=1e-6)


def test_each_example_has_a_gate_wherever_examples_lie():
    model, inputs, layer = built(ROWS["heads before examples"])
    model(inputs)
    gates = np.random.default_rng(1).random((3, 2)).astype("float32")
    wanted = array(layer.right["layer"][0]) * gates[:, :, None, None]
    with ll.gate(model, {"layer": gates}):
        model(inputs)
    np.testing.assert_allclose(array(layer.right["layer"][0]), wanted, atol=1e-6)


def test_heads_that_are_mixed_afterwards_are_not_gated():
    model, inputs, _ = built(ROWS["talking heads"])
    with pytest.raises(GateError, match="mixing of heads"), ll.gate(model, {("layer", 0): 0.0}):
        model(inputs)


# What the user says --------------------------------------------------------------------------


def test_channels_are_included_as_features_and_bear_no_words():
    model, inputs, _ = built(ROWS["as many channels as positions"])
    words = [[f"w{n}" for n in range(8)]] * 3
    site = capture(model, ll.Probe(inputs, tokens=words, include="layer"))["layer"]
    assert site.attrs["kind"] == "feature"
    assert not {"query_token", "key_token"} & set(site.variables)


def test_slots_are_included_as_shares_of_what_they_compete_for():
    model, inputs, _ = built(ROWS["slots"])
    for options in ({"include": "layer"}, {"axes": {"layer": ("example", "query", "key")}}):
        site = capture(model, inputs, **options)["layer"]
        assert site["weights"].shape == (3, 1, 6, 6)
        np.testing.assert_allclose(site["weights"].sum("key").values, 1, atol=1e-4)
        assert (site.attrs["kind"], site.attrs["stage"]) == ("cross", "after renormalisation")


class Sequence(keras.Model):
    """Takes positions first; a layer reads them."""

    def __init__(self):
        super().__init__(name="sequence")
        self.query = keras.layers.Dense(8)

    def call(self, x):
        self.right = ops.softmax(ops.einsum("qbd,kbd->qbk", self.query(x), x))
        return ops.einsum("qbk,kbd->qbd", self.right, x)


def test_examples_lie_where_the_user_says():
    model, x = Sequence(), np.random.default_rng(2).normal(size=(3, 3, 8)).astype("float32")
    model(x)
    with pytest.raises(UnsupportedModelError, match="examples"):
        capture(model, x)
    site = capture(model, x, axes={"inputs": 1})["sequence"]
    right = array(model.right).transpose(1, 0, 2)[:, None]
    np.testing.assert_allclose(site["weights"].values, right, atol=1e-6)


def test_a_graph_is_one_example():
    model, x = Sequence(), np.random.default_rng(2).normal(size=(5, 1, 8)).astype("float32")
    site = capture(model, x, axes={"inputs": None})["sequence"]
    np.testing.assert_allclose(site["weights"].values[0, 0], array(model.right)[:, 0], atol=1e-6)


def test_what_an_axis_counts_is_listed_of_every_softmax():
    model, inputs, _ = built(ROWS["heads before examples"])
    (row,) = ll.sites(model, inputs)
    assert row.axes == ("head", "example", "query", "key")
    assert (row.kind, row.reading, row.stage) == ("self", "", "")
    model, inputs, _ = built(ROWS["capsules"])
    (row,) = ll.sites(model, inputs)
    assert row.kind is None
    assert "another axis" in row.reason


def test_a_decoder_of_shared_layers_in_a_graph_is_one_map():
    layers = keras.layers
    memory, state = keras.Input((6, 8)), keras.Input((8,))
    score, weigh = layers.Dense(1), layers.Softmax(axis=1, name="weigh")
    repeat, join, attend, step = (
        layers.RepeatVector(6), layers.Concatenate(), layers.Dot(axes=1), layers.Dense(8),
    )  # fmt: skip
    now, right = state, []
    for _ in range(4):
        weights = weigh(score(join([memory, repeat(now)])))
        right.append(weights)
        now = step(layers.Flatten()(attend([weights, memory])))
    model = keras.Model([memory, state], [now, *right])
    rng = np.random.default_rng(0)
    inputs = tuple(rng.normal(size=(3, *s)).astype("float32") for s in ((6, 8), (8,)))
    site = capture(model, inputs)["weigh"]
    wanted = np.concatenate([array(w) for w in model(list(inputs))[1:]], axis=-1)
    np.testing.assert_allclose(
        site["weights"].values, wanted.transpose(0, 2, 1)[:, None], atol=1e-6
    )
    assert site.attrs["kind"] == "cross"
