"""Says TensorFlow's ops in the forms that axes are followed in.

Room: capture, Keras on TensorFlow. Comes in: ops with their tensors and attributes, as TensorFlow's
callback hands them out. Goes out: calls of :class:`~limelight.capture.axes.flow.Flow`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from limelight.capture.axes.flow import Flow
from limelight.capture.axes.weighing import added

Attributes = dict[str, Any]

_SAME: Final = frozenset({"Identity", "Cast", "StopGradient", "CheckNumerics", "EnsureShape"})
_NAMES: Final = {
    "Mul": "mul", "RealDiv": "div", "Div": "div", "DivNoNan": "div", "Xdivy": "div", "AddV2": "add",
    "Add": "add", "Sub": "add", "BiasAdd": "add", "Exp": "exp", "Select": "where",
    "SelectV2": "where", "MulNoNan": "mul",
}  # fmt: skip
_ELEMENTWISE: Final = frozenset(
    {"Tanh", "Relu", "Relu6", "Elu", "Selu", "Sigmoid", "Softplus", "Softsign", "LeakyRelu", "Erf",
     "Erfc", "Sqrt", "Rsqrt", "Square", "Pow", "Maximum", "Minimum", "Neg", "Abs", "Log", "Log1p",
     "Expm1", "Sin", "Cos", "Sign", "Floor", "Round", "Reciprocal", "Inv", "SquaredDifference",
     "Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual", "LogicalAnd", "LogicalOr",
     "LogicalNot", "IsNan", "IsInf", "IsFinite", "ClipByValue", "FloorDiv", "FloorMod", "ZerosLike",
     "OnesLike", "Tan", "Sinh", "Cosh", "Asin", "Acos", "Atan", "Asinh", "Acosh", "Atanh", "Atan2",
     "Ceil", "Rint", "Erfinv", "Ndtri", "Lgamma", "Digamma", "Xlogy", "Xlog1py", "Mod",
     "TruncateDiv", "TruncateMod", "Cumsum", "Cumprod", "CumulativeLogsumexp", "Roll", "ReverseV2",
     "MatrixBandPart", "Bucketize", "LRN", "Bitcast"}
)  # fmt: skip
#: Entries come from those around them, along the same axes.
_AROUND: Final = frozenset(
    {"MaxPool", "AvgPool", "MaxPool3D", "AvgPool3D", "Pad", "PadV2", "MirrorPad", "ResizeBilinear",
     "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea"}
)  # fmt: skip

_REDUCTIONS: Final = {"Sum": "sum", "Mean": "mean", "Max": "max", "Min": "min", "Prod": "prod",
                      "All": "all", "Any": "any", "EuclideanNorm": "other", "ArgMax": "other",
                      "ArgMin": "other", "Multinomial": "other"}  # fmt: skip
_VARIABLES: Final = frozenset({"ReadVariableOp", "ResourceGather"})


def attempt(flow: Flow, op: str, inputs: Sequence[Any], attrs: Any, outputs: Sequence[Any]) -> None:
    """Take in one op, whatever it is.

    Parameters
    ----------
    flow : Flow
    op : str
    inputs, outputs : sequence of tensor
    attrs : tuple
        Names and values by turns.
    """
    sources = [t for t in inputs if hasattr(t, "dtype") and not _is_handle(t)]
    results = [t for t in outputs if getattr(getattr(t, "shape", None), "rank", None) is not None]
    flow.attempt(partial(_note, flow, op, inputs, attrs, results), sources, results)


def _note(flow: Flow, op: str, inputs: Sequence[Any], attrs: Any, outputs: Sequence[Any]) -> None:
    if op == "ReadVariableOp":
        flow.parameter(outputs[0], id(inputs[0]))
        return
    if not outputs:
        return
    named = dict(zip(attrs[::2], attrs[1::2], strict=True)) if attrs else {}
    rule = _RULES.get(op)
    if op in _SAME:
        flow.elementwise("same", inputs[:1], outputs[0])
    elif op in _NAMES or op in _ELEMENTWISE:
        name = _NAMES.get(op, op)
        if name == "add":
            name = added(float(_number(t).flat[0]) for t in inputs if t.shape.num_elements() == 1)
        flow.elementwise(name, inputs, outputs[0])
    elif op in _REDUCTIONS:
        axes = [-1] if op == "Multinomial" else np.atleast_1d(_number(inputs[1]))
        flow.reduce(_REDUCTIONS[op], inputs[0], outputs[0], [int(axis) for axis in axes])
    elif op in _AROUND:
        flow.spread(inputs[0], outputs[0], list(range(len(outputs[0].shape))))
    elif rule is not None:
        rule(flow, inputs, named, outputs)
    else:
        for output in outputs:
            flow.unknown([t for t in inputs if not _is_handle(t)], output)


def _number(tensor: Any) -> Any:
    return np.asarray(tensor.numpy())


def _is_handle(tensor: Any) -> bool:
    return tensor.dtype.name in {"resource", "variant"}


def _reshape(flow: Flow, inputs: Any, _: Attributes, outputs: Any) -> None:
    flow.reshape(inputs[0], outputs[0])


def _squeeze(flow: Flow, inputs: Any, _: Attributes, outputs: Any) -> None:
    flow.reshape(inputs[0], outputs[0])


def _transpose(flow: Flow, inputs: Any, _: Attributes, outputs: Any) -> None:
    flow.spread(inputs[0], outputs[0], [int(axis) for axis in _number(inputs[1])])


def _broadcast(flow: Flow, inputs: Any, _: Attributes, outputs: Any) -> None:
    rank, before = len(outputs[0].shape), len(outputs[0].shape) - len(inputs[0].shape)
    flow.spread(inputs[0], outputs[0], [a - before if a >= before else None for a in range(rank)])


def _tile(flow: Flow, inputs: Any, _: Attributes, outputs: Any) -> None:
    flow.spread(inputs[0], outputs[0], list(range(len(outputs[0].shape))))


def _slice(flow: Flow, inputs: Any, _: Attributes, outputs: Any) -> None:
    begin = _number(inputs[1])
    pairs = zip(inputs[0].shape, outputs[0].shape, begin, strict=True)
    single = {a: int(first) for a, (old, new, first) in enumerate(pairs) if new == 1 < old}
    flow.cut(inputs[0], outputs[0], list(range(len(begin))), single)


def _strided(flow: Flow, inputs: Any, attrs: Attributes, outputs: Any) -> None:
    """``x[...]`` with whole numbers, slices, new axes and an ellipsis."""
    begin = [int(n) for n in _number(inputs[1])]
    bits = {name: int(attrs.get(f"{name}_mask", 0))
            for name in ("ellipsis", "new_axis", "shrink_axis", "begin")}  # fmt: skip
    rank = len(inputs[0].shape)
    said = len(begin) - bin(bits["new_axis"]).count("1") - bool(bits["ellipsis"])
    mapping: list[int | None] = []
    starts: dict[int, int] = {}
    axis = 0
    for i, first in enumerate(begin):
        is_set = {name for name, mask in bits.items() if mask >> i & 1}
        if "ellipsis" in is_set:
            mapping += range(axis, axis + rank - said)
            axis += rank - said
        elif "new_axis" in is_set:
            mapping.append(None)
        else:
            starts[axis] = 0 if "begin" in is_set and "shrink_axis" not in is_set else first
            mapping += [] if "shrink_axis" in is_set else [axis]
            axis += 1
    mapping += range(axis, rank)
    sizes = dict(zip(mapping, outputs[0].shape, strict=True))
    single = {axis: starts.get(axis, 0) for axis, size in enumerate(inputs[0].shape)
              if axis not in sizes or sizes[axis] == 1 < size}  # fmt: skip
    flow.cut(inputs[0], outputs[0], mapping, single)


def _pack(flow: Flow, inputs: Any, attrs: Attributes, outputs: Any) -> None:
    flow.join(inputs, outputs[0], int(attrs["axis"]) % len(outputs[0].shape), new=True)


def _unpack(flow: Flow, inputs: Any, attrs: Attributes, outputs: Any) -> None:
    rank = len(inputs[0].shape)
    axis = int(attrs["axis"]) % rank
    for index, output in enumerate(outputs):
        flow.cut(inputs[0], output, [a for a in range(rank) if a != axis], {axis: index})


def _concat(flow: Flow, inputs: Any, _: Attributes, outputs: Any) -> None:
    flow.join(inputs[:-1], outputs[0], int(_number(inputs[-1])) % len(outputs[0].shape))


def _split(flow: Flow, inputs: Any, _: Attributes, outputs: Any) -> None:
    source, axis = (inputs[1], inputs[0]) if len(inputs) == 2 else (inputs[0], inputs[2])
    rank, start = len(source.shape), 0
    axis = int(_number(axis)) % rank
    for output in outputs:
        single = {axis: start} if output.shape[axis] == 1 < source.shape[axis] else {}
        flow.cut(source, output, list(range(rank)), single)
        start += int(output.shape[axis])


def _gather(flow: Flow, inputs: Any, attrs: Attributes, outputs: Any) -> None:
    axis = int(_number(inputs[2])) if len(inputs) > 2 else 0
    if int(attrs.get("batch_dims", 0)):
        flow.unknown(inputs[:2], outputs[0])
        return
    flow.take(inputs[0], inputs[1], outputs[0], axis % len(inputs[0].shape))


def _resource_gather(flow: Flow, inputs: Any, _: Attributes, outputs: Any) -> None:
    flow.look_up(id(inputs[0]), inputs[1], outputs[0])


def _matmul(flow: Flow, inputs: Any, attrs: Attributes, outputs: Any) -> None:
    turned = [bool(attrs.get(f"transpose_{side}") or attrs.get(f"adj_{first}"))
              for side, first in (("a", "x"), ("b", "y"))]  # fmt: skip
    flow.matmul(inputs[0], inputs[1], outputs[0], (turned[0], turned[1]))


def _einsum(flow: Flow, inputs: Any, attrs: Attributes, outputs: Any) -> None:
    equation = attrs["equation"]
    equation = equation.decode() if isinstance(equation, bytes) else str(equation)
    flow.einsum(equation, inputs, outputs[0])


def _convolution(flow: Flow, inputs: Any, attrs: Attributes, outputs: Any) -> None:
    form = attrs.get("data_format", b"NHWC")
    form = form.decode() if isinstance(form, bytes) else str(form)
    axis = form.index("C") if len(form) == len(outputs[0].shape) else len(outputs[0].shape) - 1
    flow.convolve(inputs[0], inputs[1], outputs[0], (axis, len(inputs[1].shape) - 1))


def _log_softmax(flow: Flow, inputs: Any, _: Attributes, outputs: Any) -> None:
    flow.elementwise("logits", inputs[:1], outputs[0])


def _normalised(flow: Flow, inputs: Any, _: Attributes, outputs: Any) -> None:
    flow.elementwise("norm", inputs[:1], outputs[0])


_RULES: Final[dict[str, Callable[[Flow, Any, Attributes, Any], None]]] = {
    "Reshape": _reshape, "Squeeze": _squeeze, "ExpandDims": _reshape, "Transpose": _transpose,
    "BroadcastTo": _broadcast, "Tile": _tile, "Slice": _slice, "StridedSlice": _strided,
    "Pack": _pack, "Unpack": _unpack, "ConcatV2": _concat, "Split": _split, "SplitV": _split,
    "GatherV2": _gather, "ResourceGather": _resource_gather, "MatMul": _matmul,
    "BatchMatMul": _matmul, "BatchMatMulV2": _matmul, "BatchMatMulV3": _matmul, "Einsum": _einsum,
    "Conv2D": _convolution, "Conv3D": _convolution, "DepthwiseConv2dNative": _convolution,
    "Softmax": _log_softmax, "LogSoftmax": _log_softmax, "FusedBatchNormV3": _normalised,
}  # fmt: skip
