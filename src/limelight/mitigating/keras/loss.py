"""A loss of Keras: one argument of ``compile``, on each backend.

Room: mitigating/keras. Comes in: a formula. Goes out: a ``keras.losses.Loss``.
"""

from __future__ import annotations

import importlib
from typing import Any

import keras
from keras import ops as keras_ops

from limelight.mitigating.formula import Batch, Formula, fit_rank, lacking, scores_of, targets_of
from limelight.mitigating.keras import operations as ops
from limelight.mitigating.keras.memory import memory


@keras.saving.register_keras_serializable(package="limelight")
class Loss(keras.losses.Loss):  # type: ignore[misc]  # Keras has no types
    """A formula as a loss of Keras.

    What the formula takes beside targets comes as ``sample_weight``, which ``fit``, ``evaluate``
    and every kind of data hand on: weights, and also groups or log-probabilities. Such a loss
    remembers only in training.

    Parameters
    ----------
    formula : Formula
    from_logits : bool, optional
        Whether outputs are scores before the softmax; probabilities if not given.
    name : str, optional
    """

    def __init__(
        self, formula: Formula, from_logits: bool | None = None, name: str | None = None
    ) -> None:
        super().__init__(name=name or type(formula).__name__.lower())
        self.formula = formula
        self.from_logits = bool(from_logits)
        initial = formula.initial()
        self.remembered = None if initial is None else memory(initial)

    @property
    def parts(self) -> dict[str, Any]:
        """What the loss remembers, by name."""
        return {} if self.remembered is None else self.formula.parts(self.remembered.value)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss of a batch.

        Parameters
        ----------
        y_true, y_pred : tensor
        sample_weight : tensor, optional
            What the formula takes for each example.

        Returns
        -------
        tensor
            A number.
        """
        mask = getattr(y_pred, "_keras_mask", None)
        outputs = keras_ops.convert_to_tensor(y_pred, dtype=self.dtype)
        scores = scores_of(ops, outputs, self.from_logits)
        self.formula.check(scores.shape[-1])
        codes, counted, shares = targets_of(ops, keras_ops.convert_to_tensor(y_true), scores)
        if mask is not None:
            counted = counted * keras_ops.cast(mask, self.dtype)
        if sample_weight is None and self.formula.required:
            lacking(self.formula)
        beside = sample_weight
        if beside is not None:
            beside = keras_ops.convert_to_tensor(beside)
            if self.formula.beside != "log-probabilities":
                if len(beside.shape) > len(counted.shape):  # as Keras itself allows [example, 1]
                    beside = beside[..., 0]
                beside = fit_rank(beside, len(counted.shape))
        size = keras_ops.maximum(keras_ops.sum(counted), 1)
        batch = Batch(scores, codes, counted, size, beside, shares)
        if self.remembered is None:
            return self.formula.total(ops, batch, None)[0]
        value, remembered = self.formula.total(ops, batch, self.remembered.read(scores))
        return self.remembered.commit(value, remembered)

    def get_config(self) -> dict[str, Any]:
        """Return what the loss is made anew with.

        Returns
        -------
        dict
        """
        return {
            "formula": type(self.formula).__name__,
            "options": self.formula.options(),
            "from_logits": self.from_logits,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make the loss anew.

        Parameters
        ----------
        config : dict

        Returns
        -------
        Loss
        """
        kind = getattr(importlib.import_module("limelight.mitigations"), config["formula"])
        loss = kind(**config["options"], from_logits=config["from_logits"], framework="keras")
        loss.name = config["name"]
        return loss
