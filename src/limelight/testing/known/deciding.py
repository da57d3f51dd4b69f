"""Classifiers of torch in which it is known which heads decide, and how they work together.

Room: testing. Comes in: how the heads' findings are joined. Goes out: a ``torch.nn.Module``.
"""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import nn

#: How findings a and b of the two working heads, 1 where there is evidence, make one number.
_JOINED: Final = {
    "alone": lambda a, b: a + 0 * b,
    "redundant": lambda a, b: (a + b).clamp(max=1),
    "both": lambda a, b: (a + b - 1).clamp(min=0),
    "sum": lambda a, b: (a + b) / 2,
}


class Deciding(nn.Module):  # type: ignore[misc]  # torch is Any here
    """A classifier whose last position looks for evidence with its first two heads.

    Parameters
    ----------
    joined : str
        ``alone``: the first head decides, the second is not read. ``redundant``: either will do.
        ``both``: neither will do without the other. ``sum``: each gives half.
    vocabulary : int
    idle : int
        Further heads, which attend as the others do and whose part of the output projection is 0.
    token : int
        The evidence: see :func:`limelight.testing.known.evidence`.
    scale : float
        Logit of the class where all evidence is there.

    Raises
    ------
    ValueError
        If it is not known how to join them.

    Notes
    -----
    Called with token numbers [example, position], it returns logits [example, 2]: 0, and
    ``scale × (2 · joined − 1)``.

    Examples
    --------
    >>> from limelight.testing import known
    >>> x, y = known.evidence(4, 6, 9)
    >>> known.Deciding("both")(torch.from_numpy(x)).argmax(-1).tolist() == y.tolist()
    True
    """

    def __init__(
        self,
        joined: str,
        vocabulary: int = 9,
        idle: int = 1,
        token: int = 1,
        scale: float = 4.0,
    ) -> None:
        super().__init__()
        if joined not in _JOINED:
            raise ValueError(f"Got {joined!r}; wanted one of {', '.join(_JOINED)}.")
        self.joined, self.heads, self.scale = joined, 2 + idle, scale
        self.embedding = nn.Embedding(vocabulary, vocabulary)
        width = self.heads * vocabulary
        self.query, self.key, self.value = (nn.Linear(vocabulary, width) for _ in range(3))
        self.out = nn.Linear(width, 2, bias=False)
        with torch.no_grad():
            self.embedding.weight.copy_(torch.eye(vocabulary))
            for layer in (self.query, self.key, self.value, self.out):
                layer.weight.zero_()
            for layer in (self.query, self.key, self.value):
                layer.bias.zero_()
            for head in range(self.heads):
                at = head * vocabulary + token
                self.query.bias[at] = 40 * math.sqrt(vocabulary)  # all queries look for it
                self.key.weight[at, token] = 1
                self.value.weight[at, token] = 1
                if head < 2:
                    self.out.weight[head, at] = 1

    def forward(self, input_ids: Any) -> Any:
        """Return logits.

        Parameters
        ----------
        input_ids : tensor [example, position]

        Returns
        -------
        tensor [example, 2]
        """
        vectors = self.embedding(input_ids.long())
        query, key, value = (
            part(vectors).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        read = nn.functional.scaled_dot_product_attention(query, key, value)
        a, b = self.out(read.transpose(1, 2).flatten(2))[:, -1].unbind(-1)
        logit = self.scale * (2 * _JOINED[self.joined](a, b) - 1)
        return torch.stack([torch.zeros_like(logit), logit], -1)
