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


def begin(
    step: Step, pattern: Pattern | None, lines: Sequence[Line], layout: int, row: int
) -> Line:
    """Give a step its rows.

    Parameters
    ----------
    step : Step
    pattern : Pattern, optional
        What may be attended to; None without attention.
    lines : sequence of Line
        Those of the index.
    layout : int
        Which the step has.
    row : int
        Where its arrays are to lie.

    Returns
    -------
    Line
        Its ``masks`` and ``images`` are ``row`` where they have to be written, because no step
        before has the same.
    """
    alike = [line for line in lines if line.layout == layout]
    masks = images = -1
    if pattern is not None:
        known = {line.digest: line.masks for line in alike if line.attention}
        masks = known.get(pattern.digest, row)
    if step.images is not None:  # a layout says which images, so its steps have the same
        images = next((line.images for line in alike if line.images >= 0), row)
    return Line(
        step=step.number,
        row=row,
        time=time.time() if step.time is None else step.time,
        epoch=step.epoch,
        attention=bool(step.sites),
        tables=tuple(step.tables),
        layout=layout,
        masks=masks,
        images=images,
        digest="" if pattern is None else pattern.digest,
        by_head=() if pattern is None else pattern.by_head,
        padded=() if pattern is None else pattern.padded,
    )
