"""Takes heads of Keras models out for good: zeros in the output projection.

Room: capture, Keras. Comes in: a model and heads. Goes out: the same model, which computes what the
gated one does, or is as before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelight.capture.gating.gates import Gates
from limelight.capture.gating.pruning import heads_of
from limelight.capture.keras.backends.backend import backend, dtype_of, single
from limelight.capture.keras.calling import outputs, tensors
from limelight.capture.keras.doors.projecting import Heads, heads_alone
from limelight.capture.keras.gates.gating import gated
from limelight.capture.keras.state import untouched
from limelight.capture.probe import Probe
from limelight.errors import GateError

_BUILT = "the layers of a Keras model keep the sizes that they were built with"


def prune(model: Any, probe: Probe | None, gates: Gates, smaller: bool) -> str:
    """Take heads whose gates are 0 out for good.

    Parameters
    ----------
    model : keras.Model
    probe : Probe, optional
    gates : Gates
    smaller : bool

    Returns
    -------
    str
        Why no time is saved, where that was wished.

    Raises
    ------
    GateError
        As :func:`limelight.capture.prune`; the model is as before.
    """
    probe = _made_up(model) if probe is None else probe
    known, rows = heads_alone(model, probe)
    gates.check(known)
    slices: dict[int, tuple[Any, NDArray[np.bool_], str]] = {}
    for site, heads in heads_of(gates, known).items():
        layer, cells = _slices(site, rows.get(site, []), heads)
        if id(layer) in slices:
            raise _unknown(site, f"its projection is that of {slices[id(layer)][2]!r} too")
        slices[id(layer)] = layer, cells, site
    inputs = tensors(probe)
    with untouched(model), gated(model, gates):
        wanted = _arrays(outputs(model, probe, inputs))
    before = [
        (layer.kernel, np.array(backend().read(layer.kernel))) for layer, *_ in slices.values()
    ]
    try:
        for (kernel, values), (_, cells, _) in zip(before, slices.values(), strict=True):
            kernel.assign(np.where(cells, np.zeros((), values.dtype), values))
        with untouched(model):
            now = _arrays(outputs(model, probe, inputs))
        _compare(now, wanted, [site for *_, site in slices.values()])
    except BaseException:
        for kernel, values in before:
            kernel.assign(values)
        raise
    return _BUILT if smaller else ""


def _slices(site: str, pieces: list[Heads], heads: list[int]) -> tuple[Any, NDArray[np.bool_]]:
    """Return the dense layer behind a site's heads, and the cells of its kernel that are theirs."""
    if not pieces or not pieces[-1].each:
        raise _unknown(site, (pieces and pieces[-1].reason) or "its heads go on together")
    piece = pieces[-1]
    index = piece.projection()
    if index is None:
        raise _unknown(site, "no dense layer follows in its layer")
    layer = piece.closed.dense[index].layer
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
        raise _unknown(site, f"its projection {layer.name!r} is quantised, or has LoRA beside it")
    closed = single(piece.closed.dense[index].given)
    every = [single(run.dense[index].given) != closed for run in piece.each]
    cells = np.zeros(tuple(layer.kernel.shape), np.bool_)
    for head in heads:
        cells |= _cells_of(site, layer, every, head)
    return layer, cells


def _cells_of(
    site: str, layer: Any, every: list[NDArray[np.bool_]], head: int
) -> NDArray[np.bool_]:
    """Return the cells of a kernel that meet what one head gives."""
    equation = getattr(layer, "equation", None)
    rank = every[head].ndim
    letters = [str(axis) for axis in range(rank)]
    kernel = [letters[-1], "out"]
    if equation is not None:
        sides, _ = equation.replace(" ", "").split("->")
        given, weights = sides.split(",")
        fits = "..." not in equation and len(given) == rank
        if not fits:
            raise _unknown(site, f"the equation {equation!r} of its projection")
        letters, kernel = list(given), list(weights)
    bound = [letter for letter in kernel if letter in letters]
    free = tuple(axis for axis, letter in enumerate(letters) if letter not in bound)
    order = [letter for letter in letters if letter in bound]

    def touched(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.transpose(np.any(cells, axis=free), [order.index(letter) for letter in bound])

    mine = _whole([touched(cells) for cells in every], head)
    shape = [size if letter in bound else 1
             for letter, size in zip(kernel, layer.kernel.shape, strict=True)]  # fmt: skip
    return np.broadcast_to(mine.reshape(shape), tuple(layer.kernel.shape))


def _whole(every: list[NDArray[np.bool_]], head: int) -> NDArray[np.bool_]:
    """Return a head's features, also those that were zero on these inputs."""
    mine, others = every[head], [cells for index, cells in enumerate(every) if index != head]
    if not others:
        return np.ones_like(mine)
    for axis in range(mine.ndim):
        if mine.shape[axis] == len(every):  # heads have an axis of their own
            whole = np.zeros_like(mine)
            np.moveaxis(whole, axis, 0)[head] = True
            if not (mine & ~whole).any():
                return whole
    flat = mine.reshape(-1)
    if flat.size % len(every) == 0:
        size = flat.size // len(every)
        blocks = np.arange(flat.size) // size, np.arange(flat.size) % len(every)
        for block in blocks:  # one head's features after the other's, or in turn
            whole = np.asarray(block == head)
            if not (flat & ~whole).any() and flat.any():
                return whole.reshape(mine.shape)
    return mine


def _compare(now: list[Any], wanted: list[Any], sites: list[str]) -> None:
    for after, gated_ in zip(now, wanted, strict=True):
        limit = 1e-5 * max(1.0, float(np.abs(gated_).max(initial=0)))
        if not np.allclose(after, gated_, rtol=0, atol=limit, equal_nan=True):
            raise GateError(
                f"Got heads of {', '.join(map(repr, sites))}, without whose slices of the output "
                "projection the model does not compute what it does with these heads gated.",
                "Wanted heads that reach the output through one dense layer only.",
                "Keep them closed with limelight.gate instead.",
            )


def _arrays(given: Any) -> list[NDArray[np.float32]]:
    import keras

    return [single(value) for value in keras.tree.flatten(given) if hasattr(value, "shape")]


def _made_up(model: Any) -> Probe:
    """Return inputs such as the model was built for."""
    specs = getattr(model, "inputs", None)
    if not specs:
        raise GateError(
            f"Got the model {model.name!r}, which does not say what it takes.",
            "Wanted a few examples to find its projections with.",
            "Give inputs=x[:8].",
        )
    generator = np.random.default_rng(0)

    def array(spec: Any) -> NDArray[Any]:
        shape = [2, *(8 if size is None else int(size) for size in spec.shape[1:])]
        dtype = np.dtype(dtype_of(spec).replace("bfloat16", "float32"))
        return generator.normal(size=shape).astype(dtype) if dtype.kind == "f" else np.ones(
            shape, dtype)  # fmt: skip

    arrays = tuple(array(spec) for spec in specs)
    return Probe(arrays if len(arrays) > 1 else arrays[0])


def _unknown(site: str, reason: str) -> GateError:
    return GateError(
        f"Got heads of {site!r}, whose output projection cannot be found: {reason}.",
        "Wanted heads that go through one Dense or EinsumDense of their own layer.",
        "Keep them closed with limelight.gate instead.",
    )
