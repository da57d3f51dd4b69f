"""How many bytes an answer will take, worked out before anything is read.

Room: the read path. Comes in: an open run and a query. Goes out: a number.
"""

from __future__ import annotations

import math

from limelight.answer.facts import most_cells, site_at, site_of, step_of
from limelight.answer.parameters import STATISTICS
from limelight.query import Query
from limelight.selection import expanded
from limelight.store import Run

_CELL = 4 + 1  # a float32 weight and whether it is allowed
_STRONG = 3 * 4  # query, key, weight
_STATISTIC = 8  # a float64
_BIN = 4  # an int32
_NUMBERS = 26  # of a tensor, about
_BITS = 700  # bins in use by tensors of one kind, about


def extent(run: Run, query: Query) -> int:
    """Return about how many bytes the answer to a question takes.

    Parameters
    ----------
    run : Run
        An open run.
    query : Query
        The question.

    Returns
    -------
    int
        An upper estimate for the kinds of answer that grow with what is asked; 0 for the others,
        whose size only what was recorded decides.

    Raises
    ------
    NotRecordedError
        If the run holds no such site.
    """
    if query.what == "map":
        site = site_of(run, query.site)
        if run.steps.size:
            site = site_at(run, query.site, step_of(run, query.step))
        examples = len(run.examples) if query.example is None else 1
        most = most_cells(site, query)
        sides = (
            min(size, most, part[1] - part[0] if part else size)
            for size, part in ((site.queries, query.rows), (site.keys, query.columns))
        )
        return examples * math.prod(sides) * _CELL + query.strongest * _STRONG
    if query.what in ("tensors", "histograms"):
        known = [fact["name"] for fact in run.tensor_facts(query.kind)]
        names = len(expanded(query.parameter, known)) if query.parameter else len(known)
        each = _NUMBERS * _STATISTIC + (_BITS * _BIN if query.what == "histograms" else 0)
        return names * min(query.steps, len(run.steps)) * each
    if query.what == "parameters":
        names = len(query.parameter) or len(run.parameter_names)
        steps = min(query.steps, len(run.steps))
        each = run.sizes.bins * _BIN + len(STATISTICS) * _STATISTIC
        return names * steps * each
    return 0
