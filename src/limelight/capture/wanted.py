"""What is recorded of a model's tensors beside its parameters.

Room: capture. Comes in: what a user asks for, a live model. Goes out: tables by kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from numbers import Integral
from typing import Any

import xarray as xr

from limelight.capture.adapter import adapter_for
from limelight.capture.by_time import TIME
from limelight.capture.parameters import spectra_of
from limelight.capture.probe import Probe
from limelight.capture.settings import SETUP, Setting
from limelight.capture.watching import TRAINING, Schedule, Training
from limelight.distribution import TensorTable
from limelight.errors import LimelightError, UnsupportedModelError
from limelight.selection import patterns, selected

ACTIVATION = "activation"
SPECTRUM = "spectrum"


class Wanted:
    """What is recorded of tensors.

    Parameters
    ----------
    tensors : str or sequence of str, optional
        Names, ``*`` matches anything.
    gradients, updates, activations : bool
    spectra : int, optional
        At each so many-th record.

    Raises
    ------
    LimelightError
        If one of them is none of these.

    Attributes
    ----------
    gradients, updates : bool
    training : bool
        Whether the training step is to be seen.
    """

    def __init__(
        self,
        tensors: Sequence[str] | str | None = None,
        gradients: bool = False,
        updates: bool = False,
        activations: bool = False,
        spectra: int | None = None,
    ) -> None:
        whole = isinstance(spectra, Integral) and not isinstance(spectra, bool)
        if spectra is not None and not (whole and spectra > 0):
            raise LimelightError(
                f"Got spectra={spectra!r}.",
                "Wanted a whole number of records above 0, or None.",
                "Write spectra=10 for the singular values at each tenth record.",
            )
        self._patterns = patterns(tensors, "tensors")
        self.gradients, self.updates = gradients, updates
        self.training = gradients or updates
        self._activations, self._spectra = activations, spectra

    def looks(
        self, model: Any, probe: Probe | None, records: int
    ) -> Iterator[tuple[str, Callable[[], xr.Dataset | TensorTable]]]:
        """Yield what is to be looked at in a record, and how.

        Parameters
        ----------
        model : object
        probe : Probe, optional
        records : int
            How many there were.

        Yields
        ------
        str
        callable
        """
        if self._activations and probe is not None:
            yield ACTIVATION, lambda: _offered(model, "activations")(model, probe)
        if self._spectra is not None and records % self._spectra == 0:
            yield SPECTRUM, partial(spectra_of, model)

    def drop(self, kind: str) -> None:
        """Look at a kind no more: it failed."""
        if kind == ACTIVATION:
            self._activations = False
        else:
            self._spectra = None

    def chosen(self, kind: str, values: xr.Dataset | TensorTable) -> TensorTable:
        """Return those of a table that are wanted.

        Parameters
        ----------
        kind : str
        values : Dataset or TensorTable
            A dataset where an adapter of another package gives one.

        Returns
        -------
        TensorTable
        """
        known = TensorTable.of(values)
        if self._patterns is None or kind in (TRAINING, ACTIVATION, TIME, SETUP):
            return known
        return known.where(set(selected(known.names, self._patterns, "tensors")).__contains__)


def watched(model: Any, schedule: Schedule, wanted: Wanted) -> Training:
    """Begin to see a model's optimizer steps.

    Parameters
    ----------
    model : object
    schedule : Schedule
    wanted : Wanted

    Returns
    -------
    Training

    Raises
    ------
    UnsupportedModelError
        If they cannot be seen.
    """
    see = _offered(model, "training")
    training: Training = see(model, schedule, gradients=wanted.gradients, updates=wanted.updates)
    return training


def settings_of(model: Any) -> list[Setting]:
    """Look at what of a model's settings rules of alerts know.

    Parameters
    ----------
    model : object

    Returns
    -------
    list of Setting
        Empty where its adapter looks at none.
    """
    try:
        look = getattr(adapter_for(model), "settings", None)
    except UnsupportedModelError:
        return []  # which what records it tells
    return [] if look is None else list(look(model))


def _offered(model: Any, name: str) -> Callable[..., Any]:
    """Return what an adapter may offer."""
    adapter = adapter_for(model)
    offered = getattr(adapter, name, None)
    if offered is None:
        raise UnsupportedModelError(
            f"Got a model of an adapter without {name!r}.",
            "Wanted one that can see them.",
            "Record its parameters only.",
        )
    return offered  # type: ignore[no-any-return]
