"""Notes which form of a softmax's values weighs others: the plain softmax, or what was made of it.

Room: capture, torch. Comes in: every function that takes a softmax's values or what they weigh,
with the provenances of its tensors. Goes out: the provenance of what it returned, and in each
softmax's use what is multiplied with the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from limelight.capture.torch.trace import functions as kinds
from limelight.capture.torch.trace.after import IN_PLACE, After, Final, carried
from limelight.capture.torch.trace.heads import combined, mixed
from limelight.capture.torch.trace.picking import picked, written_back
from limelight.capture.torch.trace.provenance import Provenance, SoftmaxUse, Weighing

#: Where values go that weigh no other values of the model.
LEARNED = "weighing learned vectors"


def followed(
    step: kinds.Step, fed: Sequence[Provenance], out: Any, which: int, made: Provenance
) -> Provenance:
    """Complete the provenance of what a function made of a softmax's values.

    Parameters
    ----------
    step : Step
    fed : sequence of Provenance
        Of its tensors.
    out : tensor
        One that it returned.
    which : int
        Which of its results that is.
    made : Provenance
        What is known of it otherwise.

    Returns
    -------
    Provenance
    """
    if fed[0].logs:
        return _of_logs(step, fed, out, which, made)
    at = next((index for index, known in enumerate(fed) if known.weights), None)
    if at is None:
        return _summed(step, fed, made) if any(known.weighing for known in fed) else made
    source, tensor = fed[at], step.fed[at]
    held = tuple(dict.fromkeys(use for known in fed for use in known.weights))
    again = picked(step, source.after, at, out, which) or _mixed(step, fed, at, out)
    if again is not None:
        _took_back(held, step.name)
        return replace(made, weights=held, sums=(), terms=(), features=False, after=again)
    if step.name in IN_PLACE and out.shape == tensor.shape:
        _took_back(held, step.name)
        made = replace(made, weights=held)
    if made.sums and step.name in kinds.PRODUCTS:
        _settle(made.sums, Weighing(_final(tensor, source), 2), held)
        return made
    if made.sums and not made.weights:
        return _summed(step, fed, made)
    weighing = None
    if made.terms:
        wide = out.numel() > tensor.numel()
        weighing = Weighing(_final(tensor, source), 2 if wide else 1)
    if not made.weights:
        return replace(made, weighing=weighing)
    afters = [known.after if known.weights else None for known in fed]
    several = len(held) > 1
    heads = None if several or step.rearranges or len(fed) != 2 else combined(step, afters, out)
    after = heads or carried(step, afters, several, out, which)
    return replace(made, after=after, weighing=weighing)


def overwritten(step: kinds.Step, fed: Sequence[Provenance], known: Provenance) -> Provenance:
    """Return the provenance of a tensor of which some cells were set to something else.

    Parameters
    ----------
    step : Step
    fed : sequence of Provenance
        Of its tensors.
    known : Provenance
        What is known of the tensor otherwise.

    Returns
    -------
    Provenance
    """
    values = fed[-1]
    if values.weights and not known.weights:
        after = written_back(step, values.after)
        if after is None:
            return known
        axes = known.axes
        if tuple(step.args[0].shape) == after.shape and len(values.axes) == len(after.shape):
            axes = (*values.axes[: after.key], values.weights[0].axis,
                    *values.axes[after.key + 1 :])  # fmt: skip
        return replace(known, weights=values.weights, after=after, axes=axes, learned=False)
    if not known.weights or known.after is None:
        return known
    return replace(known, after=known.after.done("mask"))


def _of_logs(
    step: kinds.Step, fed: Sequence[Provenance], out: Any, which: int, made: Provenance
) -> Provenance:
    """Follow the logarithms of a softmax's values until they are values again."""
    known = fed[0]
    if step.name == "exp":
        return replace(made, weights=known.logs, logs=(), after=known.after, features=False)
    if step.rearranges:
        return replace(made, after=carried(step, [known.after], False, out, which))
    for use in known.logs:
        use.goes.append(step.name)
    return replace(made, logs=())


def _mixed(step: kinds.Step, fed: Sequence[Provenance], at: int, out: Any) -> After | None:
    """Follow values that learned numbers, or a mean, mix across heads."""
    after = fed[at].after
    learned = all(known.learned for index, known in enumerate(fed) if index != at)
    if after is None or not learned or len(fed[at].weights) != 1:
        return None
    if fed[at].terms and step.name in kinds.SUMS:
        return None
    return mixed(step, after, step.fed[at], out)


def _took_back(held: tuple[SoftmaxUse, ...], name: str) -> None:
    """Forget that values went where nobody follows them: they are followed."""
    for use in held:
        if use.goes[-1:] in ([name], [LEARNED]):
            use.goes.pop()


def _final(tensor: Any, source: Provenance) -> Final | None:
    after = source.after
    if after is None or not (after.stages or after.lost):
        return None
    return Final(tensor.detach().clone(), after, source.mask)


def _summed(step: kinds.Step, fed: Sequence[Provenance], made: Provenance) -> Provenance:
    """Pass on what was multiplied with the values, until the products are summed."""
    weighing = next((known.weighing for known in fed if known.weighing is not None), None)
    if made.sums and weighing is not None and step.name in kinds.SUMS:
        _settle(made.sums, weighing, tuple(use for known in fed for use in known.terms))
        return made
    return replace(made, weighing=weighing) if made.terms else made


def _settle(uses: tuple[SoftmaxUse, ...], weighing: Weighing, held: tuple[SoftmaxUse, ...]) -> None:
    """Note what was multiplied with the values in the end.

    A sum of numbers, as of the weights that a mask leaves, gives way to what sums features.
    """
    for use in uses:
        if use not in held or use.rank == 2 or use.rank > weighing.rank:
            continue
        use.rank, use.final = weighing.rank, weighing.final
