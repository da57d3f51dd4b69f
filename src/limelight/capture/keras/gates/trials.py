"""Runs of a Keras model whose outcome nobody gets: to find its sites, and to try gates on them.

Room: capture, Keras. Comes in: a call that is about to be made. Goes out: what
:class:`~limelight.capture.gating.life.Life` asks of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.gating.life import DryRun, Pieces, Result, Silenced, Trials, gated_alike
from limelight.capture.keras import once
from limelight.capture.keras.backends.backend import backend, dtype_of, single
from limelight.capture.keras.calling import outputs, tensors
from limelight.capture.keras.gates.elsewhere import elsewhere
from limelight.capture.keras.state import untouched
from limelight.capture.probe import Probe
from limelight.errors import ProbeError

if TYPE_CHECKING:
    from limelight.capture.keras.gates.gating import Gating


@dataclass(eq=False)
class Trial:
    """What one such run applies and meets.

    Attributes
    ----------
    pieces : mapping of str to tuple of Piece
        Gates to apply.
    contributions : dict of str to tensor, optional
        If given, collects what heads contribute; nothing is gated.
    met : set of str
        Sites whose gates were applied.
    """

    pieces: Pieces = field(default_factory=dict)
    contributions: dict[str, Any] | None = None
    met: set[str] = field(default_factory=set)


class CallTrials(Trials):
    """Trials of one call of a model.

    Parameters
    ----------
    gating : Gating
    args, kwargs : tuple, dict
        What the model is called with.
    """

    def __init__(self, gating: Gating, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._gating = gating
        self._args, self._kwargs = args, kwargs
        self._probe: Any = None

    def aside(self, act: Callable[[], Result]) -> Result:
        return elsewhere(self._gating.model, act)

    def dry_run(self) -> DryRun | None:
        model = self._gating.model
        try:
            said = self._gating.life.gates.choice
            self._probe = probe_of(model, self._args, self._kwargs).changed(
                include=said.include, exclude=said.exclude, axes=said.axes
            )
            with self._gating.asleep():
                tree, layouts = once.laid_out(model, self._probe)
        except ProbeError:
            return None
        self._gating.known.sites.update(layouts)
        sites = [site for site in tree.subtree if site.has_data]
        heads = {s.attrs["module"]: int(s["weights"].sizes["head"]) for s in sites}
        return DryRun(heads, whole=True)

    def silenced(self, pieces: Pieces) -> Silenced:
        plain = self._run(self._probe, Trial())
        trial = Trial(pieces)
        silent = self._run(self._probe, trial)
        pairs = zip(plain, silent, strict=True)
        same = all(before.tobytes() == after.tobytes() for before, after in pairs)
        return Silenced(trial.met, changed=not same)

    def depends(self, sites: Sequence[str]) -> bool:
        # What is no number stays none, even where it is weighed with zero.
        spoilt = Trial(gated_alike(self._gating.life.gates, sites, float("nan")))
        return any(bool(np.isnan(array).any()) for array in self._run(self._probe, spoilt))

    def contributions(self, probe: Probe) -> dict[str, Any]:
        contributions: dict[str, Any] = {}
        self._run(probe, Trial(contributions=contributions))
        return contributions

    def _run(self, probe: Probe, trial: Trial) -> list[NDArray[np.float32]]:
        """Run the model for inference, leaving no trace, and return its outputs."""
        import keras

        with self._gating.trying(trial), untouched(self._gating.model):
            results = outputs(self._gating.model, probe, tensors(probe))
        return [single(value) for value in keras.tree.flatten(results) if hasattr(value, "shape")]


def probe_of(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Probe:
    """Make a probe of what a model is called with; of stand-ins where it is traced."""
    given = [argument for argument in args if argument is not None]
    if not given:
        names = inspect.signature(model.call).parameters
        given = [kwargs[name] for name in names if hasattr(kwargs.get(name), "shape")]
    inputs = given[0] if len(given) == 1 else tuple(given)
    if isinstance(inputs, dict):
        return Probe({name: _values(tensor) for name, tensor in inputs.items()})
    if isinstance(inputs, (list, tuple)):
        return Probe(tuple(_values(tensor) for tensor in inputs))
    return Probe(_values(inputs))


def _values(tensor: Any) -> NDArray[Any]:
    knows = backend()
    if isinstance(tensor, np.ndarray):
        return tensor
    if knows.has_values(tensor):
        return np.array(knows.read(tensor))
    shape = [2 if size is None else int(size) for size in tensor.shape]
    dtype = np.dtype(dtype_of(tensor).replace("bfloat16", "float32"))
    if dtype.kind != "f":
        return np.ones(shape, dtype)
    return np.random.default_rng(0).normal(size=shape).astype(dtype)
