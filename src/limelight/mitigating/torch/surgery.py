"""Gradients of several tasks, operated on before they are added up.

Room: mitigating/torch. Comes in: losses, parameters. Goes out: ``.grad`` of the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from limelight.errors import LimelightError


def operated(
    losses: list[Any], parameters: list[Any], operate: Callable[[Any, int], Any], seed: int
) -> Any:
    """Set gradients, and return the cosines of the tasks' own."""
    reached = [parameter for parameter in parameters if parameter.requires_grad]
    rows = []
    for loss in losses:
        slopes = torch.autograd.grad(loss, reached, retain_graph=True, allow_unused=True)
        rows.append(torch.cat([
            torch.zeros_like(parameter).flatten() if slope is None else slope.flatten()
            for parameter, slope in zip(reached, slopes, strict=True)
        ]))  # fmt: skip
    gradients = torch.stack(rows)
    if not gradients.any():
        raise LimelightError(
            "Got losses without any gradient by these parameters.",
            "Wanted parameters that the losses are made of.",
            "Give model.parameters().",
        )
    total = operate(gradients, seed).sum(0)
    first = 0
    for parameter in reached:
        parameter.grad = total[first : first + parameter.numel()].view_as(parameter).clone()
        first += parameter.numel()
    unit = torch.nn.functional.normalize(gradients, dim=1)
    return (unit @ unit.T).cpu().numpy()
