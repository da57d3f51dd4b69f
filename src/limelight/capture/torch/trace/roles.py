"""Roles of a softmax's axes, example, head, query and key, and how scores are brought to them.

Room: capture, torch. A plain record, which :mod:`limelight.capture.torch.trace.assigning` makes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

EXAMPLE, HEAD, QUERY, KEY = "example", "head", "query", "key"


@dataclass(frozen=True)
class Roles:
    """How scores are brought to [example, head, query, key].

    Attributes
    ----------
    sizes : tuple of tuple of int
        Sizes of the factors of each axis.
    roles : tuple of tuple of str
        Theirs.
    reading : str
        A note where another reading is possible.
    features : bool
        Whether the keys are features or branches, not positions.
    share : tuple of (int, int), optional
        Which examples it is of, where it is of some.
    common : bool
        Whether all examples share it, so that no axis holds them.
    reason : str
        Why it cannot be read.
    """

    sizes: tuple[tuple[int, ...], ...]
    roles: tuple[tuple[str, ...], ...]
    reading: str = ""
    features: bool = False
    share: tuple[int, int] | None = None
    common: bool = False
    reason: str = ""

    def count(self, role: str) -> int:
        """Return how many of something there are.

        Parameters
        ----------
        role : str

        Returns
        -------
        int
        """
        return math.prod(
            size
            for sizes, roles in zip(self.sizes, self.roles, strict=True)
            for size, mine in zip(sizes, roles, strict=True)
            if mine == role
        )

    def order(self) -> list[int]:
        """Return how to permute the factors of all axes to examples, heads, queries, keys."""
        flat = [role for axis in self.roles for role in axis]
        return [
            at for role in (EXAMPLE, HEAD, QUERY, KEY) for at, r in enumerate(flat) if r == role
        ]

    @property
    def flat(self) -> tuple[int, ...]:
        """Sizes of the factors of all axes, in order."""
        return tuple(size for axis in self.sizes for size in axis)

    @property
    def names(self) -> tuple[str | None, ...]:
        """One role for each axis; None where it has several."""
        return tuple(next(iter(set(axis))) if len(set(axis)) == 1 else None for axis in self.roles)

    def arranged(self, values: Any) -> Any:
        """Bring an array or tensor of the scores' shape to [example, head, query, key].

        Parameters
        ----------
        values : array or tensor

        Returns
        -------
        array or tensor
        """
        shape = tuple(values.shape)
        if shape != tuple(math.prod(sizes) for sizes in self.sizes):
            return self.resized(shape).arranged(values)
        split = values.reshape(self.flat)
        order = self.order()
        turned = split.permute(order) if hasattr(split, "permute") else np.transpose(split, order)
        wanted = (self.count(EXAMPLE), self.count(HEAD), self.count(QUERY), self.count(KEY))
        return turned.reshape(wanted)

    def resized(self, shape: Sequence[int]) -> Roles:
        """Return the same of scores whose heads were mixed into more or fewer.

        Parameters
        ----------
        shape : sequence of int
            Of all axes.

        Returns
        -------
        Roles

        Raises
        ------
        ValueError
            If an axis changed that holds no heads.
        """
        sizes, roles = list(self.sizes), list(self.roles)
        for at, length in enumerate(shape):
            if math.prod(sizes[at]) == length:
                continue
            rest = [(s, r) for s, r in zip(sizes[at], roles[at], strict=True) if r != HEAD]
            others = math.prod(size for size, _ in rest)
            if length % others or (rest and HEAD not in roles[at]):
                raise ValueError(f"axis {at} holds no heads")
            first = roles[at].index(HEAD) if HEAD in roles[at] else 0
            rest.insert(first, (length // others, HEAD))
            sizes[at], roles[at] = tuple(s for s, _ in rest), tuple(r for _, r in rest)
        return replace(self, sizes=tuple(sizes), roles=tuple(roles))
