"""Trains small real models with the callback, then goes on with one of them, a step a line read.

``python training.py LOGDIR``: says "trained" when all runs but the live one are whole. After that,
each line on its input trains one more step of the run "live", and is answered by that step.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
from keras import layers, ops
from texts import IMAGES, LIVE, MARKUP, POOLING, SENTENCES, TEXT, TOPICS, WEIGHTS

import limelight as ll

LENGTH = 9
LAYOUT = (8, 8)
DIGITS = {  # eight rows of eight pixels
    0: "00111100 01100110 01100110 01100110 01100110 01100110 01100110 00111100",
    1: "00011000 00111000 01111000 00011000 00011000 00011000 00011000 01111110",
    4: "00001100 00011100 00101100 01001100 01111110 00001100 00001100 00001100",
    7: "01111110 00000110 00001100 00001100 00011000 00011000 00110000 00110000",
}


def numbered() -> tuple[list[str], np.ndarray]:
    """Give every word a number, 0 for padding; return the words and the sentences as numbers."""
    words = ["", *dict.fromkeys(word for sentence in SENTENCES for word in sentence)]
    rows = [[words.index(word) for word in sentence] for sentence in SENTENCES]
    padded = [row + [0] * (LENGTH - len(row)) for row in rows]
    return words, np.array(padded, "int32")


def reader(words: int) -> keras.Model:
    """A model of two layers with three heads each that foretells the next word."""
    numbers = keras.Input((LENGTH,), dtype="int32")
    state = layers.Embedding(words, 24, mask_zero=True, name="embedding")(numbers)
    for layer in range(2):
        attention = layers.MultiHeadAttention(3, 8, name=f"layer_{layer}")
        seen = attention(state, state, use_causal_mask=True)
        state = layers.LayerNormalization()(layers.Add()([state, seen]))
    model = keras.Model(numbers, layers.Dense(words, name="next")(state))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    return model


def read(logdir: Path) -> Callable[[], int]:
    """Train on sentences; return what trains and records one more step, as a run of its own."""
    words, numbers = numbered()
    following = np.pad(numbers[:, 1:], [(0, 0), (0, 1)])
    x, y = np.tile(numbers, (40, 1)), np.tile(following, (40, 1))
    probe = ll.Probe(numbers, tokens=SENTENCES, labels=TOPICS)
    model = reader(len(words))
    recording = ll.KerasCallback(logdir / TEXT, probe)
    model.fit(x, y, batch_size=20, epochs=3, verbose=0, callbacks=[recording])
    recorder = ll.Recorder(logdir / LIVE, model, probe)

    def go_on() -> int:
        model.train_on_batch(x[:20], y[:20])
        step = int(model.optimizer.iterations)
        recorder.record(step)
        return step

    return go_on


def see(logdir: Path) -> None:
    """Train on pictures, each pixel a position."""
    rng = np.random.default_rng(0)
    ink = {
        digit: np.array([[int(pixel) for pixel in row] for row in rows.split()], "float32")
        for digit, rows in DIGITS.items()
    }
    labels = rng.choice(list(DIGITS), 400)
    x = np.stack([ink[label] for label in labels]) * 0.8 + rng.random((400, *LAYOUT)) * 0.2
    y = np.searchsorted(list(DIGITS), labels)
    pixels = keras.Input(LAYOUT)
    row = layers.Reshape((64, 1))(pixels)
    state = layers.Dense(12)(layers.Concatenate()([row, Place()(row)]))
    state = layers.MultiHeadAttention(2, 6, name="pixels")(state, state)
    model = keras.Model(pixels, layers.Dense(4)(layers.Flatten()(state)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, jit_compile=False)
    first = [int(np.argmax(labels == digit)) for digit in DIGITS]
    probe = ll.Probe(x[first].astype("float32"), labels=labels[first].tolist(), layout=LAYOUT)
    recording = ll.KerasCallback(logdir / IMAGES, probe)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[recording])


class Place(layers.Layer):
    """Where each pixel lies, as two numbers."""

    def call(self, row):
        at = ops.stack(ops.meshgrid(ops.linspace(-1, 1, 8), ops.linspace(-1, 1, 8)), -1)
        return ops.tile(ops.reshape(at, (1, 64, 2)), (ops.shape(row)[0], 1, 1))


class Pooling(layers.Layer):
    """Weighs words by a softmax that it does not return."""

    supports_masking = True

    def build(self, shape):
        self.score = self.add_weight(shape=(shape[-1], 1), name="score")

    def call(self, state, mask=None):
        scores = ops.matmul(state, self.score)
        if mask is not None:
            scores = scores - 1e9 * (1 - ops.cast(mask, scores.dtype))[..., None]
        return ops.sum(state * ops.softmax(scores, axis=1), axis=1)

    def compute_mask(self, state, mask=None):
        return None


def pool(logdir: Path) -> None:
    """Train to find the sentences that hold the markup."""
    words, numbers = numbered()
    held = np.array([MARKUP in sentence for sentence in SENTENCES], "float32")
    x, y = np.tile(numbers, (40, 1)), np.tile(held, 40)
    ids = keras.Input((LENGTH,), dtype="int32")
    state = layers.Embedding(len(words), 12, mask_zero=True)(ids)
    model = keras.Model(ids, layers.Dense(1)(Pooling(name="pooling")(state)))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, jit_compile=False)
    probe = ll.Probe(numbers, tokens=SENTENCES)
    recording = ll.KerasCallback(logdir / POOLING, probe)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[recording])


def weigh(logdir: Path) -> None:
    """Train a model without attention, recording its parameters, gradients, updates and losses."""
    x = np.random.default_rng(1).normal(size=(200, 6)).astype("float32")
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(16, activation="relu"), layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=False)
    recording = ll.KerasCallback(logdir / WEIGHTS, None, gradients=True, updates=True)
    y = x.sum(1, keepdims=True)
    model.fit(x, y, validation_split=0.2, epochs=4, verbose=0, callbacks=[recording])


def main(logdir: Path) -> None:
    """Train all, then go on with the live one for as long as somebody asks."""
    warnings.simplefilter("error", ll.errors.LimelightWarning)
    keras.utils.set_random_seed(1)
    weigh(logdir)
    pool(logdir)
    see(logdir)
    go_on = read(logdir)
    print("trained", flush=True)
    for _ in sys.stdin:
        print(go_on(), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
