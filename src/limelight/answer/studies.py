"""What was studied of a run, and what came of it, also while it runs.

Room: the read path. Comes in: an open run and a query. Goes out: a labelled dataset.
"""

from __future__ import annotations

import json
from typing import Any

import xarray as xr

from limelight import facts
from limelight.query import Query
from limelight.store import Progress, Run, Study


def studies(run: Run, _query: Query) -> xr.Dataset:
    """Return what was studied of a run.

    Parameters
    ----------
    run : Run
        An open run.

    Returns
    -------
    Dataset
        Its attribute ``studies`` is a list of :class:`~limelight.facts.StudyFact`, oldest first.
    """
    said: facts.StudiesFacts = {"studies": [_fact(*pair) for pair in run.studied()]}
    return xr.Dataset(attrs=dict(said))


def study(run: Run, query: Query) -> xr.Dataset:
    """Return the numbers of one study, as far as it is.

    Parameters
    ----------
    run : Run
        An open run.
    query : Query
        ``study``: its key, or the name of a study, for the newest of that name.

    Returns
    -------
    Dataset
        As the study returned it; while it runs, what it would return of what is done. The
        attribute ``study_fact`` says how far that is.

    Raises
    ------
    NotRecordedError
        If there is none.
    StoreError
        If there is no number of it yet, or its file is damaged.
    """
    asked, progress, numbers = run.study_so_far(query.study)
    return numbers.assign_attrs(study_fact=_fact(asked, progress))


def _fact(study: Study, progress: Progress) -> facts.StudyFact:
    settings = {name: _text(value) for name, value in study.settings.items() if name != "study"}
    return {
        "name": study.name,
        "key": study.key,
        "settings": {name: text for name, text in settings.items() if text},
        "n": progress.n,
        "of": progress.of,
        "state": progress.state,
        "done": progress.done,
        "tasks": study.tasks,
        "tier": study.tier,
        "sentence": progress.sentence,
        "created": float(study.begun),
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
