"""What a loss remembers on PyTorch: a tensor, replaced where the loss has a gradient.

Room: mitigating/keras/memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class Remembered:
    """Numbers in a tensor.

    Parameters
    ----------
    initial : array
    """

    def __init__(self, initial: NDArray[Any]) -> None:
        self._tensor = torch.tensor(np.asarray(initial, np.float32))

    @property
    def value(self) -> NDArray[np.float32]:
        """The numbers now."""
        return np.asarray(self._tensor.cpu().numpy())

    def read(self, like: Any) -> Any:
        """Return the numbers as a tensor."""
        return self._tensor.to(like.device, like.dtype)

    def commit(self, loss: Any, numbers: Any) -> Any:
        """Return the loss; the numbers are remembered if it has a gradient."""
        if loss.requires_grad:
            self._tensor = numbers.detach().float()
        return loss
