"""The one function every screen asks.

Room: the read path. Comes in: a :class:`~limelight.store.Run` and a
:class:`~limelight.query.Query`. Goes out: a labelled dataset whose attributes JSON can hold. May
import store, analyses and below; knows neither URLs nor bytes.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from limelight.answer import alerts, attention, maps, overview, parameters, studies, tensors
from limelight.answer.facts import run_facts
from limelight.query import Query
from limelight.store import Run

_ANSWERS = {
    "run": run_facts,
    "grid": overview.grid,
    "map": maps.chosen_map,
    "measures": attention.measures,
    "parameters": parameters.parameters,
    "summary": parameters.summary,
    "tensors": tensors.numbers,
    "histograms": tensors.histograms,
    "alerts": alerts.alerts,
    "studies": studies.studies,
    "study": studies.study,
}


def answer(run: Run, query: Query) -> xr.Dataset:
    """Answer one question about one run.

    Parameters
    ----------
    run : Run
        An open run.
    query : Query
        The question; ``query.run`` is not looked at, because ``run`` is already chosen.

    Returns
    -------
    Dataset
        What it holds depends on ``query.what``:

        ``run``
            ``epoch``, ``wall_time`` [step]; sites, examples, parameters, precision as attributes.
        ``grid``
            For the site at index *i*: ``cells_i`` [head_i, row_i, column_i], uint8, the rounded
            ``255 * sqrt(weight)`` of the overview recorded; ``nan_i``, where a cell holds a NaN, if
            any does; ``allowed_i``, where it covers anything that may be attended to, if some cover
            nothing; each measure as ``<measure>_i`` [head_i] and its value under uniform attention
            over the allowed keys as ``<measure>_uniform_i``.
        ``map``
            ``weights``, ``allowed`` [query, key], ``query_valid`` [query], ``key_valid`` [key];
            all with a leading ``example`` if the query names none; ``image`` [row, column] if the
            probe has one. Of a large map, or where ranges are asked, cells that cover several
            weights; ``strong_query``, ``strong_key``, ``strong_weight`` [ordinal] if asked for.
        ``measures``
            For each measure: mean over examples [step, head], ``_low`` and ``_high`` of its 95 %
            bootstrap interval, and ``_uniform`` [step].
        ``parameters``
            Histograms [step, parameter, bin] and statistics [step, parameter].
        ``summary``
            Statistics of all parameters [parameter] at one step, and at the first as ``_first``.
        ``tensors``
            Numbers of tensors of a kind [step, parameter].
        ``histograms``
            ``count`` [step, parameter, bin] of some of them between ``left`` and ``right`` [bin],
            which are the same for all, and their numbers.
        ``alerts``
            What goes wrong, or went, and which rules looked, as attributes.
        ``studies``
            What was studied, and how far each study is, as an attribute.
        ``study``
            The numbers of one study, such as ``effect``, ``low``, ``high`` [site, head], as far as
            it is; how far that is, and what it says of itself, as attributes.

    Raises
    ------
    NotRecordedError
        If the run holds no such step, site, example, head or parameter.
    StoreError
        If a shard of the run is damaged.

    Examples
    --------
    >>> from limelight.store import open_run
    >>> answer(open_run("logs/lstm"), Query("run"))["epoch"].dims  # doctest: +SKIP
    ('step',)
    """
    # Diverged models have NaN weights; their means are NaN, which is an answer, not a fault.
    with np.errstate(invalid="ignore"):
        return _ANSWERS[query.what](run, query)
