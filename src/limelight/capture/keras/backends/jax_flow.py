"""Says JAX's primitives in the forms that axes are followed in.

Room: capture, Keras on JAX. Comes in: primitives with their values. Goes out: calls of
:class:`~limelight.capture.axes.flow.Flow`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from limelight.capture.axes.flow import Flow
from limelight.capture.axes.weighing import added

Parameters = dict[str, Any]

_SAME: Final = frozenset(
    {"convert_element_type", "copy", "copy_p", "stop_gradient", "reduce_precision",
     "optimization_barrier", "sharding_constraint", "device_put", "name"}
)  # fmt: skip
_NAMES: Final = {"mul": "mul", "div": "div", "add": "add", "add_any": "add", "sub": "add",
                 "exp": "exp"}  # fmt: skip
_REDUCTIONS: Final = {
    "reduce_sum": "sum", "reduce_max": "max", "reduce_min": "min", "reduce_prod": "prod",
    "reduce_and": "all", "reduce_or": "any", "argmax": "other", "argmin": "other",
}  # fmt: skip


def note(flow: Flow, name: str, args: Sequence[Any], params: Parameters, outputs: Any) -> None:
    """Take in one primitive.

    Parameters
    ----------
    flow : Flow
    name : str
    args : sequence
    params : dict
    outputs : sequence of jax.Array
    """
    inputs = [arg for arg in args if hasattr(arg, "shape")]
    outputs = [output for output in outputs if hasattr(output, "shape")]
    if not outputs:
        return
    if not inputs:
        return  # a constant
    output, rule = outputs[0], _RULES.get(name)
    if name in _SAME:
        flow.elementwise("same", inputs[:1], output)
    elif name in _REDUCTIONS:
        flow.reduce(_REDUCTIONS[name], inputs[0], output, params["axes"])
    elif rule is not None:
        rule(flow, inputs, params, outputs)
    elif name == "select_n":
        flow.elementwise("where", [*inputs[1:], inputs[0]], output)
    elif len(outputs) == 1 and _is_elementwise(inputs, output):
        known = _NAMES.get(name, name)
        if known == "add":
            known = added(float(np.asarray(t).flat[0]) for t in inputs if np.prod(t.shape) == 1)
        flow.elementwise(known, inputs, output)
    else:
        for each in outputs:
            flow.unknown(inputs, each)


def _is_elementwise(inputs: Sequence[Any], output: Any) -> bool:
    try:
        return np.broadcast_shapes(*(t.shape for t in inputs)) == tuple(output.shape)
    except ValueError:
        return False


def _reshape(flow: Flow, inputs: Any, _: Parameters, outputs: Any) -> None:
    flow.reshape(inputs[0], outputs[0])


def _transpose(flow: Flow, inputs: Any, params: Parameters, outputs: Any) -> None:
    flow.spread(inputs[0], outputs[0], list(params["permutation"]))


def _broadcast(flow: Flow, inputs: Any, params: Parameters, outputs: Any) -> None:
    mapping: list[int | None] = [None] * len(outputs[0].shape)
    for axis, target in enumerate(params["broadcast_dimensions"]):
        mapping[target] = axis
    flow.spread(inputs[0], outputs[0], mapping)


def _slice(flow: Flow, inputs: Any, params: Parameters, outputs: Any) -> None:
    _cut(flow, inputs[0], outputs[0], params["start_indices"])


def _dynamic_slice(flow: Flow, inputs: Any, _: Parameters, outputs: Any) -> None:
    starts = [int(start) if hasattr(start, "__int__") else 0 for start in inputs[1:]]
    _cut(flow, inputs[0], outputs[0], starts or [0] * len(outputs[0].shape))


def _cut(flow: Flow, source: Any, output: Any, starts: Sequence[int]) -> None:
    pairs = zip(source.shape, output.shape, starts, strict=False)
    single = {axis: int(start) for axis, (old, new, start) in enumerate(pairs) if new == 1 < old}
    flow.cut(source, output, list(range(len(output.shape))), single)


def _split(flow: Flow, inputs: Any, params: Parameters, outputs: Any) -> None:
    axis, start = int(params["axis"]), 0
    for output in outputs:
        starts = [0] * len(output.shape)
        starts[axis] = start
        _cut(flow, inputs[0], output, starts)
        start += int(output.shape[axis])


def _gather(flow: Flow, inputs: Any, params: Parameters, outputs: Any) -> None:
    source, indices, output = inputs[0], inputs[1], outputs[0]
    numbers = params["dimension_numbers"]
    dropped = {*numbers.collapsed_slice_dims, *getattr(numbers, "operand_batching_dims", ())}
    batching = getattr(numbers, "start_indices_batching_dims", ())
    windows = [a for a in range(len(source.shape)) if a not in dropped]
    of_indices = list(range(len(indices.shape) - 1))
    if batching or len(windows) != len(numbers.offset_dims):
        flow.unknown(inputs, output)
        return
    mapping = []
    for axis in range(len(output.shape)):
        if axis in numbers.offset_dims:
            mapping.append((0, windows[numbers.offset_dims.index(axis)]))
        else:
            mapping.append((1, of_indices.pop(0)))
    single = {}
    if len(indices.shape) == 1:  # whole numbers, such as x[:, 3]
        single = {axis: int(indices[at]) for at, axis in enumerate(numbers.start_index_map)
                  if params["slice_sizes"][axis] == 1 < source.shape[axis]}  # fmt: skip
    flow.gather(source, indices, output, mapping, single)


def _dot(flow: Flow, inputs: Any, params: Parameters, outputs: Any) -> None:
    (left, right), (batch, other) = params["dimension_numbers"]
    first = [("a", axis) for axis in range(len(inputs[0].shape))]
    second = [("b", axis) for axis in range(len(inputs[1].shape))]
    for ours, theirs in (*zip(left, right, strict=True), *zip(batch, other, strict=True)):
        second[theirs] = first[ours]
    output = [first[axis] for axis in batch]
    output += [letter for axis, letter in enumerate(first) if axis not in {*left, *batch}]
    output += [letter for axis, letter in enumerate(second) if axis not in {*right, *other}]
    flow.dot(inputs[0], inputs[1], outputs[0], (first, second, output))


def _concatenate(flow: Flow, inputs: Any, params: Parameters, outputs: Any) -> None:
    axis = int(params["dimension"])
    # JAX stacks what it has given an axis of size 1 before.
    new = all(tensor.shape[axis] == 1 for tensor in inputs) and len(inputs) > 1
    flow.join(inputs, outputs[0], axis, stacked=new)


def _stack(flow: Flow, inputs: Any, params: Parameters, outputs: Any) -> None:
    flow.join(inputs, outputs[0], int(params["axis"]), new=True)


def _unstack(flow: Flow, inputs: Any, params: Parameters, outputs: Any) -> None:
    axis = int(params["axis"])
    rest = [other for other in range(len(inputs[0].shape)) if other != axis]
    for index, output in enumerate(outputs):
        flow.cut(inputs[0], output, rest, {axis: index})


def _convolution(flow: Flow, inputs: Any, params: Parameters, outputs: Any) -> None:
    numbers = params["dimension_numbers"]
    axes = [0] * len(outputs[0].shape)
    for old, new in zip(numbers.lhs_spec, numbers.out_spec, strict=True):
        axes[new] = old
    if axes != list(range(len(axes))):
        flow.unknown(inputs, outputs[0])
        return
    flow.convolve(inputs[0], inputs[1], outputs[0], (numbers.out_spec[1], numbers.rhs_spec[0]))


def _resized(flow: Flow, inputs: Any, _: Parameters, outputs: Any) -> None:
    flow.spread(inputs[0], outputs[0], list(range(len(outputs[0].shape))))


_RULES: Final[dict[str, Callable[[Flow, Any, Parameters, Any], None]]] = {
    "reshape": _reshape, "squeeze": _reshape, "expand_dims": _reshape, "transpose": _transpose,
    "broadcast_in_dim": _broadcast, "slice": _slice, "dynamic_slice": _dynamic_slice,
    "split": _split, "gather": _gather, "dot_general": _dot, "concatenate": _concatenate,
    "stack": _stack, "unstack": _unstack, "tile": _resized,
    "conv_general_dilated": _convolution, "pad": _resized, "rev": _resized,
    "reduce_window_max": _resized, "reduce_window_sum": _resized, "reduce_window_min": _resized,
    "reduce_window": _resized,
}  # fmt: skip
