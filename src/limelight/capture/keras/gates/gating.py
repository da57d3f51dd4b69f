"""Gates on the heads of a Keras model.

Room: capture, Keras. Layers are changed one by one, in their own ``__dict__``, and put back
afterwards. Inside the context TensorFlow and JAX run function by function and compile nothing: what
was compiled before would know nothing of the gates, and what is compiled inside would keep them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from limelight.capture.gating.gates import Gates, Replace
from limelight.capture.gating.life import Life, Pieces, known
from limelight.capture.keras.calling import outputs, tensors
from limelight.capture.keras.gates.blending import blend, spread, stand_in, strengths
from limelight.capture.keras.gates.hooking import attending, runs
from limelight.capture.keras.gates.products import Later
from limelight.capture.keras.gates.standing import Standing, path_of
from limelight.capture.keras.gates.trials import CallTrials, Trial
from limelight.capture.keras.recognise.layouts import Layout
from limelight.capture.keras.state import untouched
from limelight.capture.probe import Probe
from limelight.errors import GateError


@contextmanager
def gated(model: Any, gates: Gates) -> Iterator[None]:
    """Gate heads of a model while the context lasts.

    Parameters
    ----------
    model : keras.Layer
    gates : Gates

    Yields
    ------
    None

    Raises
    ------
    GateError
        See :func:`limelight.capture.gate`.
    """
    gating = Gating(model, gates)
    with gating.life.lived(), gating.standing():
        yield


def swept(model: Any, probe: Probe, gates: Sequence[Gates]) -> list[Any]:
    """Run a model under each of several gatings, for inference.

    Parameters
    ----------
    model : keras.Layer
    probe : Probe
    gates : sequence of Gates

    Returns
    -------
    list
        What the model returns, for each gating.
    """
    results = []
    for gating in gates:
        with untouched(model), gated(model, gating):
            results.append(outputs(model, probe, tensors(probe)))
    return results


class Gating(Standing):
    """Gates at work.

    Parameters
    ----------
    model : keras.Layer
    gates : Gates

    Attributes
    ----------
    known : Known
        What was found out about the model.
    life : Life
        Whether the gates were proved and applied, and what stands in for contributions.
    """

    def __init__(self, model: Any, gates: Gates) -> None:
        super().__init__(model)
        self.known = known(model)
        self.life = Life(gates, self.known)
        self._trial: Trial | None = None

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Find sites and prove gates, in the first call.

        Parameters
        ----------
        args, kwargs : tuple, dict
            What the model is called with.
        """
        if self._trial is None:
            self.life.begin(CallTrials(self, args, kwargs))

    def stand(self) -> None:
        """Change the layers that hold gated sites."""
        layers = self.layers()
        for path in {path_of(site, layers) for site in self.life.gates.sites}:
            if path in layers:
                seen = partial(self._seen, path)
                mine = partial(runs, layers[path], self.running, self.model)
                attending(layers[path], seen, self.replace, lambda: self.sleeps, mine)

    def _seen(self, path: str, values: Any, features: bool, even: Callable[[], Any]) -> Any:
        """Return what becomes of what a layer's heads contribute, or of its weights."""
        layout = self.next_layout(path, self.known.sites)
        if layout is None or self.sleeps:
            return values
        named = self.life.gates.sites
        site = next((s for s in (layout.site, f"{layout.site}/softmax") if s in named), None)
        if site is None or site not in self.life.heads:
            return values
        where = None if features else layout
        if self._trial is not None:
            return self._tried(self._trial, site, values, where)
        self.life.applied.add(site)
        gates = self.life.gates
        reference = (self.life.reference or {}).get(site)
        change = partial(self._blended, gates.sites, site, gates.replace, reference)
        if gates.replace == "uniform":
            with self.asleep():
                other = even()
            return self._blended(gates.sites, site, "uniform", other, values, where)
        if not features and gates.replace is not None:
            return self._later(site, values, partial(change, layout=None), layout)
        return change(values, layout=where)

    def _later(self, site: str, values: Any, change: Any, layout: Layout) -> Later:
        """Change what weights contribute, where it is known how they are laid out."""
        if not layout.roles or layout.stage:
            self._lost(site)
        return Later(values, change, partial(self._lost, site), layout.roles)

    def _tried(self, trial: Trial, site: str, values: Any, layout: Layout | None) -> Any:
        """Do what a trial says with what a layer's heads contribute, or with its weights."""
        contributions = trial.contributions
        if contributions is None and site not in trial.pieces:
            return values
        trial.met.add(site)
        if contributions is None:
            return self._blended(trial.pieces, site, None, None, values, layout)

        def collect(rows: Any) -> Any:
            contributions[site] = rows
            return rows

        return collect(values) if layout is None else self._later(site, values, collect, layout)

    def _blended(
        self, pieces: Pieces, site: str, replace: Replace, reference: Any, values: Any,
        layout: Layout | None,
    ) -> Any:  # fmt: skip
        from keras import ops

        try:
            heads = self.life.heads[site]
            gates = spread(ops.cast(strengths(pieces[site], heads), values.dtype), values, layout)
            if replace is None:
                return values * gates
            if replace == "uniform":
                return blend(values, gates, reference)
            return blend(values, gates, stand_in(replace, values, reference, heads, site))
        except GateError as error:
            self.error = error
            raise

    def _lost(self, site: str) -> None:
        self.error = GateError(
            f"Got replace={self.life.gates.replace!r} for {site!r}, whose weights enter no matrix "
            "product that could be followed.",
            "Wanted ops.matmul or ops.einsum of weights and values, to know what a head "
            "contributes.",
            "Only scale heads there, or let the layer use one of these.",
        )
        raise self.error

    # --------------------------------------------------------------------------------------- trials

    @contextmanager
    def trying(self, trial: Trial) -> Iterator[None]:
        """Apply a trial's gates, in runs that nobody gets.

        Parameters
        ----------
        trial : Trial
            Filled while the model runs.

        Yields
        ------
        None
        """
        self._trial = trial
        try:
            with self.apart():
                yield
        finally:
            self._trial = None
