"""Classifiers of sentences with an LSTM, which differ in one thing each.

Room: cases. Comes in: what a variant has that the plain one has not. Goes out: a compiled model.
May import Keras, and of limelight its public names and training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import limelight as ll
from limelight import training
from limelight.cases.sentiment.sentences import LENGTH, WORDS


@dataclass(frozen=True)
class Variant:
    """What a model has that the plain one has not: each changes one thing, or says it is two.

    Attributes
    ----------
    pooling : str
        What becomes of the LSTM's states: ``last``, the state after the last word; ``attention``,
        limelight's layer; ``tutorial``, the layer that tutorials show.
    both : bool
        Whether the LSTM reads both ways.
    clip : float, optional
        Largest norm of all gradients together. It treats gradients that explode; those that
        vanish stay as they are. (Keras' ``clipnorm`` is another thing: the norm of each variable.)
    l2 : float
        Penalty on the squares of the LSTM's kernels and the words' vectors.
    dropout : float
        Share of the features of words, and of what is pooled, that is left out in training.
    """

    pooling: str = "last"
    both: bool = False
    clip: float | None = None
    l2: float = 0.0
    dropout: float = 0.0


VARIANTS = {
    "attention": Variant(pooling="attention"),
    "plain": Variant(),
    "bidirectional": Variant(both=True),
    "clipping": Variant(clip=0.5),
    "l2": Variant(l2=1e-3),
    "dropout": Variant(dropout=0.5),
    "l2-dropout": Variant(l2=1e-3, dropout=0.5),
    "tutorial": Variant(pooling="tutorial"),
}


def build(variant: Variant) -> Any:
    """Build a classifier, compiled.

    Parameters
    ----------
    variant : Variant

    Returns
    -------
    keras.Model
        From word ids [example, position] to the probability of a positive review.
    """
    keras = training.load_keras()
    layers = keras.layers

    def penalty() -> Any:
        return keras.regularizers.L2(variant.l2) if variant.l2 else None

    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    masked = variant.pooling != "tutorial"  # tutorials know nothing of padding
    states = layers.Embedding(
        WORDS, 32, mask_zero=masked, embeddings_regularizer=penalty(), name="words"
    )(ids)
    if variant.dropout:
        states = layers.SpatialDropout1D(variant.dropout, name="word_dropout")(states)
    read = layers.LSTM(
        24, return_sequences=variant.pooling != "last", kernel_regularizer=penalty(),
        recurrent_regularizer=penalty(), name="lstm",
    )  # fmt: skip
    if variant.both:
        read = layers.Bidirectional(read, name="both")
    pooled = read(states)
    if variant.pooling == "attention":
        pooled = ll.AttentionPooling(framework="keras", name="attention")(pooled)
    elif variant.pooling == "tutorial":
        pooled = tutorial_layer()(pooled)
    if variant.dropout:
        pooled = layers.Dropout(variant.dropout, name="dropout")(pooled)
    positive = layers.Dense(1, activation="sigmoid", name="positive")(pooled)
    model = keras.Model(ids, positive, name="lstm")
    optimizer = keras.optimizers.Adam(3e-3, global_clipnorm=variant.clip)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return model


def tutorial_layer() -> Any:
    """Return attention over time as tutorials write it, made to work.

    It forms its weights inside ``call``, hands on only the weighted sum, knows nothing of padding
    and has a bias for each position, so that it takes one length only. limelight needs no change to
    it.

    Returns
    -------
    keras.Layer
        From states [example, position, feature] to [example, feature].
    """
    keras = training.load_keras()
    ops = keras.ops

    class AttentionOverTime(keras.layers.Layer):  # type: ignore[misc,name-defined]  # no types
        """Weights each step of a sequence and adds them up."""

        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(
                shape=(shape[-1], 1), initializer="random_normal", name="kernel"
            )
            self.bias = self.add_weight(shape=(shape[1], 1), initializer="zeros", name="bias")

        def call(self, states: Any) -> Any:
            scores = ops.tanh(ops.matmul(states, self.kernel) + self.bias)
            weights = ops.softmax(scores, axis=1)
            return ops.sum(states * weights, axis=1)

    return AttentionOverTime(name="attention")
