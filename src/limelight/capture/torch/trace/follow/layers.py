"""Layers: they make features anew, and work alike on all positions or on each one's neighbourhood.

Room: capture, torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.torch.trace.follow.sums import contract
from limelight.capture.torch.trace.follow.views import argument
from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.labels import Axes, Axis, Label, fresh, prove


def _linear(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    known = fed[1] if step.name == "addmm" else fed[0]
    before = known.axes[:-1]
    if not known.learned:
        prove(before, known.axes[-1])
    contract(before, known.axes[-1])
    return (*before, fresh(int(out.shape[-1]), "feature"))


def _embedded(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    ids = next(p for p, t in zip(fed, step.fed, strict=True) if not t.is_floating_point())
    prove(ids.axes, ())
    return (*ids.axes, fresh(int(out.shape[-1]), "feature"))


def _local(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    """Follow convolutions and poolings: examples, channels, then positions."""
    count = int(next(c for c in reversed(step.name) if c.isdigit()))
    source, axes = step.fed[0], fed[0].axes
    rank = out.dim()
    if source.dim() != rank or rank < count + 1:
        raise ValueError
    channels = fresh(int(out.shape[-count - 1]), "feature")
    if not step.name.startswith("conv"):
        channels = axes[-count - 1]
    elif not fed[0].learned:
        prove(axes[-count:], axes[-count - 1])
    spots = (
        axes[at] if source.shape[at] == out.shape[at] else fresh(int(out.shape[at]), "position")
        for at in range(-count, 0)
    )
    return (*axes[: rank - count - 1], channels, *spots)


def _resized(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    return tuple(
        axis if size == before else fresh(int(size), "position")
        for axis, size, before in zip(fed[0].axes, out.shape, step.fed[0].shape, strict=True)
    )


def _recurrent(step: Step, fed: Sequence[Any], out: Any, index: int) -> Axes:
    axes = fed[0].axes
    features = fresh(int(out.shape[-1]), "feature")
    if not fed[0].learned:
        prove(axes[:-1], axes[-1])
    if index == 0:
        return (*axes[:-1], features)
    flags = [value for value in step.args if isinstance(value, bool)]
    first = bool(flags[-1]) and len(flags) > 3
    batch = axes[:-1][0 if first else -1 :][:1] if len(axes) == 3 else ()
    return (fresh(int(out.shape[0]), "branch"), *batch, features)


def _celled(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:  # noqa: ARG001
    return (*fed[0].axes[:-1], fresh(int(out.shape[-1]), "feature"))


def _counted(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:  # noqa: ARG001
    return (*fed[0].axes, fresh(int(out.shape[-1]), "feature"))


def _unfolded(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    """Follow neighbourhoods of positions: of ``Tensor.unfold``, or ``functional.unfold``."""
    axes = fed[0].axes
    at = argument(step, "dimension", 1)
    if len(step.args) + len(step.kwargs) == 4 and out.dim() == step.fed[0].dim() + 1:
        at = int(at) % step.fed[0].dim()
        parts = list(axes)
        parts[at] = fresh(int(out.shape[at]), "position")
        return (*parts, fresh(int(out.shape[-1]), "tap"))
    columns = fresh(int(out.shape[-2]), "feature")
    return (*axes[: out.dim() - 2], columns, fresh(int(out.shape[-1]), "position"))


def _padded(step: Step, fed: Sequence[Any], out: Any, index: int) -> Axes:
    """Follow packed sequences back: the examples were lost between."""
    first = bool(step.args[2])
    label = next(iter(_packed(fed[0])))
    size = int(out.shape[0 if first else 1])
    examples: Axis = () if size == 1 else ((label, 1, size),)
    if index:
        return (examples,) if out.dim() == 1 else ()
    positions = fresh(int(out.shape[1 if first else 0]), "position")
    lead = (examples, positions) if first else (positions, examples)
    return (*lead, *fed[0].axes[1:])


def _packed(known: Any) -> list[Label]:
    """Return the label of the examples that a packed sequence came from."""
    pending, labels = [f for axis in known.axes for f in axis], []
    while pending:
        label = pending.pop()[0]
        if label.kind == "example":
            labels.append(label)
        pending.extend(label.source)
    return labels


def _packing(step: Step, fed: Sequence[Any], out: Any, index: int) -> Axes:  # noqa: ARG001
    if index:
        return (fresh(int(out.shape[0]), "learned"),)
    axes = fed[0].axes
    rows = Label("unknown", (*axes[0], *axes[1]))
    return (((rows, 1, int(out.shape[0])),), *axes[2:])


RULES = {
    **dict.fromkeys(("linear", "addmm", "bilinear"), _linear),
    "embedding": _embedded,
    **dict.fromkeys(
        (f"{name}{count}d" for count in (1, 2, 3) for name in (
            "conv", "conv_transpose", "max_pool", "avg_pool", "adaptive_avg_pool",
            "adaptive_max_pool")), _local,
    ),
    **dict.fromkeys(("interpolate", "upsample", "pixel_shuffle"), _resized),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
    **dict.fromkeys(("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"), _celled),
    "one_hot": _counted,
    "unfold": _unfolded,
    "_pad_packed_sequence": _padded,
    "_pack_padded_sequence": _packing,
}  # fmt: skip
