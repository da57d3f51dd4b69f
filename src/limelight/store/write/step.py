"""One step to be recorded: what is handed on, from the recorder to the disk.

Room: store. Comes in: what was captured and measured. Goes out: :class:`Step`, which nothing
changes any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import xarray as xr

from limelight.distribution import TensorTable
from limelight.store.format.index import PARAMETER
from limelight.store.write.numbers import epoch_number, step_number, time_number

#: By site: one variable per measure.
Measures = Mapping[str, xr.Dataset]


class ProbeLike(Protocol):
    """What the store wants to know of a probe."""

    @property
    def labels(self) -> Sequence[Any] | None:
        """The class of each example."""

    @property
    def examples(self) -> int:
        """How many there are."""

    @property
    def images(self) -> np.ndarray[Any, Any] | None:
        """Pictures [example, row, column], if positions are their pixels."""

    def tokens_of(self, example: int) -> Sequence[str] | None:
        """Text of one example's positions."""


@dataclass(frozen=True)
class Step:
    """What is recorded at one step.

    Attributes
    ----------
    number : int
        The optimizer's iteration.
    tree : DataTree, optional
        One node per site, as :mod:`limelight.schema` describes it.
    measures : mapping of str to Dataset
        By site: one variable [example, head] per measure.
    uniform : mapping of str to Dataset
        By site: the same measures of uniform attention over the allowed keys [example].
    parameters : Dataset or TensorTable, optional
        As :func:`limelight.capture.parameters` returns it.
    probe : ProbeLike, optional
        Gives examples their titles, tokens, labels and images.
    epoch : float, optional
    time : float, optional
        When it was recorded, seconds since 1970; when it is written, if not given.
    tensors : mapping of str to Dataset or TensorTable
        More tables like that of the parameters, by kind: ``gradient``, ``update`` and so on.

    Raises
    ------
    StoreError
        If ``number``, ``epoch`` or ``time`` is none that can be recorded.
    """

    number: int
    tree: xr.DataTree | None = None
    measures: Measures = field(default_factory=dict)
    uniform: Measures = field(default_factory=dict)
    parameters: xr.Dataset | TensorTable | None = None
    probe: ProbeLike | None = None
    epoch: float | None = None
    time: float | None = None
    tensors: Mapping[str, xr.Dataset | TensorTable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", step_number(self.number))
        object.__setattr__(self, "epoch", epoch_number(self.epoch))
        object.__setattr__(self, "time", time_number(self.time))

    @cached_property
    def sites(self) -> dict[str, xr.Dataset]:
        """Datasets of the tree's sites by name, in its order."""
        return {} if self.tree is None else sites_of(self.tree)

    @cached_property
    def tables(self) -> dict[str, TensorTable]:
        """Statistics by what they are of; a model may have no parameters, which is no error."""
        tables = {PARAMETER: self.parameters, **self.tensors}
        known = {
            kind: TensorTable.of(values) for kind, values in tables.items() if values is not None
        }
        return {kind: table for kind, table in known.items() if len(table)}

    @property
    def images(self) -> np.ndarray[Any, Any] | None:
        """Pictures of the probe's examples [example, row, column, (channel)], if it has them."""
        return None if self.probe is None else self.probe.images


def sites_of(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """Return the sites of a captured tree by name, in the order of the tree.

    Parameters
    ----------
    tree : DataTree
        Nodes that hold ``weights``.

    Returns
    -------
    dict of str to Dataset
    """
    sites: dict[str, xr.Dataset] = {}

    def walk(node: xr.DataTree) -> None:
        if "weights" in node.data_vars:
            site = node.to_dataset()
            name = node.path.strip("/") or str(site.attrs.get("module", "attention"))
            sites[name] = site
        for child in node.children.values():
            walk(child)

    walk(tree)
    return sites
