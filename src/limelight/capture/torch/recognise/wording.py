"""Which input's positions the queries and keys of a softmax are, so that its words name them.

Room: capture, torch. Comes in: a softmax whose axes are recognised, and the axes of the model's
inputs. Goes out: the same softmax, which knows whose words it may bear.
"""

from __future__ import annotations

from limelight.capture.probe.axes import Role
from limelight.capture.torch.trace.labels import Axes, Axis, kind_of, unwound
from limelight.capture.torch.trace.recorder import SoftmaxCall, Trace


def worded(softmax_call: SoftmaxCall, trace: Trace) -> None:
    """Say whose words positions may bear, where their axes say whose they are.

    Parameters
    ----------
    softmax_call : SoftmaxCall
        Changed in place.
    trace : Trace
    """
    query, key = (_side(softmax_call, role) for role in ("query", "key"))
    if query:
        softmax_call.query_words = _input_of(query, trace, softmax_call.query_words)
    if key:
        softmax_call.key_words = _input_of(key, trace, softmax_call.key_words)
    if any(kind_of(factor) == "learned" for factor in unwound(query)):
        softmax_call.ids = None  # latents, of which a module around them knows nothing


def _side(softmax_call: SoftmaxCall, role: Role) -> Axis:
    """Return what queries or keys count."""
    roles, axes = softmax_call.roles, softmax_call.axes
    if roles is None or axes is None or [len(a) for a in axes] != [len(r) for r in roles.roles]:
        return ()
    pairs = zip(axes, roles.roles, strict=True)
    return tuple(f for axis, names in pairs for f, name in zip(axis, names, strict=True)
                 if name == role)  # fmt: skip


def _input_of(side: Axis, trace: Trace, otherwise: int | None) -> int | None:
    """Return the number of the input whose positions an axis counts."""
    counted = unwound(side)
    for number in trace.worded:
        if any(counted == axis for axis in trace.inputs[number][1:]):
            return number
    labels = {factor[0] for factor in counted}
    if any(kind_of(factor) == "learned" for factor in counted):
        return None
    if any(labels & _labels(axes) for axes in trace.inputs):
        return None  # of another input, or some of one's positions
    return otherwise


def _labels(axes: Axes) -> set[object]:
    return {factor[0] for axis in axes for factor in axis}
