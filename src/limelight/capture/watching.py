"""What a training step does, seen in passing: gradients and updates of the optimizer's own step.

Room: capture, below the adapters. Comes in: what an adapter sees of one optimizer step. Goes out:
tables for the store. No backward pass is made for it: what is recorded is what the optimizer got.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from limelight.capture.tensors import Tensor, facts, summed_up
from limelight.distribution import Distribution, TensorTable

#: What may be seen of a training step, by the names of the tables.
GRADIENT: Final = "gradient"
UPDATE: Final = "update"
TRAINING: Final = "training"

#: What an update's table has beside the numbers of every tensor: the norm of the change by that of
#: what was changed, and the norms of an optimizer's running means of gradients and their squares.
UPDATE_NUMBERS: Final = ("ratio", "moment1_norm", "moment2_norm")

#: Of all gradients together: the norm as they came, after clipping, the share of steps since the
#: last record that were clipped, how many steps these were, and how many values are not finite.
TRAINING_NUMBERS: Final = ("norm_before", "norm_after", "clipped", "steps", "nonfinite")

#: What is said of a step whose gradients are not finite where each module's output is.
AFTER: Final = "loss"


class Training(Protocol):
    """Sees every optimizer step of a model until it is closed; costs something at due ones."""

    def tables(self) -> dict[str, TensorTable]:
        """Return what was seen of the newest step if it was due, and forget it."""

    def close(self) -> None:
        """See nothing any more, and leave everything as it was."""


@dataclass
class Seen:
    """What is known of the newest due step.

    Attributes
    ----------
    gradients, updates : dict of str to Tensor
    steps, clipped : int
        Since the last record, and how many of them were clipped.
    before, after : float, optional
        Norms of all gradients before and after clipping, where they are known.
    first_nonfinite : str
        The first module in forward order that gave a value that is no finite number.
    """

    gradients: dict[str, Tensor] = field(default_factory=dict)
    updates: dict[str, Tensor] = field(default_factory=dict)
    steps: int = 0
    clipped: float = 0.0
    before: float | None = None
    after: float | None = None
    first_nonfinite: str = ""

    def tables(self) -> dict[str, TensorTable]:
        """Lay out what was seen; nothing of what was not."""
        made = {}
        if self.gradients:
            made[GRADIENT] = summed_up(self.gradients)
            made[TRAINING] = self._together()
        if self.updates:
            made[UPDATE] = summed_up(self.updates, UPDATE_NUMBERS)
        return made

    @property
    def nonfinite(self) -> int:
        """How many values of gradients are no finite numbers."""
        parts = [tensor.distribution for tensor in self.gradients.values()]
        return sum(part.nan + part.infinite for part in parts)

    def _together(self) -> TensorTable:
        norm = norm_of(tensor.distribution for tensor in self.gradients.values())
        after = norm if self.after is None else self.after
        numbers = {
            "norm_before": after if self.before is None else self.before,
            "norm_after": after,
            "clipped": self.clipped / self.steps if self.steps else math.nan,
            "steps": float(self.steps),
            "nonfinite": float(self.nonfinite),
        }
        return facts({"all": numbers}, TRAINING_NUMBERS, (self.first_nonfinite,), trainable=True)


def update_of(change: Distribution, shape: tuple[int, ...], norm: float, **more: Any) -> Tensor:
    """Return a parameter's change by a step, summed up.

    Parameters
    ----------
    change : Distribution
    shape : tuple of int
    norm : float
        Of the parameter before.
    **more : object
        As :class:`~limelight.capture.tensors.Tensor` takes them; ``numbers`` gets the ratio too.

    Returns
    -------
    Tensor
    """
    numbers: Mapping[str, float] = more.pop("numbers", {})
    ratio = change.norm / norm if norm else math.nan
    return Tensor(change, shape, numbers={"ratio": ratio, **numbers}, **more)


def norm_of(parts: Iterable[Distribution]) -> float:
    """Return the norm of several tensors together, without what is no finite number."""
    return math.sqrt(sum(part.norm**2 for part in parts if part.size))


@dataclass
class Schedule:
    """Which optimizer steps are recorded, known before they run.

    Attributes
    ----------
    every : int, optional
        Steps between two records; None: each is looked at, since nobody knows which will be.
    anchor : int
        From where they are counted: 0, or where an epoch began.
    stride : int
        How many steps a framework makes at once: only the last of them can be recorded.
    done : int
        Optimizer steps made so far, kept up to date by whoever knows.
    alarm : bool
        Whether something happened that is to be recorded now, due or not.
    """

    every: int | None
    anchor: int = 0
    stride: int = 1
    done: int = 0
    alarm: bool = False

    def due(self, done: Any) -> Any:
        """Say whether a step is recorded.

        Parameters
        ----------
        done : int or tensor
            Optimizer steps that are made when it is over.

        Returns
        -------
        bool or tensor

        Examples
        --------
        >>> [step for step in range(1, 12) if Schedule(5).due(step)]
        [5, 10]
        """
        if self.every is None:
            return done == done  # of a tensor too
        counted = done - self.anchor
        return (counted // self.every) != ((counted - self.stride) // self.every)

    def next(self) -> bool:
        """Say whether the step that runs now is recorded."""
        return bool(self.due(self.done + 1))
