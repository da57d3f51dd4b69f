"""Gradient surgery: tasks whose gradients conflict do not undo each other's steps.

Room: mitigations. Comes in: losses of tasks, parameters. Goes out: the parameters' gradients.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from limelight.errors import LimelightError
from limelight.mitigating.card import mitigation

_REASON = "fit takes the gradient of one number; surgery needs one for each task."


@mitigation(
    answers=("L6",), home="L6", stage="training", needs=("several tasks",),
    why_not={
        "tensorflow": _REASON, "jax": _REASON, "keras on torch": _REASON,
        "transformers": "Trainer calls backward on one number itself.",
    },
    source="T. Yu et al., Gradient Surgery for Multi-Task Learning, NeurIPS 2020",
)  # fmt: skip
def pcgrad(losses: Mapping[str, Any], parameters: Iterable[Any], *, seed: int = 0) -> Any:
    """Set gradients of parameters so that no task's step goes against another's.

    Call it in place of ``backward``.
    Each task's gradient loses what points against another's, task by task in random order; then
    they are added up. Try equal weights first: often they do as well.

    Parameters
    ----------
    losses : mapping of str to tensor
        One number for each task, of one forward pass.
    parameters : iterable of torch.nn.Parameter
        All that the optimizer steps; ``.grad`` is set.
    seed : int
        For the order in which tasks are compared; give the step's number.

    Returns
    -------
    array [task, task]
        Cosines of the tasks' gradients before: below 0 where they conflict.

    Raises
    ------
    LimelightError
        If there are fewer than two losses, or no loss reaches a parameter.

    References
    ----------
    .. [1] T. Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, algorithm 1.

    Examples
    --------
    >>> projected(np.array([[1.0, 0.0], [-1.0, 1.0]])).tolist()  # before they are added up
    [[0.5, 0.5], [0.0, 1.0]]
    """
    if len(losses) < 2:
        raise LimelightError(
            f"Got {len(losses)} loss.", "Wanted those of several tasks.", "Call backward() on one."
        )
    surgery = importlib.import_module("limelight.mitigating.torch.surgery")
    return surgery.operated(list(losses.values()), list(parameters), projected, seed)


def projected(gradients: Any, seed: int = 0) -> Any:
    """Return each task's gradient without what points against another's.

    Parameters
    ----------
    gradients : array or tensor [task, parameter]
        Anything with ``@`` and item assignment.
    seed : int

    Returns
    -------
    array or tensor [task, parameter]

    Examples
    --------
    >>> projected(np.array([[1.0, 0.0], [0.0, 1.0]])).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    random = np.random.default_rng(seed)
    made = gradients * 1
    for task in range(len(gradients)):
        for other in random.permutation(len(gradients)):
            square = gradients[other] @ gradients[other]
            along = made[task] @ gradients[other]
            if other != task and along < 0 < square:
                made[task] = made[task] - along / square * gradients[other]
    return made
