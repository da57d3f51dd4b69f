"""The line of a step, as far as it is known before its rows are written.

Room: store. Comes in: a step, what may be attended to in it, the lines of the index. Goes out: a
:class:`~limelight.store.format.index.Line` that says which rows are the step's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from limelight.store.format.index import Line
from limelight.store.write.patterns import Pattern
from limelight.store.write.step import Step


def begin(step: Step, pattern: Pattern | None, lines: Sequence[Line]) -> tuple[Line, bool]:
    """Give a step its rows.

    Parameters
    ----------
    step : Step
    pattern : Pattern, optional
        What may be attended to; None without attention.
    lines : sequence of Line
        Those of the index.

    Returns
    -------
    line : Line
    new : bool
        Whether what may be attended to has to be written, because no step before has the same.
    """
    masks, new = -1, False
    if pattern is not None:
        known = {line.digest: line.masks for line in lines if line.attention}
        new = pattern.digest not in known
        last = max((line.masks for line in lines), default=-1)
        masks = known.get(pattern.digest, last + 1)
    line = Line(
        step=step.number,
        row=1 + max((line.row for line in lines), default=-1),
        time=time.time() if step.time is None else step.time,
        epoch=step.epoch,
        attention=bool(step.sites),
        parameters=step.has_parameters,
        masks=masks,
        digest="" if pattern is None else pattern.digest,
        by_head=() if pattern is None else pattern.by_head,
    )
    return line, new
