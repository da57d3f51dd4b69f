"""A model of torch whose cross-attention aligns two sequences in a known way.

Room: testing. Comes in: which way. Goes out: a ``torch.nn.Module``, and the links that it makes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from limelight.testing.known.model import embedding, positions

_WAYS: Final = ("identity", "copy", "reversal")


class Aligned(nn.Module):  # type: ignore[misc]  # torch is Any here
    """A module with one cross-attention of as many heads as there are shifts.

    Parameters
    ----------
    way : ``identity``, ``copy`` or ``reversal``
        A target's position attends to the source's same position, to the source's positions with
        its token, or to the position as far from the source's end.
    vocabulary, length : int
        Number of tokens; positions of both sequences.
    shifts : tuple of int
        For each head, by how many positions it attends beside what is right; (0,) for ``copy``.

    Raises
    ------
    ValueError
        If there is no such way, or it cannot be shifted.

    Notes
    -----
    Called with token numbers of the source and of the target [example, position], it returns, for
    each position of the target and each head, logits of the source's tokens.

    Examples
    --------
    >>> model = Aligned("reversal", vocabulary=5, length=3)
    >>> source, target = torch.tensor([[4, 1, 2]]), torch.tensor([[0, 0, 0]])
    >>> model(source, target).argmax(-1)[0].tolist()
    [2, 1, 4]
    """

    def __init__(
        self, way: str, vocabulary: int, length: int, shifts: tuple[int, ...] = (0,)
    ) -> None:
        super().__init__()
        if way not in _WAYS:
            raise ValueError(f"Got {way!r}; wanted one of {', '.join(_WAYS)}.")
        if way == "copy" and any(shifts):
            raise ValueError(f"Got shifts={shifts} for 'copy', which knows no positions.")
        self.way, self.vocabulary, self.length = way, vocabulary, length
        self.heads = len(shifts)
        size = vocabulary if way == "copy" else length
        table = np.eye(size) if way != "reversal" else np.eye(size)[:, ::-1]
        self.query, self.key = (nn.Linear(vocabulary + length, len(shifts) * size, bias=False)
                                for _ in range(2))  # fmt: skip
        width = vocabulary + length
        self.embedding = embedding(vocabulary, width)
        self.register_buffer("positions", positions(slice(vocabulary, width), width))
        part = slice(0, vocabulary) if way == "copy" else slice(vocabulary, None)
        with torch.no_grad():
            self.query.weight.zero_()
            self.key.weight.zero_()
            for head, shift in enumerate(shifts):
                held = slice(head * size, (head + 1) * size)
                shifted = np.roll(table, shift, 1).T * 30
                self.query.weight[held, part] = torch.from_numpy(shifted.copy()).float()
                self.key.weight[held, part] = torch.eye(size)

    def links(self, source: NDArray[Any], target: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which positions belong together.

        Parameters
        ----------
        source, target : array [example, position]

        Returns
        -------
        array [example, target, source]
        """
        examples, count = target.shape
        if self.way == "copy":
            return np.asarray(target[:, :, None] == source[:, None])
        eye = np.eye(count, source.shape[1], dtype=bool)
        return np.repeat((eye if self.way == "identity" else eye[:, ::-1])[None], examples, 0)

    def forward(self, source: Any, target: Any) -> Any:
        """Return logits of the source's tokens.

        Parameters
        ----------
        source, target : tensor [example, position]

        Returns
        -------
        tensor [example, target, token]
            Of the mean over heads.
        """
        vectors = [self.embedding(ids.long()) + self.positions[: ids.shape[1]]
                   for ids in (target, source)]  # fmt: skip
        queries = self.query(vectors[0]).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        keys = self.key(vectors[1]).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        values = vectors[1][:, None, :, : self.vocabulary].expand(-1, self.heads, -1, -1)
        return ((queries @ keys.mT).softmax(-1) @ values).mean(1) * 10
