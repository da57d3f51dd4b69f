"""Follows how a softmax's values meet what they weigh: in products, in sums, in part.

Room: capture, torch. Comes in: a function that multiplies, sums or cuts, with the provenances of
its tensors. Goes out: the provenance of what it returned; in each softmax's use what it weighed,
where else its values went, and which part of them.
"""

from __future__ import annotations

from typing import Any

from limelight.capture.torch.trace import functions as kinds
from limelight.capture.torch.trace.follow.sharing import Sharing, sharing, spread_out
from limelight.capture.torch.trace.follow.sums import gone
from limelight.capture.torch.trace.functions import Step
from limelight.capture.torch.trace.labels import Axes, kind_of, met, size_of, sources
from limelight.capture.torch.trace.provenance import Provenance, SoftmaxUse, unlike
from limelight.capture.torch.trace.uses import LEARNED


def product(step: Step, provenances: list[Provenance], out: Any) -> Provenance:
    """Return the provenance of a matrix product: scores, a weighted sum, or a layer's outputs.

    Parameters
    ----------
    step : Step
    provenances : list of Provenance
        Of its tensors.
    out : tensor

    Returns
    -------
    Provenance
    """
    left, right, pair = step.sides(provenances)
    held = left.weights or right.weights
    if left.weights and right.weights:
        both = tuple(dict.fromkeys((*left.weights, *right.weights)))
        for use in both:
            use.factor = True
        return unlike(weights=both)
    if held:
        which = next(i for i, known in enumerate(provenances) if known.weights is held)
        other = right if left.weights else left
        how = sharing(step, provenances, which)
        fitting = tuple(use for use in held if how is None or use.over(how.summed))
        for use in other.sums:
            use.factor |= any(other_use.factor for other_use in held)
        if fitting and (not other.learned or all(use.among(other.origin) for use in fitting)):
            for use in other.sums:
                use.linear |= any(other_use.features for other_use in held)
            return unlike(sums=_settled(fitting, other.origin, how))
        for use in held:
            use.goes.append(LEARNED if other.learned else "a sum over another axis")
    _join_halves(left, right, pair, out)
    one_set = left.learned and bool(left.origin & right.origin)
    if right.learned and not one_set and (not left.learned or pair[1].dim() == 2):
        return Provenance(left.origin, features=step.features(out))
    return unlike(streams=(left.origin, right.origin))


def summed(step: Step, provenance: Provenance) -> Provenance:
    """Return the provenance of a sum of weighted values, over the softmax's axis or another.

    Parameters
    ----------
    step : Step
    provenance : Provenance
        Of the weighted values.

    Returns
    -------
    Provenance
    """
    over = tuple(factor for axis in gone(step) for factor in provenance.axes[axis])
    fitting = tuple(use for use in provenance.terms if use.over(over))
    rest = tuple(use for use in provenance.terms if use not in fitting)
    for use in rest:
        use.goes.append("a sum over another axis")
    sums = _settled(fitting, provenance.origin, None)
    return unlike(terms=rest, sums=(*provenance.sums, *sums))


def _settled(
    uses: tuple[SoftmaxUse, ...], memory: frozenset[object], how: Sharing | None
) -> tuple[SoftmaxUse, ...]:
    for use in uses:
        if how is not None and (size_of(how.summed) == use.width or _weighs_rest(use, how)):
            use.span = None  # what was cut off weighs as well
            use.cuts.add((0, use.width))
        use.used, use.memory = True, use.memory or memory
        use.sharing = use.sharing or how
    return uses


def _weighs_rest(use: SoftmaxUse, how: Sharing) -> bool:
    """Say whether a second sum is over a part of the values that the first left out."""
    if not use.used or use.span is None:
        return False
    first, last = use.span
    return any(
        stop - start == size_of(how.summed) and (stop <= first or start >= last)
        for start, stop in use.cuts
    )


def _join_halves(left: Provenance, right: Provenance, pair: tuple[Any, Any], out: Any) -> None:
    """Note that what sums by features are then multiplied with queries: linear attention."""
    if left.learned or right.learned or min(pair[0].dim(), pair[1].dim()) < 2:
        return
    for known, axis in ((left, -1), (right, -2)):
        for use in known.sums:
            rows = use.sharing.alone if use.sharing is not None else ()
            features = tuple(factor for factor in rows if kind_of(factor) == "feature")
            use.linear |= met(sources(known.axes[axis]), features) and out.dim() > 1


def cut(step: Step, provenance: Provenance, out: Any) -> None:
    """Note that only a part of a softmax's values is used, as where one is a sink logit's.

    Parameters
    ----------
    step : Step
    provenance : Provenance
    out : tensor
        The part.
    """
    index = step.args[1] if step.name == "getitem" else None
    if not isinstance(index, tuple) or not index or not isinstance(index[-1], slice):
        return
    last, rank = index[-1], step.fed[0].dim()
    width = int(step.fed[0].shape[-1]) if rank else 0
    if len(index) != rank and not (len(index) == 2 and index[0] is Ellipsis):
        return
    start, stop, stride = last.indices(width)
    for use in provenance.weights:
        if use.width == width > out.shape[-1] and stride == 1:
            use.cuts.add((start, stop))
            if not use.used:  # else it may only be handed out
                use.span = (start, stop) if len(use.cuts) == 1 else None  # each weighs its own


def unite(provenances: list[Provenance], axes: Axes) -> None:
    """Note that several softmaxes run over one axis, where their values are combined.

    Parameters
    ----------
    provenances : list of Provenance
        Of the tensors combined.
    axes : tuple of Axis
        Of what came out.
    """
    held = [provenance for provenance in provenances if provenance.weights]
    for provenance in held if len(held) > 1 else ():
        for use in provenance.weights:
            for at in range(1, min(len(provenance.axes), len(axes)) + 1):
                if use.over(provenance.axes[-at]) and not use.over(axes[-at]):
                    use.axis = (*use.axis, *axes[-at])


def weighs_others(step: Step, provenances: list[Provenance], held: tuple[SoftmaxUse, ...]) -> bool:
    """Say whether a multiplication weighs something that is no weight of the model.

    Parameters
    ----------
    step : Step
    provenances : list of Provenance
    held : tuple of SoftmaxUse
        Softmaxes whose values are multiplied.

    Returns
    -------
    bool
    """
    if step.name not in kinds.TIMES or len(provenances) != 2:
        return False
    which = 0 if provenances[0].weights else 1
    weights, other = provenances[which].axes, provenances[1 - which]
    if other.weights or (other.learned and not all(use.among(other.origin) for use in held)):
        return False
    weighs = False
    for at in range(1, min(len(weights), len(other.axes)) + 1):
        for use in held:
            if other.axes[-at] and use.over(weights[-at]):
                weighs = True
                shared, alone = spread_out(weights, other.axes)
                use.sharing = use.sharing or Sharing(weights[-at], other.axes[-at], shared, alone)
    return weighs
