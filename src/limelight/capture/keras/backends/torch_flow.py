"""Says torch's operators in the forms that axes are followed in.

Room: capture, Keras on torch. Comes in: operators with their tensors, as torch dispatches them
below autograd, where views, products and reductions are few. Goes out: calls of
:class:`~limelight.capture.axes.flow.Flow`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from limelight.capture.axes.flow import Flow
from limelight.capture.axes.weighing import added

_SAME: Final = frozenset(
    {"_to_copy", "clone", "alias", "detach", "lift_fresh", "contiguous", "copy_", "native_dropout"}
)
_NAMES: Final = {"mul": "mul", "mul_": "mul", "div": "div", "div_": "div", "add": "add",
                 "add_": "add", "sub": "add", "rsub": "add", "exp": "exp", "where": "where",
                 "masked_fill": "where"}  # fmt: skip
_VIEWS: Final = frozenset(
    {"view", "_unsafe_view", "reshape", "squeeze", "unsqueeze", "_reshape_alias"}
)
_REDUCTIONS: Final = {"sum": "sum", "mean": "mean", "amax": "max", "amin": "min", "max": "max",
                      "min": "min", "prod": "prod", "all": "all", "any": "any",
                      "argmax": "other", "argmin": "other", "logsumexp": "other",
                      "var": "other", "std": "other", "linalg_vector_norm": "other"}  # fmt: skip
#: Entries come from those around them, along the same axes.
_AROUND: Final = frozenset(
    {"max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool2d", "avg_pool3d",
     "_adaptive_avg_pool2d", "adaptive_max_pool2d", "upsample_nearest1d", "upsample_nearest2d",
     "upsample_bilinear2d", "upsample_bicubic2d", "_upsample_bilinear2d_aa", "constant_pad_nd",
     "reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d"}
)  # fmt: skip
_KERNELS: Final = frozenset(
    {"_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention",
     "_scaled_dot_product_efficient_attention", "_scaled_dot_product_attention_math",
     "_scaled_dot_product_cudnn_attention"}
)  # fmt: skip


def followed(
    flow: Flow, names: dict[int, int], muted: Callable[[], bool]
) -> AbstractContextManager[Any]:
    """Return a mode in which operators of this thread are followed.

    Parameters
    ----------
    flow : Flow
    names : dict of int to int
        ``id`` of each parameter's tensor, to its name.
    muted : callable
        Says whether nothing is to be followed just now.

    Returns
    -------
    context manager
    """
    from torch.utils._python_dispatch import TorchDispatchMode

    class Following(TorchDispatchMode):  # type: ignore[misc]  # torch's own class has no types
        def __torch_dispatch__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            output = function(*args, **(kwargs or {}))
            if not muted():
                follow = partial(_note, flow, names, function, args, kwargs or {}, output)
                flow.attempt(follow, _tensors((args, kwargs)), _tensors(output))
            return output

    return Following()


@dataclass(frozen=True)
class _Operator:
    """A call of an operator."""

    args: Any
    kwargs: Any
    inputs: list[Any]
    outputs: list[Any]

    def argument(self, index: int, name: str, default: Any) -> Any:
        return self.args[index] if len(self.args) > index else self.kwargs.get(name, default)


def _note(
    flow: Flow, names: dict[int, int], function: Any, args: Any, kwargs: Any, output: Any
) -> None:
    name = function.overloadpacket.__name__
    inputs, outputs = _tensors((args, kwargs)), _tensors(output)
    for tensor in inputs:
        if id(tensor) in names and not flow.sees(tensor):
            flow.parameter(tensor, names[id(tensor)])
    if not outputs or not inputs:
        return
    rule = _RULES.get(name)
    first = outputs[0]
    if name in _SAME and not (name == "copy_" and len(inputs) > 1):
        flow.elementwise("same", inputs[:1], first)
    elif name == "copy_":
        flow.elementwise("same", inputs[1:], first)
    elif name in _VIEWS:
        flow.reshape(inputs[0], first)
    elif name in _REDUCTIONS and _is_reduction(name, inputs, first):
        axes = _axes(inputs[0], args, kwargs, 2 if name == "linalg_vector_norm" else 1)
        flow.reduce(_REDUCTIONS[name], inputs[0], first, axes)
    elif name in _KERNELS:
        query, _, value = inputs[:3]
        flow.attend(query, value, first)
    elif rule is not None:
        rule(flow, _Operator(args, kwargs, inputs, outputs))
    elif _is_elementwise(inputs, first) and len(outputs) == 1:
        known = _NAMES.get(name, name)
        flow.elementwise(added(_numbers(args)) if known == "add" else known, inputs, first)
    else:
        for tensor in outputs:
            flow.unknown(inputs, tensor)


def _numbers(args: Any) -> list[float]:
    """Return the numbers among an addition's two operands."""
    return [float(a) for a in args[:2] if not hasattr(a, "numel") or a.numel() == 1]


def _is_reduction(name: str, inputs: Any, output: Any) -> bool:
    return not (name in {"max", "min"} and len(inputs) > 1 and len(output.shape))


def _is_elementwise(inputs: Any, output: Any) -> bool:
    import torch

    try:
        return tuple(torch.broadcast_shapes(*(t.shape for t in inputs))) == tuple(output.shape)
    except RuntimeError:
        return False


def _axes(source: Any, args: Any, kwargs: Any, at: int = 1) -> list[int]:
    axes = kwargs.get("dim", args[at] if len(args) > at else None)
    if axes is None or isinstance(axes, bool) or axes == []:
        return list(range(len(source.shape)))
    return [axes] if isinstance(axes, int) else [int(axis) for axis in axes]


def _transpose(flow: Flow, op: _Operator) -> None:
    rank = len(op.inputs[0].shape)
    order = list(range(rank))
    first, second = (int(a) % rank for a in (op.args[1:3] if len(op.args) > 2 else (0, rank - 1)))
    order[first], order[second] = order[second], order[first]
    flow.spread(op.inputs[0], op.outputs[0], order)


def _t(flow: Flow, op: _Operator) -> None:
    flow.spread(op.inputs[0], op.outputs[0], list(range(len(op.inputs[0].shape)))[::-1])


def _permute(flow: Flow, op: _Operator) -> None:
    rank = len(op.inputs[0].shape)
    flow.spread(op.inputs[0], op.outputs[0], [int(axis) % rank for axis in op.args[1]])


def _expand(flow: Flow, op: _Operator) -> None:
    rank = len(op.outputs[0].shape)
    before = rank - len(op.inputs[0].shape)
    flow.spread(
        op.inputs[0], op.outputs[0], [a - before if a >= before else None for a in range(rank)]
    )


def _select(flow: Flow, op: _Operator) -> None:
    rank = len(op.inputs[0].shape)
    axis = int(op.argument(1, "dim", 0)) % rank
    index = int(op.argument(2, "index", 0))
    flow.cut(op.inputs[0], op.outputs[0], [a for a in range(rank) if a != axis], {axis: index})


def _unbind(flow: Flow, op: _Operator) -> None:
    rank = len(op.inputs[0].shape)
    axis = int(op.argument(1, "dim", 0)) % rank
    for index, output in enumerate(op.outputs):
        flow.cut(op.inputs[0], output, [a for a in range(rank) if a != axis], {axis: index})


def _slice(flow: Flow, op: _Operator) -> None:
    axis = int(op.argument(1, "dim", 0)) % len(op.inputs[0].shape)
    start = op.argument(2, "start", 0) or 0
    _cut(flow, op.inputs[0], op.outputs[0], axis, int(start))


def _cut(flow: Flow, source: Any, output: Any, axis: int, start: int) -> None:
    single = {axis: start} if output.shape[axis] == 1 < source.shape[axis] else {}
    flow.cut(source, output, list(range(len(output.shape))), single)


def _split(flow: Flow, op: _Operator) -> None:
    axis = int(op.argument(2, "dim", 0)) % len(op.inputs[0].shape)
    start = 0
    for output in op.outputs:
        _cut(flow, op.inputs[0], output, axis, start)
        start += int(output.shape[axis])


def _cat(flow: Flow, op: _Operator) -> None:
    flow.join(op.inputs, op.outputs[0], int(op.argument(1, "dim", 0)) % len(op.outputs[0].shape))


def _stack(flow: Flow, op: _Operator) -> None:
    axis = int(op.argument(1, "dim", 0)) % len(op.outputs[0].shape)
    flow.join(op.inputs, op.outputs[0], axis, new=True)


def _matmul(flow: Flow, op: _Operator) -> None:
    flow.matmul(op.inputs[0], op.inputs[1], op.outputs[0], (False, False))


def _addmm(flow: Flow, op: _Operator) -> None:
    flow.matmul(op.inputs[1], op.inputs[2], op.outputs[0], (False, False))


def _embedding(flow: Flow, op: _Operator) -> None:
    flow.take(op.inputs[0], op.inputs[1], op.outputs[0], 0)


def _index_select(flow: Flow, op: _Operator) -> None:
    flow.take(op.inputs[0], op.inputs[1], op.outputs[0], int(op.args[1]) % len(op.inputs[0].shape))


def _index(flow: Flow, op: _Operator) -> None:
    named = [axis for axis, indices in enumerate(op.args[1]) if indices is not None]
    if len(named) != 1 or str(op.inputs[1].dtype) == "torch.bool":
        flow.unknown(op.inputs, op.outputs[0])
        return
    flow.take(op.inputs[0], op.inputs[1], op.outputs[0], named[0])


def _convolution(flow: Flow, op: _Operator) -> None:
    if len(op.args) > 6 and op.args[6]:  # transposed
        flow.convolve(op.inputs[0], op.inputs[1], op.outputs[0], (1, 1))
    else:
        flow.convolve(op.inputs[0], op.inputs[1], op.outputs[0], (1, 0))


def _repeat(flow: Flow, op: _Operator) -> None:
    _expand(flow, op)


def _around(flow: Flow, op: _Operator) -> None:
    flow.spread(op.inputs[0], op.outputs[0], list(range(len(op.outputs[0].shape))))


def _normalised(flow: Flow, op: _Operator) -> None:
    flow.elementwise("norm", op.inputs[:1], op.outputs[0])


_RULES: Final[dict[str, Callable[[Flow, _Operator], None]]] = {
    "transpose": _transpose, "t": _t, "permute": _permute, "expand": _expand, "select": _select,
    "slice": _slice, "split": _split, "split_with_sizes": _split, "unbind": _unbind, "cat": _cat,
    "stack": _stack, "bmm": _matmul, "mm": _matmul, "mv": _matmul, "dot": _matmul,
    "addmm": _addmm, "baddbmm": _addmm, "embedding": _embedding, "index_select": _index_select,
    "index": _index, "convolution": _convolution, "repeat": _repeat,
    "native_layer_norm": _normalised, "native_batch_norm": _normalised,
    "native_group_norm": _normalised, "_native_batch_norm_legit_no_training": _normalised,
    "_softmax": _normalised, "_log_softmax": _normalised, **dict.fromkeys(_AROUND, _around),
}  # fmt: skip


def _tensors(value: Any) -> list[Any]:
    """Return the tensors in nested lists, tuples and dicts."""
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in _tensors(item)]
    return []
