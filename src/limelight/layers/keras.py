"""Attention pooling for Keras, on each of its backends.

Room: layers. Comes in: vectors of positions, and Keras' mask. Goes out: their weighted sums, and
the weights where they are asked for.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from limelight.errors import DimensionError
from limelight.layers import check_units


@keras.saving.register_keras_serializable(package="limelight")
class AttentionPooling(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Weigh the positions of a sequence and add them up.

    The weights are a softmax over positions of ``v · tanh(W h + b)``. What Keras' mask leaves out
    weighs exactly 0. Nothing in the layer depends on how long sequences are. It is saved with
    a model; a process that loads one imports this file first.

    Parameters
    ----------
    units : int, optional
        How many features ``W h`` has; as many as ``h`` if not given.
    **options
        What every layer takes: ``name``, ``dtype``, ``trainable``.

    Raises
    ------
    LimelightError
        If ``units`` is no whole number from 1.

    References
    ----------
    Z. Yang et al., Hierarchical Attention Networks for Document Classification, NAACL 2016,
    equations 5 to 7. doi:10.18653/v1/N16-1174

    Examples
    --------
    >>> ids = keras.Input((None,), dtype="int32")
    >>> states = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    >>> states = keras.layers.LSTM(6, return_sequences=True)(states)
    >>> pooled, weights = AttentionPooling()(states, return_attention_scores=True)
    >>> pooled.shape, weights.shape
    ((None, 6), (None, None))
    """

    def __init__(self, *, units: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        check_units(units)
        self.units = units
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Make the parameters.

        Parameters
        ----------
        input_shape : tuple
            [example, position, feature].

        Raises
        ------
        DimensionError
            If there are not three axes, or the number of features is not known.
        """
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise DimensionError(
                f"Got states of shape {tuple(input_shape)} in {self.name!r}.",
                "Wanted [example, position, feature], with a known number of features.",
                "Let the layer before return its whole sequence: return_sequences=True.",
            )
        features = input_shape[-1]
        units = self.units or features
        self.kernel = self.add_weight(
            shape=(features, units), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight(shape=(units,), initializer="zeros", name="bias")
        self.context = self.add_weight(
            shape=(units, 1), initializer="glorot_uniform", name="context"
        )

    def call(self, states: Any, mask: Any = None, return_attention_scores: bool = False) -> Any:
        """Return the weighted sum of each sequence.

        Parameters
        ----------
        states : tensor [example, position, feature]
        mask : tensor [example, position] of bool, optional
            True where a position counts. Keras hands on that of the layer before.
        return_attention_scores : bool
            Whether to return the weights too.

        Returns
        -------
        tensor [example, feature], or a tuple of it and of the weights [example, position]
        """
        hidden = ops.tanh(ops.matmul(states, self.kernel) + self.bias)
        scores = ops.squeeze(ops.matmul(hidden, self.context), -1)
        if mask is not None:
            mask = ops.cast(mask, "bool")
            # The lowest that float16 holds beside a score, as in Keras' own layers.
            lowest = -3e4 if keras.backend.standardize_dtype(scores.dtype) == "float16" else -1e9
            scores = ops.where(mask, scores, lowest)
        weights = ops.softmax(scores, axis=-1)
        pooled = ops.sum(ops.expand_dims(weights, -1) * states, axis=1)
        if mask is not None:  # where nothing counts, a softmax is even
            counted = ops.any(mask, axis=-1, keepdims=True)
            pooled, weights = ops.where(counted, pooled, 0.0), ops.where(counted, weights, 0.0)
        return (pooled, weights) if return_attention_scores else pooled

    def compute_output_shape(self, states_shape: Any) -> tuple[int | None, int]:
        """Return the shape of the sums.

        Parameters
        ----------
        states_shape : tuple
            [example, position, feature].

        Returns
        -------
        tuple
            [example, feature].
        """
        return states_shape[0], states_shape[-1]

    def compute_output_spec(
        self,
        states: Any,
        mask: Any = None,  # noqa: ARG002
        return_attention_scores: bool = False,
        **_: Any,
    ) -> Any:
        """Return what :meth:`call` returns, without values.

        Parameters
        ----------
        states, mask, return_attention_scores
            As for :meth:`call`.

        Returns
        -------
        KerasTensor, or a tuple of two
        """
        pooled = keras.KerasTensor(self.compute_output_shape(states.shape), self.compute_dtype)
        weights = keras.KerasTensor(states.shape[:2], self.compute_dtype)
        return (pooled, weights) if return_attention_scores else pooled

    def compute_mask(self, states: Any, mask: Any = None) -> None:
        """Return None: what comes out has no positions to leave out.

        Parameters
        ----------
        states, mask : tensor
            Not used.
        """

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made anew with.

        Returns
        -------
        dict
        """
        return {**super().get_config(), "units": self.units}
