"""Tensors of one kind summed up: what is recorded of them in one step.

Room: lowest; capture fills it, the recorder and alerts look at it, the store writes it. Comes in:
names, counts and numbers. Goes out: the same as plain columns, or as a labelled dataset for people:
labels for a hundred tensors take longer than their numbers, and a recorder needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

#: Bins that are the same for every tensor, and those between a tensor's own ends.
BITS: Final = "bits"
LINEAR: Final = "linear"


@dataclass(frozen=True, eq=False)
class TensorTable:
    """Tensors of one kind.

    Attributes
    ----------
    names : tuple of str
    shapes : tuple of str
        Such as ``64×10`` or ``scalar``.
    sizes : tuple of int
        How many values each has.
    trainable : tuple of bool
    notes : tuple of str
        What numbers are of, where that is not the values.
    counts : array [tensor, bin]
    columns : mapping of str to array [tensor]
        Numbers by name, in storage order.
    encoding : str
        How bins lie: ``bits`` or ``linear``.
    """

    names: tuple[str, ...]
    shapes: tuple[str, ...]
    sizes: tuple[int, ...]
    trainable: tuple[bool, ...]
    notes: tuple[str, ...]
    counts: NDArray[Any]
    columns: Mapping[str, NDArray[np.float64]]
    encoding: str = BITS

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """The path of each tensor's layer."""
        return tuple(name.rpartition("/")[0] for name in self.names)

    def where(self, wanted: Callable[[str], bool]) -> TensorTable:
        """Return those tensors whose names are wanted.

        Parameters
        ----------
        wanted : callable

        Returns
        -------
        TensorTable
        """
        at = [ordinal for ordinal, name in enumerate(self.names) if wanted(name)]
        if len(at) == len(self):
            return self
        chosen: dict[str, Any] = {
            field: tuple(getattr(self, field)[ordinal] for ordinal in at)
            for field in ("names", "shapes", "sizes", "trainable", "notes")
        }
        columns = {name: values[at] for name, values in self.columns.items()}
        return replace(self, counts=self.counts[at], columns=columns, **chosen)

    def only(self, names: Collection[str]) -> TensorTable:
        """Return the same with these columns only.

        Parameters
        ----------
        names : collection of str

        Returns
        -------
        TensorTable
        """
        return replace(self, columns={name: self.columns[name] for name in names})

    def assign(self, columns: Mapping[str, Any]) -> TensorTable:
        """Return the same with columns added or replaced.

        Parameters
        ----------
        columns : mapping of str to array [tensor]

        Returns
        -------
        TensorTable
        """
        return replace(self, columns={**self.columns, **columns})

    def dataset(self) -> xr.Dataset:
        """Return the table with labels.

        Returns
        -------
        Dataset
            As :func:`limelight.capture.parameters` describes it.
        """
        variables: dict[str, Any] = {"count": (("parameter", "bin"), self.counts)}
        variables |= {name: ("parameter", values) for name, values in self.columns.items()}
        texts = {"module": self.modules, "shape": self.shapes, "note": self.notes}
        coords: dict[str, Any] = {
            name: ("parameter", np.array(values, np.str_)) for name, values in texts.items()
        }
        coords["parameter"] = np.array(self.names, np.str_)
        coords["size"] = ("parameter", np.array(self.sizes, np.int64))
        coords["trainable"] = ("parameter", np.array(self.trainable, bool))
        order = ("parameter", "module", "size", "shape", "trainable", "note")
        attrs = {} if self.encoding == LINEAR else {"encoding": self.encoding}
        return xr.Dataset(variables, {name: coords[name] for name in order}, attrs)

    @classmethod
    def of(cls, values: xr.Dataset | TensorTable) -> TensorTable:
        """Return what a dataset of that form holds.

        Parameters
        ----------
        values : Dataset or TensorTable
            ``count`` [parameter, bin] and numbers [parameter].

        Returns
        -------
        TensorTable

        Examples
        --------
        >>> from limelight.capture.tensors import Tensor, table
        >>> from limelight.distribution import distribution
        >>> laid = table({"w": Tensor(distribution(np.ones(3, np.float32)), (3,))})
        >>> TensorTable.of(laid).names
        ('w',)
        """
        if isinstance(values, TensorTable):
            return values
        count = values.sizes["parameter"]
        usual = {"trainable": True, "note": ""}
        names, shapes, sizes, trainable, notes = (
            tuple(values[name].values.tolist()) if name in values else (usual[name],) * count
            for name in ("parameter", "shape", "size", "trainable", "note")
        )
        return cls(
            tuple(map(str, names)),
            tuple(map(str, shapes)),
            tuple(map(int, sizes)),
            tuple(map(bool, trainable)),
            tuple(map(str, notes)),
            values["count"].transpose("parameter", "bin").values,
            {
                str(name): column.values.astype(np.float64)
                for name, column in values.data_vars.items()
                if column.dims == ("parameter",)
            },
            str(values.attrs.get("encoding", LINEAR)),
        )
