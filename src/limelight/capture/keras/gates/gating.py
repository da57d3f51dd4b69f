"""Gates on the heads of a Keras model.

Room: capture, Keras. Layers are changed one by one, in their own ``__dict__``, and put back
afterwards. Inside the context TensorFlow and JAX run function by function and compile nothing: what
was compiled before would know nothing of the gates, and what is compiled inside would keep them.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.adapter import adapter_for
from limelight.capture.gating.gates import Gates, Piece, never_ran, without_effect
from limelight.capture.keras import names as keras_names
from limelight.capture.keras.backends.backend import backend, dtype_of, single
from limelight.capture.keras.calling import outputs, tensors
from limelight.capture.keras.gates.blending import Blend
from limelight.capture.keras.gates.elsewhere import elsewhere
from limelight.capture.keras.gates.hooking import attending
from limelight.capture.keras.gates.products import Later
from limelight.capture.keras.state import untouched
from limelight.capture.probe import Probe
from limelight.errors import GateError, ProbeError

# Of each model, its sites and how many heads they have, and which were tested.
_known: weakref.WeakKeyDictionary[Any, tuple[dict[str, int], set[str]]] = (
    weakref.WeakKeyDictionary()
)


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
    with gating.standing():
        yield
    missing = [site for site in gates.sites if site not in gating.met]
    if missing and not gating.told:
        raise never_ran(missing)


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
    found = []
    for one in gates:
        with untouched(model), gated(model, one):
            found.append(outputs(model, probe, tensors(probe)))
    return found


class Gating:
    """Gates at work.

    Parameters
    ----------
    model : keras.Layer
    gates : Gates

    Attributes
    ----------
    met : set of str
        Sites whose gates were applied.
    told : bool
        Whether an error was raised that may have kept them from it.
    """

    def __init__(self, model: Any, gates: Gates) -> None:
        self.model = model
        self.gates = gates
        self.met: set[str] = set()
        self.told = False
        self._heads, self._tested = _known.setdefault(model, ({}, set()))
        self._ready = all(site in self._tested for site in gates.sites)
        if self._ready:
            gates.check(self._heads)
        self._blend = Blend(gates)
        self._trial: Blend | None = None
        self._watching = False
        self._error: GateError | None = None
        self._counts: dict[str, int] = {}
        self._depth = 0
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
            run = partial(original, layer)
            if layer is not self.model:
                return run(*args, **kwargs)
            return self._entered(run, args, kwargs)

        return called

    def _entered(
        self, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Make ready for a call of the model, and do it."""
        if self._depth or self._watching:
            return run(*args, **kwargs)
        if self._trial is None:
            self.told = True
            self._prepare(args, kwargs)
            self.told = False
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
        for path in {_path_of(site, layers) for site in self.gates.sites}:
            if path in layers:
                attending(
                    layers[path], partial(self._seen, path), self._replace, lambda: self._watching
                )

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        """Put an attribute into an object's own ``__dict__`` until the context ends."""
        attributes = owner.__dict__
        if name in attributes:
            self._undo.callback(attributes.__setitem__, name, attributes[name])
        else:
            self._undo.callback(attributes.pop, name, None)
        attributes[name] = value

    def _seen(self, path: str, own: Any, features: bool) -> Any:
        """Return what becomes of what a layer's heads contribute, or of its weights."""
        count = self._counts.get(path, 0)
        self._counts[path] = count + 1
        name = path or keras_names.name_of(self.model)
        numbered = f"{name}:{count}" if f"{name}:1" in self._heads and count else name
        site = next((s for s in (numbered, f"{numbered}/softmax") if s in self.gates.sites), None)
        if site is None or site not in self._heads or self._watching:
            return own
        self.met.add(site)
        blend = self._trial or self._blend
        if not features and blend.replaces:
            change = partial(self._blended, blend, site, features=True)
            return Later(own, change, partial(self._lost, site))
        return self._blended(blend, site, own, features)

    def _blended(self, blend: Blend, site: str, own: Any, features: bool) -> Any:
        try:
            return blend(site, self._heads[site], own, features)
        except GateError as error:
            self._error = error
            raise

    def _lost(self, site: str) -> None:
        self._error = GateError(
            f"Got replace={self.gates.replace!r} for {site!r}, whose weights enter no matrix "
            "product that could be followed.",
            "Wanted ops.matmul or ops.einsum of weights and values, to know what a head "
            "contributes.",
            "Only scale heads there, or let the layer use one of these.",
        )
        raise self._error

    # ----------------------------------------------------------------------------------- first call

    def _prepare(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Find the sites, test that gating changes the model's output, run the reference."""
        if not self._ready:
            try:
                elsewhere(self.model, lambda: self._test(_probe(self.model, args, kwargs)))
            except ProbeError:
                return  # the call itself will fail, and say why in its own words
            self._ready = True
        if self._blend.waiting:
            reference = self.gates.reference
            probe = reference if isinstance(reference, Probe) else Probe(reference)
            elsewhere(self.model, lambda: self._refer(probe))

    def _test(self, probe: Probe) -> None:
        self._watching = True
        try:
            sites = adapter_for(self.model).watch(self.model, probe, (), (), None, None).subtree
        finally:
            self._watching = False
        self._heads.update(
            {s.attrs["module"]: int(s["weights"].sizes["head"]) for s in sites if s.has_data}
        )
        self.gates.check(self._heads)
        silent = Gates({
            site: tuple(Piece(piece.heads, 0.0) for piece in pieces)
            for site, pieces in self.gates.sites.items()
        })  # fmt: skip
        before, self.met = self.met, set()
        try:
            plain = self._run(probe, Blend(silent, only_look=True))
            silenced = self._run(probe, Blend(silent))
            lost = [site for site in self.gates.sites if site not in self.met]
            if not lost and _same(plain, silenced) and not self._matters(probe):
                lost = list(self.gates.sites)
        finally:
            self.met = before
        if lost:
            raise without_effect(lost)
        self._tested.update(self.gates.sites)

    def _matters(self, probe: Probe) -> bool:
        """Say whether the output depends on the heads, though silence makes no difference.

        What is no number stays none, even where it is weighed with zero.
        """
        spoilt = Gates({
            site: tuple(Piece(piece.heads, float("nan")) for piece in pieces)
            for site, pieces in self.gates.sites.items()
        })  # fmt: skip
        return any(bool(np.isnan(one).any()) for one in self._run(probe, Blend(spoilt)))

    def _refer(self, probe: Probe) -> None:
        looking = Blend(self.gates, only_look=True)
        self._run(probe, looking)
        self._blend.keep(looking)

    def _run(self, probe: Probe, trial: Blend) -> list[Any]:
        """Run the model for inference, leaving no trace, and return its outputs."""
        import keras

        self._trial, depth, self._depth = trial, self._depth, 0
        try:
            with untouched(self.model):
                found = outputs(self.model, probe, tensors(probe))
        finally:
            self._trial, self._depth = None, depth
        return [single(one) for one in keras.tree.flatten(found) if hasattr(one, "shape")]


def _same(one: list[Any], other: list[Any]) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def _path_of(site: str, paths: Iterable[str]) -> str:
    """Return the path of the layer that a site is in; ``""`` for the model itself."""
    known = set(paths)
    for name in (site, site.rpartition(":")[0], site.removesuffix("/softmax")):
        if name in known:
            return name
    return "" if "/" not in site else site


def _probe(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Probe:
    """Make a probe of what a model is called with; of stand-ins where it is traced."""
    given = [one for one in args if one is not None]
    if not given:
        names = inspect.signature(model.call).parameters
        given = [kwargs[name] for name in names if hasattr(kwargs.get(name), "shape")]
    inputs = given[0] if len(given) == 1 else tuple(given)
    if isinstance(inputs, dict):
        return Probe({name: _values(one) for name, one in inputs.items()})
    if isinstance(inputs, (list, tuple)):
        return Probe(tuple(_values(one) for one in inputs))
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
