"""One number for each example of what a torch model returned, in torch, so that gradients flow.

Room: capture, torch. Comes in: outputs and targets. Goes out: a tensor [example]. Each number is
of its own example alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limelight.errors import StudyError

#: Targets of positions that do not count, as transformers marks them.
IGNORED = -100
_OUTPUTS = ("logits", "prediction_logits", "pooler_output", "last_hidden_state")


def scored(model: Any, outputs: Any, targets: Any, metric: str, full: Any = None) -> Any:
    """Return a metric's number for each example.

    Parameters
    ----------
    model : torch.nn.Module
        A causal model of transformers predicts the next position's target.
    outputs : object
    targets : array, optional
        Whole numbers of classes [example] or [example, position], where −100 does not count; or
        what a regression shall give. For ``difference`` [example, 2]: target and foil.
    metric : str
        ``loss``, ``accuracy``, ``probability``, ``margin``, ``difference`` or ``change``.
    full : object, optional
        Outputs of the whole model, for ``change``.

    Returns
    -------
    tensor [example]

    Raises
    ------
    StudyError
        If targets do not fit the outputs.
    """
    import torch

    given = values_of(outputs).float()
    if metric == "change":
        return _change(values_of(full).float(), given)
    wanted = torch.as_tensor(targets, device=given.device)
    if metric == "difference":
        return _difference(given, wanted)
    whole = not wanted.is_floating_point()
    if metric == "loss" and not whole and wanted.shape == given.reshape(wanted.shape).shape:
        return _per_example((given.reshape(wanted.shape) - wanted.float()) ** 2)
    classes, wanted = _aligned(model, given, wanted)
    counted = wanted != IGNORED
    at = wanted.clamp(min=0)
    if metric == "loss":
        each = -classes.log_softmax(-1).gather(-1, at[..., None])[..., 0]
    elif metric == "accuracy":
        each = (classes.argmax(-1) == wanted).float()
    elif metric == "probability":
        each = classes.softmax(-1).gather(-1, at[..., None])[..., 0]
    else:
        target = classes.gather(-1, at[..., None])[..., 0]
        others = classes.scatter(-1, at[..., None], -torch.inf)
        each = target - others.amax(-1)
    return _per_example(each, counted)


def values_of(outputs: Any) -> Any:
    """Return the tensor that a model's outputs are about.

    Parameters
    ----------
    outputs : tensor, mapping, or tuple

    Returns
    -------
    tensor

    Raises
    ------
    StudyError
        If there is none.
    """
    import torch

    if torch.is_tensor(outputs):
        return outputs
    if isinstance(outputs, Mapping):
        for name in _OUTPUTS:
            if torch.is_tensor(outputs.get(name)):
                return outputs[name]
        outputs = tuple(outputs.values())
    if isinstance(outputs, (tuple, list)) and outputs:
        return values_of(outputs[0])
    raise StudyError(
        f"Got outputs of type {type(outputs).__name__}.",
        "Wanted logits: a tensor, a mapping with 'logits', or a tuple that begins with them.",
        "Pass a function metric=lambda outputs, targets: … that returns a number per example.",
    )


def _aligned(model: Any, given: Any, wanted: Any) -> tuple[Any, Any]:
    """Return logits […, class] and targets […] that belong together."""
    import torch

    if given.dim() == 1 or given.shape[-1] == 1:  # one logit: of the second of two classes
        logits = given.reshape(wanted.shape) if given.numel() == wanted.numel() else given
        given = torch.stack([torch.zeros_like(logits), logits], -1)
    if given.shape[:-1] != wanted.shape:
        raise StudyError(
            f"Got targets of shape {tuple(wanted.shape)} for outputs of {tuple(given.shape)}.",
            "Wanted a class for each example, or for each of its positions.",
            "Give such targets, or metric=lambda outputs, targets: … with a number per example.",
        )
    wanted = wanted.long()
    if wanted.dim() > 1 and getattr(model, "loss_type", "") == "ForCausalLM":
        given, wanted = given[:, :-1], wanted[:, 1:]
    outside = (wanted >= given.shape[-1]) | ((wanted < 0) & (wanted != IGNORED))
    if bool(outside.any()):
        raise StudyError(
            f"Got the class {int(wanted[outside][0])} among the targets.",
            f"Wanted classes from 0 to {given.shape[-1] - 1}, or {IGNORED} for none.",
            "Number the classes as the model's outputs are.",
        )
    return given, wanted


def _difference(given: Any, wanted: Any) -> Any:
    if given.dim() == 3:
        given = given[:, -1]  # what is said next
    if given.dim() != 2 or tuple(wanted.shape) != (len(given), 2):
        raise StudyError(
            f"Got targets of shape {tuple(wanted.shape)} for metric='difference'.",
            "Wanted [example, 2]: the target and its foil.",
            "Stack them: np.stack([targets, foils], axis=1).",
        )
    chosen = given.gather(-1, wanted.long())
    return chosen[:, 0] - chosen[:, 1]


def _change(full: Any, given: Any) -> Any:
    """Return how far outputs are from those of the whole model: KL of classes, else of angle."""
    if full.dim() >= 2 and full.shape[-1] > 1:
        before = full.log_softmax(-1)
        each = (before.exp() * (before - given.log_softmax(-1))).sum(-1)
        return _per_example(each)
    return _per_example((full - given).abs())


def _per_example(each: Any, counted: Any = None) -> Any:
    """Return the mean of each example's own numbers that count."""
    flat = each.reshape(len(each), -1)
    if counted is None:
        return flat.mean(-1)
    mask = counted.reshape(len(each), -1).to(flat.dtype)
    return (flat * mask).sum(-1) / mask.sum(-1)
