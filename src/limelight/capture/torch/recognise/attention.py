"""Tells which softmaxes of a torch pass are attention, and names them.

Room: capture, torch. Comes in: a trace. Goes out: one :class:`Site` per module and role, in the
order they ran, and for each softmax that is none, why. What counts as attention is told in
``docs/recognition.md``.
"""

from __future__ import annotations

from typing import Any

from limelight.capture.recognition import Choice, Softmax
from limelight.capture.torch.names import name_of
from limelight.capture.torch.recognise.shown import stage_of
from limelight.capture.torch.recognise.steps import Site, Sites
from limelight.capture.torch.recognise.wording import worded
from limelight.capture.torch.trace.assigning import roles_of
from limelight.capture.torch.trace.recorder import SoftmaxCall, Trace


def recognised(
    model: Any,
    trace: Trace,
    examples: int,
    choice: Choice = Choice(),  # noqa: B008  # frozen
    readable: bool = True,
) -> tuple[list[Site], list[Softmax]]:
    """Choose the softmaxes that are attention, and name them.

    Parameters
    ----------
    model : torch.nn.Module
    trace : Trace
    examples : int
        How many examples the model ran on.
    choice : Choice
        What the user decided on.
    readable : bool
        Whether only what can be brought to [example, head, query, key] is taken.

    Returns
    -------
    list of Site
        In the order they ran.
    list of Softmax
        Every one that ran, in order.

    Raises
    ------
    UnsupportedModelError
        If ``include`` or ``exclude`` names a path without a softmax, or ``include`` one that
        cannot be read.
    """
    sites = Sites()
    softmaxes: list[Softmax] = []
    plain = [softmax_call.call_site.path or name_of(model) for softmax_call in trace.softmax_calls]
    for softmax_call, path in zip(trace.softmax_calls, plain, strict=True):
        softmax_call.roles = roles_of(softmax_call, examples, choice.axes_of(path))
        reason = (unreadable(softmax_call, examples) if readable else None) or (
            None if choice.includes(path) else no_attention(softmax_call)
        )
        if reason is None and not choice.excludes(path):
            if trace.worded:
                worded(softmax_call, trace)
            site = sites.add(softmax_call, path)
            softmaxes.append(record_of(softmax_call, site.path, None))
        elif not sites.leave_out(softmax_call, path):
            argument = "" if reason else "exclude"
            reason = reason or "exclude names it"
            softmaxes.append(record_of(softmax_call, path, reason, argument))
    others = [softmax for softmax in softmaxes if softmax.kind is None]
    choice.check(plain, others, "module")
    return sites.every, softmaxes


def record_of(
    softmax_call: SoftmaxCall, path: str, reason: str | None, argument: str = ""
) -> Softmax:
    """Return the record of a softmax: taken where there is no reason against it.

    Parameters
    ----------
    softmax_call : SoftmaxCall
    path : str
    reason : str, optional
        Why it was not taken.
    argument : str
        What changes that.

    Returns
    -------
    Softmax
    """
    vectors, logits, roles = softmax_call.vectors, softmax_call.logits, softmax_call.roles
    if vectors is not None and vectors.factors is not None:
        shape = tuple(int(size) for size in vectors.factors.shape)
    else:
        held = logits if vectors is None else vectors.logits
        shape = () if held is None else tuple(int(size) for size in held.shape)
    return Softmax(
        path,
        _class_of(softmax_call),
        shape,
        roles.names if roles is not None and len(roles.names) == len(shape) else (),
        kind=softmax_call.kind if reason is None else None,
        reason=reason or "",
        stage=stage_of(softmax_call) if reason is None else "",
        reading=roles.reading if roles is not None else "",
        argument=argument or _argument(softmax_call, reason),
        source=softmax_call,
    )


def _argument(softmax_call: SoftmaxCall, reason: str | None) -> str:
    """Return the argument that changes what a softmax is taken for; none helps a classifier."""
    if reason is None:
        return "exclude"
    if "not begin with" in reason:
        return "axes"
    if "rows of one input" in reason:
        return ""
    use = softmax_call.use
    classifies = use is not None and use.features and not (use.used or use.goes)
    return "" if classifies else "include"


def unreadable(softmax_call: SoftmaxCall, examples: int) -> str | None:
    """Say why a softmax cannot be brought to [example, head, query, key]; None if it can.

    Parameters
    ----------
    softmax_call : SoftmaxCall
    examples : int

    Returns
    -------
    str or None
    """
    if softmax_call.vectors is not None:
        return softmax_call.vectors.reason
    if softmax_call.roles is None:
        softmax_call.roles = roles_of(softmax_call, examples)
    return softmax_call.roles.reason or None


_CHANNELS = "its keys are features, or branches of the model, and no positions"


def no_attention(softmax_call: SoftmaxCall) -> str | None:
    """Say why what ran is not attention; None if it is.

    Parameters
    ----------
    softmax_call : SoftmaxCall

    Returns
    -------
    str or None
    """
    use, roles = softmax_call.use, softmax_call.roles
    channels = roles is not None and roles.features
    if softmax_call.vectors is not None:
        return _CHANNELS if channels else None
    if use is None:
        return "the model failed there"
    if use.features:
        return f"it runs over {use.width} outputs of a linear layer: classes, experts or features"
    if use.factor:
        return (
            "its values are multiplied with those of another softmax: the weights are a product of "
            "smaller softmaxes, and never formed"
        )
    if channels:
        return _CHANNELS
    if use.linear:
        return "it is one half of linear attention, which never forms a map"
    if use.width < 2:
        return "it runs over a single value"
    if not use.used:
        went = ", ".join(dict.fromkeys(use.goes))
        if went:
            return f"its values weigh nothing that is then summed: they go to {went}"
        return "nothing is computed from it: it is an output"
    return None


def _class_of(softmax_call: SoftmaxCall) -> str:
    return "" if softmax_call.module is None else type(softmax_call.module).__name__
