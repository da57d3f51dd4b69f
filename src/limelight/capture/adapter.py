"""Finds the adapter that knows a model.

Room: capture. An adapter is one module of this folder, or one that another package registers
under the entry point ``limelight.capture``, with

* ``matches(model) -> bool``: whether it knows the model; must not import the framework to find out
* ``watch(model, probe, include, exclude, run, rows) -> DataTree``: one pass, one node per site
* ``named_weights(model) -> dict[str, ndarray]``: every trainable weight under a stable name
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import xarray as xr
from numpy.typing import NDArray

from limelight import catalogue
from limelight.capture.probe import Probe
from limelight.errors import UnsupportedModelError


class Adapter(Protocol):
    """What a framework's module offers."""

    def matches(self, model: Any) -> bool:
        """Say whether this framework made the model."""

    def watch(
        self,
        model: Any,
        probe: Probe,
        include: Sequence[str],
        exclude: Sequence[str],
        run: Callable[[Any, Any], Any] | None,
        rows: Sequence[int] | None,
    ) -> xr.DataTree:
        """Run the model once on the probe, or as ``run`` says; return these rows' attention."""

    def named_weights(self, model: Any) -> dict[str, NDArray[Any]]:
        """Return every trainable weight under a name that stays the same from run to run."""


def adapter_for(model: Any) -> Adapter:
    """Return the adapter that knows a model.

    Parameters
    ----------
    model : object

    Returns
    -------
    Adapter

    Raises
    ------
    UnsupportedModelError
        If none does.
    """
    for module in catalogue.modules("capture"):
        matches = getattr(module, "matches", None)
        if matches is not None and matches(model):
            return cast("Adapter", module)
    kind = type(model)
    fix = "Pass the live model object itself."
    if kind.__module__.split(".")[0] in {"tf_keras", "keras"} and "tf_keras" in sys.modules:
        fix = "This is Keras 2 (tf_keras); build the model with keras, version 3."
    raise UnsupportedModelError(
        f"Got a {kind.__module__}.{kind.__qualname__}.",
        "Wanted a live model: a keras.Model of Keras 3, or a torch.nn.Module.",
        fix,
    )
