"""Which example, or which position, a tensor was computed for, and by which parameters.

Room: capture, torch. Comes in: a function that ran, and what is known of its tensors. Goes out:
what says of a loop's turns that they go over the examples, or over positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.torch.trace.follow.views import argument
from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.labels import Axes, Axis, Label, kind_of, root

#: Some of the examples: their label, the first, the last but one, and how many there are in all.
Part = tuple[Label, int, int, int]
#: One position: the label of all, and which.
Pick = tuple[Label, int]

_PARTS = frozenset(("getitem", "select", "unbind", "narrow", "split", "chunk", "tensor_split",
                    "slice", "unsafe_split", "unsafe_chunk"))  # fmt: skip
_MAKERS = frozenset(("linear", "addmm", "conv1d", "conv2d", "conv3d", "gru_cell", "lstm_cell",
                     "rnn_tanh_cell", "rnn_relu_cell", "lstm", "gru"))  # fmt: skip


def threads(
    step: Step, fed: Sequence[Any], out: Any, index: int, axes: Axes
) -> tuple[Part | None, Pick | None, Any]:
    """Say which examples and which position a result was computed for, and by which parameters.

    Parameters
    ----------
    step : Step
    fed : sequence of Provenance
    out : tensor
    index : int
        Which of the results it is.
    axes : tuple of Axis
        Its own.

    Returns
    -------
    Part or None
    Pick or None
    object
        The parameters of the newest layer.
    """
    part, pick, maker, several = None, None, None, False
    for known in fed:
        if known.part is not None:
            several = several or (part is not None and part != known.part)
            part = known.part
        if known.pick is not None and (
            pick is None or (pick[0] is known.pick[0] and pick[1] < known.pick[1])
        ):
            pick = known.pick
        if maker is None:
            maker = known.maker
    if step.name in _MAKERS:
        maker = step.fed[min(1 if "cell" not in step.name else 2, len(step.fed) - 1)]
    elif step.name in _PARTS:
        for axis, start, stop in _known(step, fed[0].axes, out, index):
            label, total = axis[0][0], axis[0][2]
            if label.kind == "example" and fed[0].part is None:
                part = (label, start, stop, total)
            elif stop == start + 1 and kind_of(axis[0]) in {"input", "position"}:
                pick = (root(axis[0])[0], start)
    if several:
        part = None  # of several examples that were computed one by one
    if part is not None and any(factor[0] is part[0] for axis in axes for factor in axis):
        part = None  # all of them again
    return part, pick, maker


def _known(step: Step, axes: Axes, out: Any, index: int) -> list[tuple[Axis, int, int]]:
    try:
        return _taken(step, axes, out, index)
    except (IndexError, KeyError, TypeError, ValueError):
        return []  # called in a way nobody thought of


def _taken(step: Step, axes: Axes, out: Any, index: int) -> list[tuple[Axis, int, int]]:
    """Return the axes that a function took a part of, from where to where."""
    source, rank = step.fed[0], step.fed[0].dim()
    name = step.name
    if name == "getitem":
        return _sliced(step, axes)
    if name in {"unbind", "select"}:
        at = int(argument(step, "dim", 1, 0)) % rank
        start = index if name == "unbind" else int(argument(step, "index", 2))
        spans = [(at, start % source.shape[at], start % source.shape[at] + 1)]
    elif name in {"narrow", "slice"}:
        at, start = int(argument(step, "dim", 1, 0)) % rank, int(argument(step, "start", 2, 0) or 0)
        start = start % source.shape[at]
        spans = [(at, start, start + int(out.shape[at]))]
    else:
        at = int(argument(step, "dim", 2, 0)) % rank
        start = _before(step, index, int(source.shape[at]))
        spans = [(at, start, start + int(out.shape[at]))]
    return [(axes[a], i, j) for a, i, j in spans if len(axes[a]) == 1]


def _before(step: Step, index: int, size: int) -> int:
    """Return where one part of a split begins."""
    given = argument(step, "split_size_or_sections", 1, argument(step, "split_size", 1))
    if isinstance(given, (list, tuple)):
        return sum(int(length) for length in given[:index])
    given = int(argument(step, "chunks", 1, given))
    return index * (given if step.name.endswith("split") else -(-size // given))


def _sliced(step: Step, axes: Axes) -> list[tuple[Axis, int, int]]:
    given = step.args[1]
    index = list(given) if isinstance(given, tuple) else [given]
    spans, source = [], 0
    for at, part in enumerate(index):
        if part is None:
            continue
        if part is Ellipsis and all(
            isinstance(x, (int, slice, type(None))) for x in index[at + 1 :]
        ):
            source = len(axes) - sum(later is not None for later in index[at + 1 :])
            continue
        if not isinstance(part, (int, slice)):
            break  # only what comes before a tensor
        size = int(step.fed[0].shape[source])
        start, stop, stride = (
            (part % size, part % size + 1, 1) if isinstance(part, int) else part.indices(size)
        )
        if stride == 1 and stop - start < size and len(axes[source]) == 1:
            spans.append((axes[source], start, stop))
        source += 1
    return spans
