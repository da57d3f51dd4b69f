"""What decides which keys a torch model may attend to: what it was given, or what it computed.

Room: capture, torch. Comes in: flags of the tensors that a function was fed. Goes out: those of
what it returned; and, of scores or of a mask, who decided. Flags are bits of an int, because every
function of a pass has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from limelight.capture.torch.trace import functions as kinds
from limelight.capture.torch.trace.functions import Step
from limelight.capture.validity import MaskedBy

#: Made of an input, or of a tensor that came from outside the model.
GIVEN: Final = 1
#: Made of what positions hold: of features, or of ids that a layer looked up.
CONTENT: Final = 2
#: Scores of which some were put out by a mask that is only given, or by one made of content.
BY_GIVEN: Final = 4
BY_CONTENT: Final = 8

#: Start anew: what comes out are other numbers, at other positions.
_ANEW = kinds.PRODUCTS | kinds.LINEAR | kinds.LOCAL | kinds.SUMS | {"softmax", "log_softmax"}
_MIXES = kinds.PRODUCTS | kinds.LINEAR | kinds.LOCAL

#: Tensors from outside up to this size are looked at: is it a mask?
_LOOKED_AT: Final = 1 << 22


def arrived(tensor: Any, examples: int | None = None) -> int:
    """Return the flags of an input, or of a tensor that came from outside the model.

    Parameters
    ----------
    tensor : tensor
    examples : int, optional
        Of a tensor from outside: what it has no row for each of may be a constant of the model's.

    Returns
    -------
    int
    """
    if examples is not None and not _for_each(tensor, examples):
        return 0 if not tensor.is_floating_point() or _is_mask(tensor) else CONTENT
    if not tensor.is_floating_point():
        return GIVEN
    return GIVEN if _is_mask(tensor) else GIVEN | CONTENT


def flowed(step: Step, fed: Sequence[int], learned: Sequence[bool], out: Any) -> int:
    """Return the flags of what a function returned.

    Parameters
    ----------
    step : Step
    fed : sequence of int
        Flags of what it was fed.
    learned : sequence of bool
        Which of that is made of weights and constants alone.
    out : tensor

    Returns
    -------
    int
    """
    union = 0
    for flags in fed:
        union |= flags
    if not union:
        return 0
    made = union & (GIVEN | CONTENT)
    if not made & CONTENT:
        mixed = step.name in _MIXES and any(
            constant and tensor.is_floating_point()
            for constant, tensor in zip(learned, step.fed, strict=True)
        )
        return made | CONTENT if mixed else made
    if step.name in _ANEW or not out.is_floating_point():
        return made
    made |= union & (BY_GIVEN | BY_CONTENT)
    for flags, tensor in zip(fed, step.fed, strict=True):
        if not flags & CONTENT:
            made |= BY_GIVEN if flags & GIVEN else 0
        elif not tensor.is_floating_point():
            made |= BY_CONTENT
    return made


def decided_by(flags: int) -> MaskedBy:
    """Say what decides which of some scores count.

    Parameters
    ----------
    flags : int
        Of scores.

    Returns
    -------
    str
    """
    if flags & BY_CONTENT:
        return "both" if flags & BY_GIVEN else "scores"
    return "inputs" if flags & BY_GIVEN else "constant"


def mask_decided_by(mask: Any, flags: int) -> MaskedBy:
    """Say what a mask or a bias was made of.

    Parameters
    ----------
    mask : tensor
    flags : int
        Its own.

    Returns
    -------
    str
    """
    if flags & CONTENT:
        return decided_by(flags) if mask.is_floating_point() else "both"
    return "inputs" if flags & GIVEN else "constant"


def handed(call: Any) -> Iterable[Any]:
    """Yield the masks that a module was handed, where it makes others of them out of sight.

    Parameters
    ----------
    call : Call or None

    Yields
    ------
    tensor
    """
    if call is None:
        return
    named = [("", value) for value in call.args] + list(call.kwargs.items())
    for name, value in named:
        for tensor in kinds.tensors(value):
            if "mask" in name or not tensor.is_floating_point():
                yield tensor


def _for_each(tensor: Any, examples: int) -> bool:
    """Say whether a tensor may hold something for each example; heads may lie beside them."""
    if tensor.dim() < 3:
        return bool(tensor.dim() and tensor.shape[0] == examples)
    return bool(tensor.shape[0] % examples == 0)


def _is_mask(tensor: Any) -> bool:
    """Say whether a tensor holds what masks are made of: 0, 1, and what is huge and negative."""
    if not 0 < tensor.numel() <= _LOOKED_AT:
        return False
    try:
        return bool(((tensor == 0) | (tensor == 1) | (tensor <= -9e3)).all())
    except RuntimeError:  # it has no values yet, as within torch.vmap
        return False
