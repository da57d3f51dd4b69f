"""Gates on the heads of a Keras model.

Room: capture, Keras. Layers are changed one by one, in their own ``__dict__``, and put back
afterwards. Inside the context TensorFlow and JAX run function by function and compile nothing: what
was compiled before would know nothing of the gates, and what is compiled inside would keep them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from limelight.capture.gating.gates import Gates, Replace
from limelight.capture.gating.life import Life, Pieces, known
from limelight.capture.keras import names as keras_names
from limelight.capture.keras.backends.backend import backend
from limelight.capture.keras.calling import outputs, tensors
from limelight.capture.keras.gates.blending import blend, spread, stand_in, strengths
from limelight.capture.keras.gates.hooking import attending, runs
from limelight.capture.keras.gates.products import Later
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


class Gating:
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
        self.model = model
        self.known = known(model)
        self.life = Life(gates, self.known)
        self._trial: Trial | None = None
        self._asleep = False
        self._error: GateError | None = None
        self._counts: dict[str, int] = {}
        self._depth = 0
        self._running: list[Any] = []
        self._undo = ExitStack()

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Change the layers that hold gated sites.

        Yields
        ------
        None
        """
        import keras

        with backend().uncompiled(), self._undo:
            self._change()
            # Keras wraps errors inside a call; those of the gates must come out as they are.
            original = keras.layers.Layer.__call__
            self._undo.callback(setattr, keras.layers.Layer, "__call__", original)
            keras.layers.Layer.__call__ = self._around(original)
            call = self.model.call  # stateless_call() comes this way only

            def called(*args: Any, **kwargs: Any) -> Any:
                return self._entered(call, args, kwargs)

            self._replace(self.model, "call", called)
            yield

    def _around(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
            self._running.append(layer)
            try:
                run = partial(original, layer)
                if layer is not self.model:
                    return run(*args, **kwargs)
                return self._entered(run, args, kwargs)
            finally:
                self._running.pop()

        return called

    def _entered(
        self, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Make ready for a call of the model, and do it."""
        if self._depth or self._asleep:
            return run(*args, **kwargs)
        if self._trial is None:
            self.life.begin(CallTrials(self, args, kwargs))
        self._counts.clear()
        self._depth += 1
        try:
            return run(*args, **kwargs)
        except Exception:
            error, self._error = self._error, None
            if error is not None:
                raise error from None
            raise
        finally:
            self._depth -= 1

    def _change(self) -> None:
        names = keras_names.paths(self.model)
        layers = {names[id(layer)]: layer for layer in self.model._flatten_layers()
                  if id(layer) in names}  # fmt: skip
        for path in {_path_of(site, layers) for site in self.life.gates.sites}:
            if path in layers:
                seen = partial(self._seen, path)
                mine = partial(runs, layers[path], self._running, self.model)
                attending(layers[path], seen, self._replace, lambda: self._asleep, mine)

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        """Put an attribute into an object's own ``__dict__`` until the context ends."""
        attributes = owner.__dict__
        if name in attributes:
            self._undo.callback(attributes.__setitem__, name, attributes[name])
        else:
            self._undo.callback(attributes.pop, name, None)
        attributes[name] = value

    def _seen(self, path: str, values: Any, features: bool, even: Callable[[], Any]) -> Any:
        """Return what becomes of what a layer's heads contribute, or of its weights."""
        count = self._counts.get(path, 0)
        self._counts[path] = count + 1
        rows = self.known.sites.get(path or keras_names.name_of(self.model), [])
        if not rows or self._asleep:
            return values
        layout = rows[min(count, len(rows) - 1)]  # a loop may take more steps than it took
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
        if not layout.plain or layout.stage:
            self._lost(site)
        return Later(values, change, partial(self._lost, site))

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
            self._error = error
            raise

    def _lost(self, site: str) -> None:
        self._error = GateError(
            f"Got replace={self.life.gates.replace!r} for {site!r}, whose weights enter no matrix "
            "product that could be followed.",
            "Wanted ops.matmul or ops.einsum of weights and values, to know what a head "
            "contributes.",
            "Only scale heads there, or let the layer use one of these.",
        )
        raise self._error

    # --------------------------------------------------------------------------------------- trials

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Leave the model alone for a while.

        Yields
        ------
        None
        """
        self._asleep = True
        try:
            yield
        finally:
            self._asleep = False

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
        self._trial, depth, self._depth = trial, self._depth, 0
        running = self._running[:]
        self._running.clear()
        try:
            yield
        finally:
            self._trial, self._depth = None, depth
            self._running[:] = running


def _path_of(site: str, paths: Iterable[str]) -> str:
    """Return the path of the layer that a site is in; ``""`` for the model itself."""
    known = set(paths)
    for name in (site, site.rpartition(":")[0], site.removesuffix("/softmax")):
        if name in known:
            return name
    return "" if "/" not in site else site
