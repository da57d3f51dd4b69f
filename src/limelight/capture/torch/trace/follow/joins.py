"""Functions that put tensors beside one another.

Room: capture, torch. What they make is an axis of positions where it puts back together what was
taken apart, or where the same parameters computed every part; parts that different parameters
computed are branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.torch.trace.deriving import pooled, woven
from limelight.capture.torch.trace.follow.views import argument
from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.labels import (
    Axes,
    Axis,
    Factor,
    Label,
    fresh,
    kind_of,
    root,
    size_of,
)


def _stacked(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    at = int(argument(step, "dim", 1, 0)) % out.dim()
    axes = _common(fed)
    return (*axes[:at], _beside(fed, int(out.shape[at])), *axes[at:])


def _chained(step: Step, fed: Sequence[Any], out: Any, _: int) -> Axes:
    name = "axis" if "axis" in step.kwargs else "dim"
    at = int(argument(step, name, 1, 0)) % out.dim()
    size = int(out.shape[at])
    parts = [p for p, t in zip(fed, step.fed, strict=True) if t.dim() == out.dim()]
    sizes = [int(t.shape[at]) for t in step.fed if t.dim() == out.dim()]
    axes = _common(parts)
    filled = [p for p, length in zip(parts, sizes, strict=True) if length]
    if len(filled) == 1 and size in sizes:
        return filled[0].axes  # type: ignore[no-any-return]
    if all(length == 1 for length in sizes):
        return (*axes[:at], _beside(parts, size), *axes[at + 1 :])
    whole = _end_to_end([p.axes[at] for p in parts], parts, size)
    scores = [p.axes for p in parts if _product(p.axes[at]) is not None]
    if scores:  # put end to end; what any of them shares with its keys, all do
        axes = min(scores, key=lambda axes: _sided(axes, at))
        if len(scores) > 1 and len(whole) == 1 and whole[0][0].source and not whole[0][0].base:
            compared = next(f[0] for f in axes[at] if f[0].product is not None)
            whole[0][0].product, whole[0][0].side = compared.product, compared.side
    return (*axes[:at], whole, *axes[at + 1 :])


def _product(axis: Axis) -> Any:
    """Return the product that an axis is one side of, if any."""
    return next((factor[0].product for factor in axis if factor[0].product is not None), None)


def _sided(axes: Axes, at: int) -> int:
    """Count what only one side has of the product whose keys lie on one of the axes."""
    product = _product(axes[at])
    return sum(factor[0].product is product for axis in axes for factor in axis)


def put_together(step: Step, fed: Sequence[Any], out: Any, axes: Axes) -> bool:
    """Say whether parts of one tensor's axis are put back together, each in its place.

    Parameters
    ----------
    step : Step
    fed : sequence of Provenance
    out : tensor
    axes : tuple of Axis
        Of what it returned.

    Returns
    -------
    bool
    """
    if len({known.origin for known in fed}) > 1 or not axes:
        return False
    name = "axis" if "axis" in step.kwargs else "dim"
    at = int(argument(step, name, 1, 0)) % out.dim()
    parts = [known.axes[at] for known in fed if len(known.axes) == len(axes)]
    return any(parts) and all(part[0][0].source == axes[at] for part in parts if part)


def _common(fed: Sequence[Any]) -> Axes:
    """Return, axis by axis, what says most of the parts, rather what was computed from inputs."""
    ranks = {len(p.axes) for p in fed}
    first: Axes = next((p.axes for p in fed if not p.learned), fed[0].axes)
    if len(fed) == 1 or len(ranks) > 1:
        return first
    return tuple(woven(axis, [p.axes[at] for p in fed]) for at, axis in enumerate(first))


def _beside(fed: Sequence[Any], size: int) -> Axis:
    """Return the axis that counts parts, one cell each."""
    whole = _whole([p.part for p in fed], size)
    if whole is not None:
        return whole
    picks = [p.pick for p in fed if not p.learned]
    if None not in picks and len({pick[0] for pick in picks}) == 1 and len(set(picks)) == len(fed):
        return fresh(size, "position")
    if size > 1 and all(p.learned for p in fed):
        return fresh(size, "learned")
    makers = {id(p.maker) for p in fed if p.maker is not None}
    # What a layer made, beside what went into it: stages of the same positions.
    stages = all(map(_placed, fed)) and any(p.maker is None and not p.learned for p in fed)
    return fresh(size, "position" if len(makers) == 1 and not stages else "branch")


def _placed(known: Any) -> bool:
    """Say whether a part holds positions of its own."""
    return any(kind_of(factor) in {"input", "position"} for axis in known.axes for factor in axis)


def _whole(parts: Sequence[Any], size: int) -> Axis | None:
    """Return the axis of the examples, where it is put back together; each may hold positions."""
    if None in parts:
        return None
    label, total = parts[0][0], parts[0][3]
    ends = [0, *(part[2] for part in parts)]
    starts = [part[1] for part in parts]
    if ends[:-1] != starts or ends[-1] != total or size % total:
        return None
    examples: Axis = () if total == 1 else ((label, 1, total),)
    return (*examples, *fresh(size // total, "position"))


def _end_to_end(axes: list[Axis], parts: Sequence[Any], size: int) -> Axis:
    each = [(part.part, size_of(axis)) for part, axis in zip(parts, axes, strict=True)]
    if all(part is not None and length * part[3] == size * (part[2] - part[1])
           for part, length in each):  # fmt: skip
        whole = _whole([p.part for p in parts], size)
        if whole is not None:
            return whole
    if len({*axes}) == 1 and axes[0] and any(kind_of(f) == "example" for f in axes[0]):
        return (*fresh(len(axes), _alike(parts)), *axes[0])  # such as heads, one after the other
    return _again(axes, parts, size) or pooled(axes, size)


def _again(axes: list[Axis], parts: Sequence[Any], size: int) -> Axis:
    """Return the axis whose parts these are, such as halves that were turned; () if none."""
    first: list[Factor] = [axis[0] for axis in axes if len(axis) == 1]
    if not first or any(f[0].base for f in first) or len({f[0].source for f in first}) > 1:
        return ()
    source = first[0][0].source
    if len(source) != 1 or source[0][2] != size:
        return ()
    label = root(source[0])[0]  # a part of a single position has no axis, but a number
    picks = [p.pick for axis, p in zip(axes, parts, strict=True) if len(axis) != 1]
    return source if all(pick is not None and pick[0] is label for pick in picks) else ()


def _alike(parts: Sequence[Any]) -> str:
    """Say what copies of one axis count, one after the other: parts of features, or branches."""
    features = any(
        factor[0].kind == "feature" and factor[0].source
        for p in parts
        for axis in p.axes
        for factor in axis
        if isinstance(factor[0], Label)
    )
    return "feature" if features else "branch"


RULES = {
    **dict.fromkeys(("cat", "concat", "concatenate"), _chained),
    "stack": _stacked,
}  # fmt: skip
