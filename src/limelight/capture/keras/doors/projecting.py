"""What each head of a Keras model gives, before and after its slice of the output projection.

Room: capture, Keras. Comes in: a model and a probe. Goes out: contributions by site, or why there
are none. A layer is run again with one head open at a time: what its first dense layer behind the
heads then gives, less what it gives with all of them closed, is that head's. So it does not matter
how the layer computes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from limelight.capture.contribution import Contribution
from limelight.capture.keras import names as keras_names
from limelight.capture.keras import once
from limelight.capture.keras.backends.backend import dtype_of, single
from limelight.capture.keras.calling import outputs, tensors
from limelight.capture.keras.gates.blending import spread
from limelight.capture.keras.gates.hooking import attending, runs
from limelight.capture.keras.gates.products import Later
from limelight.capture.keras.gates.standing import Standing
from limelight.capture.keras.recognise.layouts import Layout
from limelight.capture.keras.state import untouched
from limelight.capture.probe import Probe
from limelight.errors import GateError

Floats = NDArray[np.float32]

_NO_PRODUCT = "its weights enter no matrix product that could be followed in their layer"
_NOWHERE = "its softmax runs in no layer of the model"
_NOT_LINEAR = "what follows its heads is not linear"
_MORE = "more than what its heads give enters what follows them"
_NONE = "no projection follows in its layer"


class Dense(NamedTuple):
    """One call of a dense layer.

    Attributes
    ----------
    layer : keras.Layer
    given, returned : tensor
    """

    layer: Any
    given: Any
    returned: Any


@dataclass(eq=False)
class Run:
    """One run of a layer that attends.

    Attributes
    ----------
    outputs : object
    dense : list of Dense
        The dense layers in it, in the order they ran.
    """

    outputs: Any = None
    dense: list[Dense] = field(default_factory=list)


@dataclass(eq=False)
class Heads:
    """What was found of the heads of one site in one run of its layer.

    Attributes
    ----------
    layout : Layout
    values : array [example, head, query, feature], optional
    closed : Run
        With every head closed.
    each : list of Run
        With one head open; none where heads cannot be closed one by one.
    whole : Run
        With all heads open.
    reason : str
        Why there are no values.
    """

    layout: Layout
    values: Floats | None = None
    closed: Run = field(default_factory=Run)
    each: list[Run] = field(default_factory=list)
    whole: Run = field(default_factory=Run)
    reason: str = ""

    def projection(self) -> int | None:
        """Return which dense layer is the first behind the heads; None if there is none."""
        for index, dense in enumerate(self.closed.dense):
            before = single(dense.given)
            for run in self.each:
                now = single(run.dense[index].given)
                if now.shape != before.shape or not np.array_equal(now, before):
                    return index
        return None


def contributions(model: Any, probe: Probe) -> dict[str, Contribution | str]:
    """Return what each head gives, before and after its slice of the output projection.

    Parameters
    ----------
    model : keras.Layer
    probe : Probe

    Returns
    -------
    dict of str to Contribution, or str
        A text says why a site has none.
    """
    _, rows = heads_alone(model, probe)
    return {site: _contribution(pieces) for site, pieces in rows.items()}


def heads_alone(model: Any, probe: Probe) -> tuple[dict[str, int], dict[str, list[Heads]]]:
    """Run a model, and each layer that attends with one head open at a time.

    Parameters
    ----------
    model : keras.Layer
    probe : Probe

    Returns
    -------
    dict of str to int
        How many heads each site has.
    dict of str to list of Heads
        By site, for each time its layer ran.
    """
    tree, layouts = once.laid_out(model, probe)
    heads = {str(node.attrs["module"]).removesuffix("/softmax"): int(node["weights"].sizes["head"])
             for node in tree.subtree if node.has_data}  # fmt: skip
    opening = _Opening(model, layouts, heads)
    with untouched(model), opening.standing():
        outputs(model, probe, tensors(probe))
    for rows in layouts.values():
        for row in rows:
            if row.site and row.site not in opening.sites:
                opening.sites[row.site] = [Heads(row, reason=_NOWHERE)]
    return heads, opening.sites


def _contribution(pieces: list[Heads]) -> Contribution | str:
    pieces = [piece for piece in pieces if piece.layout.how != "earlier"]
    reason = next((piece.reason for piece in pieces if piece.reason), "")
    values = [piece.values for piece in pieces if piece.values is not None]
    if reason or len(values) < len(pieces):
        return reason or _NO_PRODUCT
    axis = 2
    if pieces[0].layout.how == "examples":
        axis = 0
        pieces = sorted(pieces, key=lambda piece: piece.layout.example or 0)
        values = [piece.values for piece in pieces if piece.values is not None]
    given = np.concatenate(values, axis)
    projections = [_projected(piece) for piece in pieces]
    for projected in projections:
        if isinstance(projected, str):
            return Contribution(given, reason=projected)
    parts = [pair[0] for pair in projections if not isinstance(pair, str)]
    bias = next(pair[1] for pair in projections if not isinstance(pair, str))
    return Contribution(given, np.concatenate(parts, axis), bias)


def _projected(heads: Heads) -> tuple[Floats, Floats | None] | str:
    """Return what a projection makes of each head, and its bias; or why there is none."""
    index = heads.projection()
    pick = partial(_picked, index)
    closed, whole = pick(heads.closed), pick(heads.whole)
    assert heads.values is not None
    queries = heads.values.shape[2]
    if closed.ndim < 2 or closed[..., 0].size != len(closed) * queries:
        return _NONE
    form = (len(closed), queries, closed.shape[-1])
    closed, whole = closed.reshape(form), whole.reshape(form)
    each = [_alone(index, run, heads.closed) for run in heads.each]
    projected = np.stack([rows.reshape(form) for rows in each], axis=1)
    tolerance = _relative(heads.closed.outputs) * max(1.0, float(np.abs(whole).max()))
    if not np.allclose(projected.sum(1) + closed, whole, rtol=0, atol=tolerance):
        return _NOT_LINEAR
    if index is None and projected.shape[2:] == heads.values.shape[2:] \
            and np.allclose(projected, heads.values, atol=tolerance):  # fmt: skip
        return _NONE
    bias = closed[0, 0]
    if not np.allclose(closed, bias, rtol=0, atol=tolerance / 10):
        return _MORE
    return projected, bias if bias.any() else None


def _picked(index: int | None, run: Run) -> Floats:
    """Return what the projection gave, or the layer itself where it has no dense layer."""
    if index is not None:
        return single(run.dense[index].returned)
    import keras

    return single(keras.tree.flatten(run.outputs)[0])


def _alone(index: int | None, run: Run, closed: Run) -> Floats:
    """Return what one head alone adds."""
    if index is None:
        return _picked(None, run) - _picked(None, closed)
    from keras import ops

    layer, *_ = run.dense[index]
    given = single(run.dense[index].given) - single(closed.dense[index].given)
    if getattr(layer, "quantization_mode", None):
        return _picked(index, run) - _picked(index, closed)
    # In single precision: what a half precision rounds, a difference would show.
    kernel = single(ops.cast(layer.kernel, layer.compute_dtype))
    equation = getattr(layer, "equation", None)
    rows = given @ kernel if equation is None else np.einsum(equation, given, kernel)
    return np.asarray(rows, np.float32)


def _relative(given: Any) -> float:
    """Return how far sums may be apart in the precision that a layer computes in."""
    import keras

    dtype = dtype_of(keras.tree.flatten(given)[0])
    return {"bfloat16": 5e-2, "float16": 1e-2}.get(dtype, 1e-4)


class _Opening(Standing):
    """Opens heads one at a time, each time that a layer attends."""

    def __init__(
        self, model: Any, layouts: Mapping[str, Sequence[Layout]], heads: Mapping[str, int]
    ) -> None:
        super().__init__(model)
        self.sites: dict[str, list[Heads]] = {}
        self._layouts, self._heads = layouts, heads
        self._met: dict[str, list[Heads]] = {}
        self._open: tuple[str, str | None, int | None] | None = None
        self._run: Run | None = None

    def stand(self) -> None:
        """Change the layers that hold sites."""
        layers, own_name = self.layers(), keras_names.name_of(self.model)
        for name, rows in self._layouts.items():
            path = name if name in layers else "" if name == own_name else None
            if path is None or not any(row.site for row in rows):
                continue
            layer = layers[path]
            mine = partial(runs, layer, self.running, self.model)
            attending(layer, partial(self._seen, path), self.replace, lambda: self.sleeps, mine)
            self.replace(layer, "call", self._repeated(layer.call, path))

    def _around(self, original: Callable[..., Any]) -> Callable[..., Any]:
        import keras

        around = super()._around(original)
        kinds = (keras.layers.Dense, keras.layers.EinsumDense)

        def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = around(layer, *args, **kwargs)
            if self._run is not None and isinstance(layer, kinds):
                given = args[0] if args else kwargs["inputs"]
                self._run.dense.append(Dense(layer, given, outputs))
            return outputs

        return called

    def _repeated(self, call: Callable[..., Any], path: str) -> Callable[..., Any]:
        """Wrap a layer's call: run it again and again, with other heads open."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            if self.sleeps or self._open is not None:
                return call(*args, **kwargs)
            before, outer = dict(self._counts), self._run
            self._met[path] = []
            act = partial(call, *args, **kwargs)
            plain = self._ran(act)
            counts, self._counts = self._counts, before
            met = [heads for heads in self._met.pop(path) if not heads.layout.stage]
            sites = list(dict.fromkeys(heads.layout.site for heads in met))
            for heads in met:
                site = heads.layout.site
                heads.closed = self._with((path, None, None), act)
                count = self._heads[site]
                heads.each = [self._with((path, site, head), act) for head in range(count)]
                heads.whole = plain if len(sites) == 1 else self._with((path, site, None), act)
            self._counts, self._run = counts, outer
            return plain.outputs

        return watched

    def _with(self, opened: tuple[str, str | None, int | None], act: Callable[[], Any]) -> Run:
        counts, self._counts = self._counts, dict(self._counts)
        self._open = opened
        try:
            return self._ran(act)
        finally:
            self._open, self._counts = None, counts

    def _ran(self, act: Callable[[], Any]) -> Run:
        run = self._run = Run()
        run.outputs = act()
        self._run = None
        return run

    def _seen(self, path: str, values: Any, features: bool, _even: Any) -> Any:
        """Note what heads give, or leave those alone that are open just now."""
        layout = self.next_layout(path, self._layouts)
        if layout is None or not layout.site or self.sleeps:
            return values
        if self._open is not None:
            return self._opened(layout, values, features) if self._open[0] == path else values
        heads = Heads(layout)
        self._met[path].append(heads)
        self.sites.setdefault(layout.site, []).append(heads)

        def note(rows: Any) -> Any:
            heads.values = _by_head(single(rows), self._heads[layout.site])
            return rows

        def lost() -> None:
            heads.reason = _NO_PRODUCT

        if features:
            return note(values)
        if not layout.roles or layout.stage:
            heads.reason = _NO_PRODUCT
            return values
        return Later(values, note, lost, layout.roles)

    def _opened(self, layout: Layout, values: Any, features: bool) -> Any:
        from keras import ops

        assert self._open is not None
        _, site, head = self._open
        gates = np.zeros((1, self._heads[layout.site]), np.float32)
        if layout.site == site:
            gates[:, slice(None) if head is None else head] = 1
        try:
            tensor = ops.cast(ops.convert_to_tensor(gates), values.dtype)
            return values * spread(tensor, values, None if features else layout)
        except GateError as error:
            self.error = error
            raise


def _by_head(rows: Floats, heads: int) -> Floats:
    """Return contributions [example, …, head, feature] as [example, head, query, feature]."""
    if rows.ndim == 3 or (heads == 1 and rows.shape[-2] != 1):
        return rows.reshape(len(rows), 1, -1, rows.shape[-1])
    turned = np.moveaxis(rows, -2, 1)
    return turned.reshape(len(rows), heads, -1, rows.shape[-1])
