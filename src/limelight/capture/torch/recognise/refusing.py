"""Says why no attention can be taken from a torch model, and what to do.

Room: capture, torch. Comes in: a model, and what one pass of it showed. Goes out: one error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from limelight.capture.recognition import Softmax, nothing_seen
from limelight.capture.torch.names import UNINITIALISED, absence, name_of, paths
from limelight.capture.torch.recognise.uncapturable import kind_of
from limelight.capture.torch.trace.recorder import Trace
from limelight.errors import UnbuiltModelError, UnsupportedModelError

_ORDER = (
    "Pass inputs whose first axis counts the examples. Where the model wants another order, say "
    "where they lie: limelight.Probe(inputs, axes={'inputs': 1}); or put the model into a module "
    "that transposes."
)
_PADDED = "Pass the probe padded to one length, with a mask, instead of as nested tensors."
_KERNEL = (
    "Build the model with torch's own scaled_dot_product_attention for the probe; it computes the "
    "same. Or say how the kernel's calls are read, in a file under the entry point "
    "limelight.attention."
)
_FIX = (
    "If a module forms weights with exp() and sum(), or with a kernel of its own, let it call "
    "torch.softmax or scaled_dot_product_attention; or say how the kernel's calls are read, in a "
    "file under the entry point limelight.attention."
)


def check(model: Any) -> None:
    """Refuse what cannot be watched at all.

    Parameters
    ----------
    model : torch.nn.Module

    Raises
    ------
    UnsupportedModelError
        If the model is a script, or has no values.
    """
    import torch

    name = name_of(model)
    if isinstance(model, torch.jit.ScriptModule):
        raise UnsupportedModelError(
            f"Got the model {name!r} as a TorchScript program, which runs outside Python.",
            "Wanted the torch.nn.Module it was made from.",
            "Pass that, with load_state_dict if only the script's parameters are at hand.",
        )
    for path, parameter in model.named_parameters():
        reason = absence(parameter)
        if reason and "shard" not in reason:
            kind = UnbuiltModelError if reason == UNINITIALISED else UnsupportedModelError
            raise kind(
                f"Got the model {name!r}, whose parameter {path.replace('.', '/')!r} {reason}.",
                "Wanted a model that can run.",
                "Load its parameters, or call it once on a batch if it is lazy.",
            )


def nothing(model: Any, trace: Trace, others: Sequence[Softmax]) -> UnsupportedModelError:
    """Build the error that says what was seen instead of attention.

    Parameters
    ----------
    model : torch.nn.Module
    trace : Trace
    others : sequence of Softmax
        Softmaxes that are not attention.

    Returns
    -------
    UnsupportedModelError
    """
    known = _mapless(model, trace)
    fix = known[1] if known else _FIX
    remedy = _remedy(trace, others, known is not None)
    return nothing_seen(
        name_of(model),
        "module",
        (call.path for call in trace.stack.calls),
        others,
        why=known[0] if known else _closed(model, trace) or "",
        wanted="Wanted scaled_dot_product_attention, flex_attention, MultiheadAttention, or a "
        "softmax over positions whose values weigh others that are then summed.",
        fix=remedy or fix,
        or_include=remedy is None,
    )


def notes(model: Any, trace: Trace) -> list[str]:
    """Say what else than a softmax that was seen may hide attention.

    Parameters
    ----------
    model : torch.nn.Module
    trace : Trace

    Returns
    -------
    list of str
    """
    known = _mapless(model, trace)
    reasons = (known[0] if known else None, _closed(model, trace))
    return [reason for reason in reasons if reason]


def _remedy(trace: Trace, others: Sequence[Softmax], known: bool) -> str | None:
    """Return what to do where that is clear, so that no ``include`` can help."""
    if any("not begin with" in other.reason for other in others):
        return _ORDER
    if any("nested tensors" in other.reason for other in others):
        return _PADDED
    return _KERNEL if trace.opaque and not known else None


def _mapless(model: Any, trace: Trace) -> tuple[str, str] | None:
    """Name a module that has no map by its very design, and what to do."""
    ran = {id(call.module) for call in trace.stack.calls}
    for module, path in paths(model):
        kind = kind_of(module) if id(module) in ran else None
        if kind is not None:
            where = f"The module {path or name_of(model)!r} is a {type(module).__name__}"
            return f"{where}: {kind.why}.", kind.fix
    return None


def _closed(model: Any, trace: Trace) -> str | None:
    """Name a part that nobody can look into."""
    import torch

    for module, path in paths(model):
        if isinstance(module, torch.jit.ScriptModule):
            return f"The module {path!r} is a TorchScript program, which runs outside Python."
    for kernel, path in trace.opaque.items():
        where = f" in the module {path!r}" if path else ""
        return f"The compiled kernel {kernel}{where} computes attention but hands out no weights."
    for function, path in trace.grouped.items():
        where = f" in the module {path!r}" if path else ""
        return (
            f"{function}(){where} sums over groups that an index names. Attention over the edges "
            "of a graph is normalised so: one weight an edge, no map from queries to keys."
        )
    return None
