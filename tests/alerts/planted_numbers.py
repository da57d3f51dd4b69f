"""Recordings of a few numbers of a few tensors, with or without a fault."""

from __future__ import annotations

import numpy as np
import xarray as xr

import limelight as ll
from limelight.capture.tensors import Tensor, table
from limelight.distribution import distribution
from limelight.store import Step, Writer

#: Columns of each kind beside those of every tensor.
MORE = {
    "update": ("ratio",),
    "activation": ("dead", "saturated", "units", "positions"),
    "spectrum": ("stable_rank",),
    "setup": ("wrong",),
    "training": ("nonfinite",),
    "time": ("first", "last", "most"),
}
VALUES = distribution(np.array([-1.0, 0.5, 2.0], np.float32))


def rows(kind, tensors):
    """Return a table: by name a dict of numbers, with ``shape``, ``trainable`` and ``note``."""
    made = {}
    for name, numbers in tensors.items():
        facts = {key: numbers[key] for key in ("shape", "trainable", "note") if key in numbers}
        facts = {"shape": (8, 8), "trainable": True, "note": ""} | facts
        made[name] = Tensor(VALUES, facts["shape"], facts["trainable"], facts["note"],
                            numbers=numbers)  # fmt: skip
    laid = table(made, MORE.get(kind, ()))
    for column in laid.data_vars:
        given = [numbers.get(column, np.nan) for numbers in tensors.values()]
        if column != "count" and not np.isnan(given).all():
            whole = np.where(np.isnan(given), laid[column].values, given)
            laid[column] = ("parameter", whole.astype(np.float64))
    return laid


def recorded(folder, steps):
    """Record steps: by number a dict of kinds, each a dict of tensors; and open the run."""
    with Writer(folder) as writer:
        for step, kinds in steps.items():
            tables = {kind: rows(kind, tensors) for kind, tensors in kinds.items()
                      if kind != "attention"}  # fmt: skip
            parameters = tables.pop("parameter", None)
            attended = attention(**kinds["attention"]) if "attention" in kinds else {}
            writer.publish(Step(step, parameters=parameters, tensors=tables, **attended))
    return ll.open_run(folder)


def over(kind, *numbers, **fixed):
    """Return steps 0, 10 … of a tensor ``w`` whose numbers are given one after the other."""
    return {10 * at: {kind: {"w": fixed | more}} for at, more in enumerate(numbers)}


def attention(**numbers):
    """Return a step's site of two heads, whose measures are these, by head."""
    even = np.full((1, 2, 4, 4), 0.25, np.float32)
    dims = ("example", "head", "query", "key")
    site = xr.Dataset(
        {
            "weights": (dims, even),
            "allowed": (("example", "query", "key"), np.ones((1, 4, 4), bool)),
        },
        attrs={"module": "a", "kind": "self", "module_class": "Attention"},
    )
    return {
        "tree": xr.DataTree.from_dict({"a": site}),
        "measures": {"a": xr.Dataset({name: (("example", "head"), np.float32([values]))
                                      for name, values in numbers.items()})},
        "uniform": {"a": xr.Dataset({"entropy": ("example", np.float32([np.log(4)])),
                                     "first_key_share": ("example", np.float32([0.25]))})},
    }  # fmt: skip
