"""What a loss computes, written once for all frameworks; and how it becomes a framework's own.

Room: mitigating. Comes in: scores, targets, and what a loss is given beside them. Goes out: a
number for each target, and their sum divided by how many there are.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from limelight.errors import DimensionError, LimelightError
from limelight.layers import framework_of
from limelight.mitigating.operations import Operations

Framework = Literal["keras", "torch", "numpy"]

#: Targets that are not counted, as in PyTorch and Hugging Face.
IGNORED = -100
#: Probabilities are held away from 0 and 1 by so much before their logarithm is taken.
_SMALLEST = 1e-7


@dataclass(frozen=True)
class Batch:
    """What a loss sees of a batch.

    Attributes
    ----------
    scores : tensor [example, …, class]
        Whose softmax gives the probabilities.
    targets : tensor [example, …] of whole numbers, or [example, …, class] of shares
    counted : tensor [example, …] of 0 and 1
    size : tensor
        By what the sum is divided.
    beside : tensor or None
        What the loss is given for each example: weights, groups, or a bias model's probabilities.
    shares : bool
        Whether targets are shares of classes.
    """

    scores: Any
    targets: Any
    counted: Any
    size: Any
    beside: Any
    shares: bool

    def chosen(self, ops: Operations, values: Any) -> Any:
        """Return each target's value [example, …] of values [example, …, class]."""
        if self.shares:
            return ops.sum(self.targets * values, -1)
        return ops.pick(values, self.targets)


class Formula:
    """Base of losses: a formula, which becomes a loss of the framework in use.

    Calling a subclass returns a ``keras.losses.Loss``, a ``torch.nn.Module``, or, with
    ``framework="numpy"``, a function of arrays. All divide the sum over counted targets by how many
    there are, whatever they weigh: so weights whose mean over the training data is 1 leave the size
    of the loss as it is, and what a batch happens to hold changes no example's weight.

    Parameters
    ----------
    framework : ``"keras"``, ``"torch"`` or ``"numpy"``, optional
        Which is wanted; where one of Keras and PyTorch is loaded, that one.
    from_logits : bool, optional
        Whether outputs are scores before the softmax; as each framework's losses have it if not
        given: probabilities in Keras, scores in PyTorch and NumPy.
    """

    #: What the third argument is: in Keras it comes as ``sample_weight``.
    beside: ClassVar[str] = "weights"
    #: Whether the loss cannot do without it.
    required: ClassVar[bool] = False

    def __new__(
        cls,
        *args: Any,
        framework: Framework | None = None,
        from_logits: bool | None = None,
        **options: Any,
    ) -> Any:
        """Make the loss; what comes back is the framework's."""
        formula = object.__new__(cls)
        cls.__init__(formula, *args, **options)
        return loss_of(formula, framework, from_logits)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a formula travel as its options."""
        return _again, (type(self), self.options())

    def options(self) -> dict[str, Any]:
        """Return what the formula was made with."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]  # subclasses are dataclasses

    def initial(self) -> NDArray[np.float32] | None:
        """Return what is remembered before the first step; None if nothing is."""
        return None

    def parts(self, remembered: NDArray[Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return what is remembered, by name."""
        return {}

    def check(self, classes: int | None) -> None:
        """Refuse outputs with another number of classes than the formula is for."""

    def check_beside(self, beside: NDArray[Any]) -> None:
        """Refuse what is given beside targets, where it can be looked at."""

    def each(self, ops: Operations, batch: Batch) -> Any:
        """Return the loss of each target [example, …], before weights."""
        raise NotImplementedError

    def total(self, ops: Operations, batch: Batch, remembered: Any) -> tuple[Any, Any]:
        """Return the loss, and what is to be remembered."""
        values = self.each(ops, batch) * batch.counted
        if batch.beside is not None:
            values = values * ops.real(batch.beside, values)
        return ops.sum(values) / batch.size, remembered


def loss_of(formula: Any, framework: Framework | None, from_logits: bool | None) -> Any:
    """Return a formula as a loss of a framework.

    Parameters
    ----------
    formula : Formula
    framework : str, optional
    from_logits : bool, optional

    Returns
    -------
    keras.losses.Loss, torch.nn.Module, or callable
    """
    name: str = "numpy"
    if framework != "numpy":
        name = framework_of(framework, type(formula).__name__)
    module = importlib.import_module(f"limelight.mitigating.{name}.loss")
    return module.Loss(formula, from_logits)


def _again(kind: Any, options: dict[str, Any]) -> Any:
    """Make a formula anew from its options."""
    formula = object.__new__(kind)
    kind.__init__(formula, **options)
    return formula


def scores_of(ops: Operations, outputs: Any, from_logits: bool) -> Any:
    """Return scores [example, …, class] of a model's outputs, two columns where there is one.

    Parameters
    ----------
    ops : Operations
    outputs : tensor [example, …, class], or [example] or [example, 1] for two classes
    from_logits : bool

    Returns
    -------
    tensor
    """
    if len(outputs.shape) == 1:
        outputs = outputs[:, None]
    if outputs.shape[-1] == 1:
        if from_logits:
            return ops.join([outputs * 0, outputs])
        outputs = ops.join([1 - outputs, outputs])
    return outputs if from_logits else ops.log(ops.at_least(outputs, _SMALLEST))


def targets_of(ops: Operations, targets: Any, scores: Any) -> tuple[Any, Any, bool]:
    """Return targets, which of them count, and whether they are shares of classes.

    Parameters
    ----------
    ops : Operations
    targets : tensor
        Classes [example, …], or shares [example, …, class].
    scores : tensor [example, …, class]

    Returns
    -------
    targets, counted, shares

    Raises
    ------
    DimensionError
        If they do not fit the scores.
    """
    rank, classes = len(scores.shape), scores.shape[-1]
    if len(targets.shape) == rank:
        if targets.shape[-1] == classes and classes != 1:
            shares = ops.real(targets, scores)
            return shares, ops.sum(shares, -1) * 0 + 1, True
        if targets.shape[-1] == 1:
            targets = targets[..., 0]
    if len(targets.shape) != rank - 1:
        raise DimensionError(
            f"Got targets of shape {tuple(targets.shape)} for outputs of shape "
            f"{tuple(scores.shape)}.",
            "Wanted a class for each, or a share for each class.",
            "Reshape the targets.",
        )
    codes = ops.whole(targets)
    counted = ops.real(codes >= 0, scores)
    return ops.where(codes >= 0, codes, codes * 0), counted, False


def lacking(formula: Formula) -> NoReturn:
    """Say that a loss was not given what it needs beside the targets.

    Parameters
    ----------
    formula : Formula

    Raises
    ------
    LimelightError
        Always.
    """
    name = type(formula).__name__
    raise LimelightError(
        f"Got no {formula.beside} in {name}.",
        f"Wanted {formula.beside} of each example beside its target.",
        "In Keras give them as sample_weight, to fit and in validation_data; in PyTorch as the "
        "third argument of the loss; with Trainer "
        "as labels by mt.pack, and compute_loss_func=loss.packed.",
    )


def fit_rank(values: Any, rank: int) -> Any:
    """Return what belongs to each example with axes for its positions.

    Parameters
    ----------
    values : tensor [example] or of that rank
    rank : int

    Returns
    -------
    tensor

    Examples
    --------
    >>> fit_rank(np.ones(3), 2).shape
    (3, 1)
    """
    while len(values.shape) < rank:
        values = values[..., None]
    return values
