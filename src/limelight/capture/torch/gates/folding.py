"""Brings what heads contribute to [example, head, query, feature], however a model folds its axes.

Room: capture, torch. Comes in: what the axes of a softmax are. Goes out: contributions with one
axis for the heads, and the way back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from limelight.capture.torch.trace.roles import EXAMPLE, HEAD, KEY, QUERY, Roles


@dataclass(frozen=True)
class Fold:
    """What the axes of contributions are, all but that of the features.

    Attributes
    ----------
    sizes : tuple of tuple of int
        Of the factors of each axis.
    roles : tuple of tuple of str
        Theirs: ``example``, ``head`` or ``query``.
    """

    sizes: tuple[tuple[int, ...], ...]
    roles: tuple[tuple[str, ...], ...]

    @property
    def natural(self) -> bool:
        """Whether queries lie on the last axis alone, and nothing else does."""
        *lead, rows = self.roles
        return set(rows) <= {QUERY} and all(QUERY not in names for names in lead)

    @classmethod
    def of(cls, roles: Roles, axis: int) -> Fold:
        """Return the fold of a softmax.

        Parameters
        ----------
        roles : Roles
        axis : int
            Of the keys.

        Returns
        -------
        Fold
        """
        rank = len(roles.roles)
        others = [at for at in range(rank) if at != axis % rank]
        return cls(
            tuple(roles.sizes[at] for at in others),
            tuple(tuple(QUERY if r == KEY else r for r in roles.roles[at]) for at in others),
        )

    def apart(self, rows: Any, heads: int) -> tuple[Any, Callable[[Any], Any]]:
        """Bring contributions to [example, head, query, feature].

        Parameters
        ----------
        rows : tensor [axis …, feature]
            Their axes may be grouped anew, as a view does.
        heads : int

        Returns
        -------
        tensor
        callable
            Brings it back.
        """
        shape = tuple(rows.shape)
        sizes, roles = self._now(shape[:-1])
        split = rows.reshape(*sizes, shape[-1])
        order = [at for role in (EXAMPLE, HEAD, QUERY) for at, r in enumerate(roles) if r == role]
        back = [order.index(at) for at in range(len(order))]
        turned = split.permute(*order, len(order))
        queries = math.prod(size for size, role in zip(sizes, roles, strict=True) if role == QUERY)
        whole = turned.reshape(-1, heads, queries, shape[-1])
        return (
            whole,
            lambda changed: changed.reshape(turned.shape).permute(*back, len(order)).reshape(shape),
        )

    def _now(self, shape: tuple[int, ...]) -> tuple[list[int], list[str]]:
        """Return the factors' sizes and roles in a call that may have another batch or length."""
        if len(shape) != len(self.sizes):
            return self._regrouped(math.prod(shape))
        sizes: list[int] = []
        roles: list[str] = []
        for at, length in enumerate(shape):
            mine, names = list(self.sizes[at]), list(self.roles[at])
            if math.prod(mine) != length:
                free = next((i for i, role in enumerate(names) if role == EXAMPLE), None)
                if free is None and QUERY in names:
                    free = names.index(QUERY)
                if free is None:
                    mine.insert(0, 1)
                    names.insert(0, QUERY if at == len(shape) - 1 and at else EXAMPLE)
                    free = 0
                mine[free] = length // math.prod(s for i, s in enumerate(mine) if i != free)
            sizes += mine
            roles += names
        return sizes, roles

    def _regrouped(self, total: int) -> tuple[list[int], list[str]]:
        sizes = [size for axis in self.sizes for size in axis]
        roles = [role for axis in self.roles for role in axis]
        if math.prod(sizes) != total:
            free = next((i for i, role in enumerate(roles) if role == EXAMPLE), None)
            if free is None:
                sizes.insert(0, 1)
                roles.insert(0, EXAMPLE)
                free = 0
            sizes[free] = total // math.prod(s for i, s in enumerate(sizes) if i != free)
        return sizes, roles
