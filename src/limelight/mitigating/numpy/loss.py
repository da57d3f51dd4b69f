"""A loss of NumPy's arrays.

Room: mitigating/numpy. Comes in: a formula. Goes out: a function of outputs and targets.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from limelight.mitigating.formula import Batch, Formula, fit_rank, lacking, scores_of, targets_of
from limelight.mitigating.numpy import operations as ops


class Loss:
    """A formula on arrays; each call is a training step where something is remembered.

    Parameters
    ----------
    formula : Formula
    from_logits : bool, optional
        Scores if not given.
    """

    def __init__(self, formula: Formula, from_logits: bool | None = None) -> None:
        self.formula = formula
        self.from_logits = True if from_logits is None else from_logits
        self.remembered: Any = formula.initial()

    @property
    def parts(self) -> dict[str, Any]:
        """What the loss remembers, by name."""
        return {} if self.remembered is None else self.formula.parts(self.remembered)

    def __call__(self, outputs: Any, targets: Any, beside: Any = None) -> float:
        """Return the loss.

        Parameters
        ----------
        outputs : array [example, …, class]
        targets : array [example, …]
        beside : array, optional

        Returns
        -------
        float
        """
        scores = scores_of(ops, np.asarray(outputs, float), self.from_logits)
        self.formula.check(scores.shape[-1])
        codes, counted, shares = targets_of(ops, np.asarray(targets), scores)
        if beside is None and self.formula.required:
            lacking(self.formula)
        if beside is not None:
            beside = np.asarray(beside)
            self.formula.check_beside(beside)
            if self.formula.beside != "log-probabilities":
                beside = fit_rank(beside, counted.ndim)
        batch = Batch(scores, codes, counted, max(counted.sum(), 1), beside, shares)
        value, self.remembered = self.formula.total(ops, batch, self.remembered)
        return float(value)
