"""Keras on the backend that KERAS_BACKEND names; every test here is run on each of the three."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest

if os.environ.get("KERAS_BACKEND") == "jax":
    # XLA reads this once. Its newer emitters take twice as long to compile what runs once here.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the frameworks' own imports complain about
    import keras

if keras.backend.backend() == "jax":
    import jax

    # Compiling well takes ten times as long as all these tiny computations.
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(autouse=True)
def _same_start():
    keras.utils.set_random_seed(7)
    yield
    # What one test names its layers must not number another's.
    keras.utils.clear_session(free_memory=False)


@pytest.fixture
def sequence():
    """Floats [example, position, feature]."""
    return np.random.default_rng(3).normal(size=(3, 6, 8)).astype("float32")


@pytest.fixture
def ids():
    """Word ids [example, position]; the second example ends in padding, 0."""
    numbers = np.random.default_rng(4).integers(1, 20, size=(3, 6))
    numbers[1, 4:] = 0
    return numbers


@pytest.fixture
def native_softmax():
    """The framework's own softmax over the last axis, bound before anybody could listen."""
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        return tf.nn.softmax
    if name == "jax":
        from jax.nn import softmax

        return softmax
    from torch.nn.functional import softmax

    return lambda logits: softmax(logits, dim=-1)


def softmax(logits, axis=-1):
    shifted = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return shifted / shifted.sum(axis=axis, keepdims=True)


def array(tensor):
    """A tensor's values, whatever framework it is of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras' own, with NumPy 2
        return np.array(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")))


def own_scores(layer, *args, **kwargs):
    """What a layer itself says its weights are, [example, head, query, key]."""
    _, scores = layer(*args, return_attention_scores=True, training=False, **kwargs)
    scores = array(scores)
    return scores if scores.ndim == 4 else scores[:, None]


def bits(model):
    """Every variable of a model, bit for bit."""
    return [array(variable).tobytes() for variable in model.variables]


def modules(tree):
    """Paths of a tree's sites, in the order they ran."""
    sites = [node for node in tree.subtree if node.has_data]
    return [n.attrs["module"] for n in sorted(sites, key=lambda n: n.attrs["order"])]
