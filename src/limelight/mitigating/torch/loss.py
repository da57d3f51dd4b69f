"""A loss of PyTorch: for loops of one's own, Lightning, and ``Trainer(compute_loss_func=…)``.

Room: mitigating/torch. Comes in: a formula. Goes out: a module called with outputs and targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from limelight.errors import DimensionError
from limelight.mitigating.formula import Batch, Formula, fit_rank, lacking, scores_of, targets_of
from limelight.mitigating.torch import operations as ops


class Loss(torch.nn.Module):  # type: ignore[misc]  # PyTorch's types are not read here
    """A formula as a module without parameters.

    What it remembers is a buffer, so it is saved with a state and moves between devices. It is
    remembered only from calls whose result has a gradient: evaluation changes nothing.

    Parameters
    ----------
    formula : Formula
    from_logits : bool, optional
        Whether outputs are scores; they are if not given.
    """

    def __init__(self, formula: Formula, from_logits: bool | None = None) -> None:
        super().__init__()
        self.formula = formula
        self.from_logits = True if from_logits is None else from_logits
        initial = formula.initial()
        self.register_buffer("remembered", None if initial is None else torch.tensor(initial))

    @property
    def parts(self) -> dict[str, Any]:
        """What the loss remembers, by name."""
        if self.remembered is None:
            return {}
        return self.formula.parts(self.remembered.detach().cpu().numpy())

    def forward(
        self, outputs: Any, targets: Any, beside: Any = None, *, num_items_in_batch: Any = None
    ) -> Any:
        """Return the loss of a batch.

        Parameters
        ----------
        outputs : tensor [example, …, class], or what holds them as ``logits``
        targets : tensor
            Classes [example, …], or shares [example, …, class].
        beside : tensor, optional
            What the formula takes for each example: weights, groups, or log-probabilities.
        num_items_in_batch : int or tensor, optional
            As Hugging Face's Trainer gives it: how many targets there are in all batches of an
            optimizer's step.

        Returns
        -------
        tensor
            A number.
        """
        outputs = _logits(outputs)
        if outputs.dtype in (torch.float16, torch.bfloat16):  # too coarse for logarithms
            outputs = outputs.float()
        scores = scores_of(ops, outputs, self.from_logits)
        self.formula.check(scores.shape[-1])
        codes, counted, shares = targets_of(ops, targets, scores)
        if beside is None and self.formula.required:
            lacking(self.formula)
        if beside is not None:
            beside = torch.as_tensor(beside, device=scores.device)
            if len(beside) != len(scores):
                raise DimensionError(
                    f"Got {self.formula.beside} of {len(beside)} examples beside {len(scores)}.",
                    "Wanted them for each example of the batch.",
                    "Take the same rows of both.",
                )
            if beside.device.type == "cpu":  # elsewhere looking would wait for the device
                self.formula.check_beside(beside.numpy())
            if self.formula.beside != "log-probabilities":
                beside = fit_rank(beside, counted.ndim)
        size = counted.sum().clamp_min(1) if num_items_in_batch is None else num_items_in_batch
        batch = Batch(scores, codes, counted, size, beside, shares)
        value, remembered = self.formula.total(ops, batch, self.remembered)
        if self.remembered is not None and value.requires_grad:
            self.remembered.copy_(remembered.detach())
        return value

    def packed(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        """Return the loss of labels with more columns: what ``Trainer(compute_loss_func=…)`` calls.

        Parameters
        ----------
        outputs : ModelOutput or tensor
        labels : tensor [example, column]
            What ``mt.pack`` made: the class, then what the formula takes beside it.
        num_items_in_batch : int or tensor, optional
            Counts every column, as Trainer does.

        Returns
        -------
        tensor
        """
        if labels.ndim != 2 or labels.shape[-1] < 2:
            raise DimensionError(
                f"Got labels of shape {tuple(labels.shape)}.",
                "Wanted columns: the class, and what stands beside it.",
                "Make them by mt.pack(y, …), or give the loss itself: compute_loss_func=loss.",
            )
        if num_items_in_batch is not None:
            num_items_in_batch = num_items_in_batch / labels.shape[-1]
        others = labels[:, 1:]
        beside = others if self.formula.beside == "log-probabilities" else others[:, 0]
        return self(outputs, labels[:, 0].long(), beside, num_items_in_batch=num_items_in_batch)


def _logits(outputs: Any) -> Any:
    """Return the scores of what a model returns: a tensor, a mapping, or a tuple of several."""
    if isinstance(outputs, Mapping):
        return outputs["logits"]
    if isinstance(outputs, tuple):
        return outputs[0]
    return getattr(outputs, "logits", outputs)
